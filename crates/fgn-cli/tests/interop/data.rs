//! Small data for the recipes that are for data of one's own: what they leave out of the model follows from it.

use std::fs;
use std::path::{Path, PathBuf};

use fgn_audio::files::to_wav;
use fgn_train::Override;
use image::GrayImage;

/// The settings with which a recipe has its data below `folder`.
pub(crate) fn settings(recipe: &str, folder: &Path) -> Vec<Override> {
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let source = match recipe {
        "series" => "steps.csv",
        "vowels" => "vowels",
        "images" => "photos",
        "text" => "book.txt",
        "documents" => "reviews.csv",
        "tags" => "names.conll",
        "pairs" => "pairs.tsv",
        "dialogues" => "talks.jsonl",
        "digits" | "digit-strings" => "recordings",
        "keywords" => "words",
        "sessions" => "log.csv",
        "msnbc" => "pages.seq",
        "movielens" => "films.inter",
        _ => return smaller(recipe),
    };
    match source {
        "vowels" => {
            for part in ["TRAIN", "TEST"] {
                write(&format!("vowels/Vowels_{part}.ts"), series_of_ts().as_bytes());
            }
        }
        "photos" => photos(&folder.join(source)),
        "recordings" | "words" => sounds(source, &write),
        _ => write(source, text(source).as_bytes()),
    }
    let path: PathBuf = folder.join(source);
    let mut settings = vec![Override::new("data.source", path.to_str().unwrap())];
    settings.extend(smaller(recipe));
    settings
}

/// Fewer samples, where a recipe makes its data.
fn smaller(recipe: &str) -> Vec<Override> {
    let counts: &[(&str, i64)] = match recipe {
        "adding" | "copy" | "selective-copy" | "recall" | "parity" | "reber" => &[
            ("data.task.train_samples", 200),
            ("data.task.valid_samples", 20),
            ("data.task.test_samples", 20),
        ],
        "digit-strings" => {
            &[("data.audio.strings.samples", 20), ("data.audio.strings.test_samples", 20)]
        }
        _ => &[],
    };
    let mut all = vec![Override::new("training.batch_size", 4)];
    all.extend(counts.iter().map(|&(key, count)| Override::new(key, count)));
    all
}

/// 60 rows of each kind.
fn text(source: &str) -> String {
    let (head, row): (&str, fn(usize) -> String) = match source {
        "steps.csv" => ("id,x,y,target\n", |n| {
            format!("{},{},{},{}\n", n / 3, n % 7, n * n % 11, ["up", "down"][n / 3 % 2])
        }),
        "book.txt" => ("", |n| format!("Line {n} is read, and then the next one.\n")),
        "reviews.csv" => ("text,label\n", |n| {
            format!("the word {n} was {0},{0}\n", ["good", "bad", "dull"][n % 3])
        }),
        "names.conll" => ("", |n| format!("ann NAME\nsees O\nword{} O\n\n", n % 9)),
        "pairs.tsv" => ("source\ttarget\n", |n| {
            let words = [["red", "rot"], ["blue", "blau"], ["green", "grün"]];
            let (one, two) = (words[n % 3], words[n / 3 % 3]);
            format!("{} and {}\t{} und {}\n", one[0], two[0], one[1], two[1])
        }),
        "talks.jsonl" => ("", |n| {
            format!(
                "[{{\"speaker\":\"user\",\"text\":\"i am number {n}\"}},\
                 {{\"speaker\":\"bot\",\"text\":\"hello {}\"}}]\n",
                n % 5
            )
        }),
        "log.csv" => ("session,item\n", |n| format!("s{},i{}\n", n / 5, n % 6)),
        "pages.seq" => ("", |n| format!("{} {} {}\n", n % 5, n % 7, n % 3)),
        _ => ("user_id:token\titem_id:token\ttimestamp:float\n", |n| {
            format!("{}\t{}\t{n}\n", n / 10, n % 9)
        }),
    };
    (0..60).map(row).fold(head.to_owned(), |all, row| all + &row)
}

fn series_of_ts() -> String {
    let head = "@problemName vowels\n@timeStamps false\n@univariate false\n@dimensions 2\n\
                @equalLength false\n@classLabel true a b\n@data\n";
    let row = |n: usize| format!("{n},2,3:4,5,{n}:{}\n", ["a", "b"][n % 2]);
    (0..20).map(row).fold(head.to_owned(), |all, row| all + &row)
}

fn photos(folder: &Path) {
    for (class, name) in ["cat", "dog"].iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for index in 0..15_u8 {
            let grey = |x: u32, y: u32| image::Luma([(7 * x + 9 * y) as u8 ^ index ^ class as u8]);
            let image = GrayImage::from_fn(28, 28, grey);
            image.save(folder.join(format!("{name}/{index}.png"))).unwrap();
        }
    }
}

/// Noise of a tenth of a second: 3 classes by 2 speakers, 10 times.
fn sounds(source: &str, write: &dyn Fn(&str, &[u8])) {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    for (class, speaker) in ["0", "1", "2"].iter().flat_map(|class| ["a", "b"].map(|s| (class, s)))
    {
        for index in 0..10 {
            let sound: Vec<f32> = (0..800).map(|_| noise()).collect();
            let name = match source {
                "words" => format!("words/{class}/{speaker}{index}.wav"),
                _ => format!("recordings/{class}_{speaker}_{index}.wav"),
            };
            write(&name, &to_wav(&sound, 8000).unwrap());
        }
    }
}
