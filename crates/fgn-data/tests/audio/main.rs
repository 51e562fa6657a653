//! Sound files become the samples in them; what is wrong with one is reported with its name.

#![allow(clippy::unwrap_used)]

mod dtmf;
mod errors;
mod fsdd;
mod strings;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use candle_core::Device;
use fgn_data::{
    AudioOptions, AudioTask, DataConfig, Dataset, InputSchema, Like, Reader, Result, Samples,
    Share, Sounds, TestFiles, TestSplit, statistics,
};
use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::TempDir;

/// A folder of sounds.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A WAV file of one channel, of 16 bits.
    fn sound(&self, name: &str, rate: u32, values: &[i16]) -> PathBuf {
        let spec = WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = WavWriter::create(&path, spec).unwrap();
        values.iter().for_each(|&value| file.write_sample(value).unwrap());
        file.finalize().unwrap();
        path
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn read(
        &self,
        name: &str,
        options: &AudioOptions,
        like: Option<&Like>,
    ) -> Result<std::sync::Arc<dyn Samples>> {
        Sounds::read(&self.path(name), options, like, &mut |_| ())
    }

    fn open(&self, name: &str, options: &AudioOptions, split: TestSplit) -> Result<Dataset> {
        Sounds::open(&self.path(name), options, split, &mut |_| ())
    }
}

/// The values of a sound that is known by its number: as many as 3 and the number.
fn values(number: usize) -> Vec<i16> {
    (0..number + 3).map(|at| (number * 100 + at) as i16).collect()
}

/// What [`values`] are as samples.
fn samples_of(number: usize) -> Vec<f32> {
    values(number).into_iter().map(|value| f32::from(value) / 32768.0).collect()
}

/// The sounds of some samples, without padding, which is zeros.
fn sounds(samples: &dyn Samples, indices: &[u32]) -> Vec<Vec<f32>> {
    let batch = samples.batch(indices, &Device::Cpu).unwrap();
    let rows = batch.input().tensor().to_vec2::<f32>().unwrap();
    let lengths = batch.input().lengths().expect("lengths");
    assert_eq!(lengths.iter().max(), rows.first().map(Vec::len).as_ref());
    let row = |(mut row, &length): (Vec<f32>, &usize)| {
        assert!(row.drain(length..).all(|sample| sample == 0.0));
        row
    };
    rows.into_iter().zip(lengths).map(row).collect()
}

fn classes(samples: &dyn Samples) -> Vec<String> {
    let indices: Vec<u32> = (0..samples.len() as u32).collect();
    let batch = samples.batch(&indices, &Device::Cpu).unwrap();
    let classes = batch.target().tensor().to_vec1::<u32>().unwrap();
    classes
        .into_iter()
        .map(|class| samples.schema().target.names()[class as usize].clone())
        .collect()
}

/// The texts of all samples; each sequence ends with the end token, and holds it nowhere else.
fn texts(samples: &dyn Samples) -> Vec<String> {
    let tokenizer = samples.schema().target.tokenizer().unwrap();
    let end = tokenizer.special("<end>").unwrap();
    assert_eq!(end as usize + 1, tokenizer.vocabulary());
    let text = |index: u32| {
        let batch = samples.batch(&[index], &Device::Cpu).unwrap();
        let tokens = batch.target().tensor().to_vec2::<u32>().unwrap().remove(0);
        assert_eq!(tokens.iter().position(|&token| token == end), Some(tokens.len() - 1));
        tokenizer.decode(&tokens)
    };
    (0..samples.len() as u32).map(text).collect()
}

fn titles(samples: &dyn Samples) -> Vec<String> {
    (0..samples.len() as u32).map(|index| samples.title(index)).collect()
}

/// Files `{digit}_{speaker}_{index}.wav`: each of three digits twice by each speaker. The sound's number is the
/// position in this order.
fn spoken(folder: &Folder, speakers: &[&str]) {
    let mut number = 0;
    for digit in 0..3 {
        for speaker in speakers {
            for index in 0..2 {
                folder.sound(&format!("all/{digit}_{speaker}_{index}.wav"), 8_000, &values(number));
                number += 1;
            }
        }
    }
}

fn named() -> AudioOptions {
    AudioOptions { names: Some("{class}_{speaker}_{index}".into()), ..AudioOptions::default() }
}

fn transcribed() -> AudioOptions {
    AudioOptions { task: AudioTask::Transcription, ..named() }
}

#[test]
fn a_folder_for_each_class_is_read_with_its_classes_and_parts() {
    let folder = Folder::new();
    for (number, name) in ["10/a", "9/b", "9/a", "yes/x"].into_iter().enumerate() {
        folder.sound(&format!("words/train/{name}.wav"), 8_000, &values(number));
    }
    folder.write("words/train/README.md", "sounds");
    folder.write("words/train/9/.hidden", "");
    folder.sound("words/test/9/q.WAV", 8_000, &values(7));
    folder.sound("words/val/yes/z.wav", 8_000, &values(8));
    let source = folder.path("words");
    let config = DataConfig::new(source.to_str().unwrap());
    let data = config.open(&mut |_| ()).unwrap();
    assert_eq!(data.train.schema().to_string(), "sounds at 8000 Hz, 3 classes");
    assert_eq!(classes(&*data.train), ["9", "9", "10", "yes"]);
    let expected = [2, 1, 0, 3].map(samples_of);
    assert_eq!(sounds(&*data.train, &[0, 1, 2, 3]), expected);
    let at = std::path::MAIN_SEPARATOR;
    assert_eq!(titles(&*data.train)[2], format!("10{at}a.wav"));
    assert_eq!(classes(&*data.test), ["9"]);
    assert_eq!(sounds(&*data.test, &[0]), [samples_of(7)]);
    let valid = data.valid.unwrap();
    assert_eq!((classes(&*valid), valid.len()), (vec!["yes".to_owned()], 1));
    assert_eq!(valid.schema(), data.train.schema());
    // A text among sounds makes no text of them.
    folder.sound("mixed/a_0.wav", 8_000, &values(0));
    folder.write("mixed/notes.txt", "notes");
    let mixed = DataConfig::new(folder.path("mixed").to_str().unwrap()).open(&mut |_| ());
    let error = mixed.unwrap_err().to_string();
    assert!(error.contains("notes.txt: found a file (.txt), expected sounds (.wav"), "{error}");
    // A folder of images is none of sounds.
    folder.write("photos/cat/1.png", "");
    assert!(Sounds::accepts(&folder.path("words/train")));
    assert!(!Sounds::accepts(&folder.path("photos")) && !Sounds::accepts(&folder.path("none")));
}

#[test]
fn names_of_files_say_everything() {
    let folder = Folder::new();
    spoken(&folder, &["ada", "bo"]);
    let all = folder.read("all", &named(), None).unwrap();
    assert_eq!(all.len(), 12);
    assert_eq!(titles(&*all)[5], "1_ada_1.wav");
    assert_eq!(classes(&*all)[4..8], ["1", "1", "1", "1"]);
    assert_eq!(sounds(&*all, &[11, 5]), [samples_of(11), samples_of(5)]);
    assert_eq!((all.group(4), all.group(5)), (4, 5));
    let by_speaker = AudioOptions { target: Some("speaker".into()), ..named() };
    let all = folder.read("all", &by_speaker, None).unwrap();
    assert_eq!(classes(&*all)[..4], ["ada", "ada", "bo", "bo"]);
}

#[test]
fn a_test_part_is_chosen_by_a_field() {
    let folder = Folder::new();
    spoken(&folder, &["ada", "bo"]);
    let test = Some(TestFiles { field: "index".into(), values: vec!["1".into(), "5".into()] });
    let options = AudioOptions { test, ..named() };
    let data = folder.open("all", &options, TestSplit::default()).unwrap();
    assert!(titles(&*data.train).iter().all(|title| title.ends_with("_0.wav")));
    assert!(titles(&*data.test).iter().all(|title| title.ends_with("_1.wav")));
    assert_eq!((data.train.len(), data.test.len()), (6, 6));
    // An evaluation reads the test part; to predict, every file is read.
    let like = Like::of(&*data.train);
    let again = folder.read("all", &options, Some(&like)).unwrap();
    assert_eq!(titles(&*again), titles(&*data.test));
    let all = folder.read("all", &options, Some(&like.unlabelled())).unwrap();
    assert_eq!((all.len(), all.schema().to_string()), (12, "sounds at 8000 Hz, no target".into()));
    for values in [vec!["7".to_owned()], vec!["0".into(), "1".into()]] {
        let test = Some(TestFiles { field: "index".into(), values });
        let options = AudioOptions { test, ..named() };
        let error = folder.open("all", &options, TestSplit::default()).unwrap_err().to_string();
        assert!(error.contains("(data.audio.test)"), "{error}");
    }
}

#[test]
fn drawn_parts_never_share_a_speaker() {
    let folder = Folder::new();
    spoken(&folder, &["ada", "bo", "cy", "di", "ed"]);
    let options = AudioOptions { group: Some("speaker".into()), ..named() };
    let speakers = |samples: &dyn Samples| -> BTreeSet<String> {
        titles(samples).iter().map(|title| title.split('_').nth(1).unwrap().into()).collect()
    };
    for seed in 0..5 {
        let split = TestSplit { share: Share::Of(0.2), seed };
        let data = folder.open("all", &options, split).unwrap().hold_out(6, seed).unwrap();
        let valid = data.valid.unwrap();
        let parts = [&data.train, &valid, &data.test].map(|part| speakers(&**part));
        assert_eq!(parts.iter().map(BTreeSet::len).collect::<Vec<_>>(), [3, 1, 1]);
        assert_eq!(parts.iter().flatten().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(data.train.len() + valid.len() + data.test.len(), 30);
    }
}

#[test]
fn a_table_names_files_and_their_texts() {
    let folder = Folder::new();
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        folder.sound(&format!("clips/{name}.wav"), 8_000, &values(number));
    }
    let table = "path,text,who\nclips/b.wav,yes no,ada\nclips/a.wav,no,bo\nclips/b.wav,NA,ada\n";
    folder.write("set.csv", table);
    let options = AudioOptions {
        task: AudioTask::Transcription,
        target: Some("text".into()),
        group: Some("who".into()),
        ..AudioOptions::default()
    };
    let config = DataConfig {
        audio: options.clone(),
        ..DataConfig::new(folder.path("set.csv").to_str().unwrap())
    };
    let data = config.open(&mut |_| ()).unwrap();
    assert_eq!(data.train.len() + data.test.len(), 3);
    let all = folder.read("set.csv", &options, None).unwrap();
    assert_eq!(texts(&*all), ["yes no", "no", "NA"]);
    assert_eq!(sounds(&*all, &[0, 1, 2]), [1, 0, 1].map(samples_of));
    assert_eq!([0, 1, 2].map(|index| all.group(index)), [0, 1, 0]);
    assert_eq!(all.schema().target.tokenizer().unwrap().vocabulary(), 9);

    // Later files are read with the same vocabulary.
    let like = Like::of(&*all);
    folder.write("more.csv", "path,text,who\nclips/c.wav,so,cy\n");
    let more = config.read(&folder.path("more.csv"), &like, &mut |_| ()).unwrap();
    assert_eq!(texts(&*more), ["so"]);
    assert_eq!(more.schema(), all.schema());
    folder.write("new.csv", "path\nclips/c.wav\n");
    let new = config.read(&folder.path("new.csv"), &like.unlabelled(), &mut |_| ()).unwrap();
    assert_eq!(sounds(&*new, &[0]), [samples_of(2)]);
}

#[test]
fn files_of_other_rates_are_resampled_to_that_of_the_first_the_option_or_the_model() {
    let folder = Folder::new();
    let wave = |rate: u32, count: usize| -> Vec<i16> {
        let angle = |at: usize| at as f64 * 440.0 / f64::from(rate) * std::f64::consts::TAU;
        (0..count).map(|at| (angle(at).sin() * 16_384.0) as i16).collect()
    };
    folder.sound("all/a_0.wav", 16_000, &wave(16_000, 16_000));
    folder.sound("all/b_0.wav", 44_100, &wave(44_100, 44_101));
    let options = AudioOptions { names: Some("{class}_{n}".into()), ..AudioOptions::default() };
    let first = folder.read("all", &options, None).unwrap();
    assert_eq!(first.schema().input, InputSchema::Audio { sample_rate: 16_000 });
    let both = sounds(&*first, &[0, 1]);
    assert_eq!([both[0].len(), both[1].len()], [16_000, 16_001]);
    for (at, (one, other)) in both[0].iter().zip(&both[1]).enumerate().take(12_000).skip(4_000) {
        assert!((one - other).abs() < 1e-3, "sample {at}");
    }
    let eight = AudioOptions { sample_rate: Some(8_000), ..options.clone() };
    let eight = folder.read("all", &eight, None).unwrap();
    assert_eq!(eight.schema().input, InputSchema::Audio { sample_rate: 8_000 });
    assert_eq!(sounds(&*eight, &[0])[0].len(), 8_000);
    let like = Like::of(&*eight);
    let other = folder.read("all", &options, Some(&like)).unwrap();
    assert_eq!(sounds(&*other, &[0, 1]), sounds(&*eight, &[0, 1]));
    let mut settled = options;
    let data = Dataset { train: eight.clone(), valid: None, test: eight };
    Sounds::settle(&mut settled, &data);
    assert_eq!(settled.sample_rate, Some(8_000));
}

#[test]
fn memory_changes_nothing_and_every_byte_counts() {
    let of = |memory: u64, last: i16, class: &str| {
        let folder = Folder::new();
        folder.sound("all/a_0.wav", 8_000, &values(0));
        folder.sound(&format!("all/{class}_1.wav"), 8_000, &[1, 2, last]);
        let names = Some("{class}_{n}".into());
        let options = AudioOptions { names, memory, ..AudioOptions::default() };
        let all = folder.read("all", &options, None).unwrap();
        (sounds(&*all, &[1, 0]), all.fingerprint().unwrap())
    };
    let before = of(1 << 20, 3, "b");
    assert_eq!(of(0, 3, "b"), before);
    assert_ne!(of(1 << 20, 4, "b").1, before.1);
    assert_ne!(of(1 << 20, 3, "c").1, before.1);
}

#[test]
fn new_sounds_need_no_targets() {
    let folder = Folder::new();
    spoken(&folder, &["ada"]);
    let like = Like::of(&*folder.read("all", &named(), None).unwrap()).unlabelled();
    let one = folder.sound("new/hello.wav", 8_000, &values(4));
    let config = DataConfig { audio: named(), ..DataConfig::new("none") };
    let read = config.read(&one, &like, &mut |_| ()).unwrap();
    assert_eq!(
        (titles(&*read), sounds(&*read, &[0])),
        (vec!["hello.wav".into()], vec![samples_of(4)])
    );
    folder.sound("new/more/hi.wav", 8_000, &values(5));
    let read = config.read(&folder.path("new"), &like, &mut |_| ()).unwrap();
    let at = std::path::MAIN_SEPARATOR;
    assert_eq!(titles(&*read), ["hello.wav".to_owned(), format!("more{at}hi.wav")]);
    let target = read.batch(&[1, 0], &Device::Cpu).unwrap().target().tensor().clone();
    assert_eq!(target.to_vec1::<u32>().unwrap(), [0, 0]);
}

#[test]
fn the_standard_deviation_is_the_root_mean_square() {
    let folder = Folder::new();
    folder.sound("all/a_0.wav", 8_000, &[16_384, -16_384, 0]);
    folder.sound("all/b_0.wav", 8_000, &[8_192]);
    let options = AudioOptions { names: Some("{class}_{n}".into()), ..AudioOptions::default() };
    let found = statistics(&*folder.read("all", &options, None).unwrap()).unwrap();
    let input = found.input.unwrap();
    assert_eq!((input.mean.clone(), found.constant), (vec![0.0], vec![]));
    let expected = ((0.25 + 0.25 + 0.0625) / 4.0_f64).sqrt();
    assert!((input.std[0] - expected).abs() < 1e-12, "{input:?}");
    folder.sound("silent/a_0.wav", 8_000, &[0; 10]);
    let found = statistics(&*folder.read("silent", &options, None).unwrap()).unwrap();
    assert_eq!((found.input.unwrap().std, found.constant), (vec![1.0], vec!["samples".into()]));
}
