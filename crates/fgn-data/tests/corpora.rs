//! Texts for language models: windows, parts, files and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    Corpora, DataConfig, Reader as _, Result, Samples, TextOptions, TokenizerKind, TokenizerOptions,
};

fn read(path: &Path, options: &TextOptions) -> Result<Arc<dyn Samples>> {
    Corpora::read(path, options, None, &mut |_| ())
}

/// Inputs and targets of each sample, without padding.
fn tokens(samples: &dyn Samples) -> Vec<[Vec<u32>; 2]> {
    let all: Vec<u32> = (0..samples.len() as u32).collect();
    let batch = samples.batch(&all, &Device::Cpu).unwrap();
    let side = |part: &fgn_data::Padded| {
        let mut rows = part.tensor().to_vec2::<u32>().unwrap();
        for (row, &length) in rows.iter_mut().zip(part.lengths().unwrap_or_default()) {
            row.truncate(length);
        }
        rows
    };
    let (inputs, targets) = (side(batch.input()), side(batch.target()));
    inputs.into_iter().zip(targets).map(|(input, target)| [input, target]).collect()
}

#[test]
fn windows_are_the_text_and_what_follows_whatever_their_size_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    let text: String = (0..1013).map(|at| char::from(b'a' + (at * at % 26) as u8)).collect();
    fs::write(&file, &text).unwrap();
    for (window, memory) in [(1, 1 << 20), (7, 1 << 20), (7, 0), (1012, 100), (5000, 1 << 20)] {
        let options = TextOptions { window, memory, ..TextOptions::default() };
        let samples = read(&file, &options).unwrap();
        let tokenizer = samples.schema().input.tokenizer().unwrap();
        let all = tokenizer.encode(&text).unwrap();
        assert_eq!(samples.len(), 1012_usize.div_ceil(window));
        let steps = 0..1012;
        let expected: Vec<[Vec<u32>; 2]> = steps
            .step_by(window)
            .map(|at| (at, 1012.min(at + window)))
            .map(|(at, end)| [all[at..end].to_vec(), all[at + 1..=end].to_vec()])
            .collect();
        assert_eq!(tokens(&*samples), expected, "{window}");
        let part = samples.windows().unwrap().cut(100..311, 50).unwrap();
        let found = tokens(&*part);
        assert_eq!(found.len(), 5);
        assert_eq!(found.concat().concat().len(), 2 * 211);
        assert_eq!(found[0], [all[100..150].to_vec(), all[101..151].to_vec()]);
        assert_eq!(found[4], [all[300..311].to_vec(), all[301..312].to_vec()]);
    }
}

/// Parts are cut without a gap but the token between them, and no token is in two of them.
#[test]
fn held_out_parts_are_the_end_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    let text: String = (0..1000).map(|at| char::from_u32(0x4e00 + at).unwrap()).collect();
    fs::write(&file, &text).unwrap();
    let toml =
        "source = \"\"\nvalidation = 0.1\ntest = 0.2\n[text]\nwindow = 10\nevaluation_window = 7\n";
    let mut config: DataConfig = toml::from_str(toml).unwrap();
    config.source = DataConfig::absolute(&file).unwrap();
    let data = config.open(&mut |_| ()).unwrap();
    let data = config.divide(data, 1).unwrap();
    let all = |samples: &dyn Samples| -> Vec<u32> {
        let windows = tokens(samples);
        let inputs = windows.iter().flat_map(|[input, _]| input.clone());
        inputs.chain(windows.last().map(|[_, target]| target[target.len() - 1])).collect()
    };
    let valid = data.valid.unwrap();
    let parts = [all(&*data.train), all(&*valid), all(&*data.test)];
    assert_eq!(parts.concat(), (0..1000).collect::<Vec<u32>>());
    assert_eq!(parts[2].len(), 200);
    assert_eq!(parts[1].len(), 80, "8 of 80 windows");
    assert_eq!(tokens(&*valid)[0][0].len(), 7);
}

#[test]
fn shakespeare_is_split_as_elsewhere() {
    let config: DataConfig =
        toml::from_str("source = \"shakespeare\"\nvalidation = 0\ntest = 0.1\n").unwrap();
    let data = config.open(&mut |_| ()).unwrap();
    let schema = data.train.schema().to_string();
    assert_eq!(schema, "texts over a vocabulary of 65 characters, the next of 65 tokens");
    let steps = [&data.train, &data.test].map(|part| part.windows().unwrap().steps());
    assert_eq!(steps, [1_003_854 - 1, 111_540 - 1]);
    let first = tokens(&*data.train.windows().unwrap().cut(0..14, 14).unwrap());
    let tokenizer = data.train.schema().input.tokenizer().unwrap();
    assert_eq!(tokenizer.decode(&first[0][0]), "First Citizen:");
    let last = data.test.windows().unwrap();
    let first = tokens(&*last.cut(0..10, 10).unwrap());
    assert_eq!(tokenizer.decode(&first[0][0]), "?\n\nGREMIO:");
}

/// The files of a folder follow each other by name, each from a line of its own.
#[test]
fn a_folder_is_one_text() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("b.txt", "second"), ("a.txt", "first"), ("c.TXT", "third\n"), ("d.md", "x")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let samples = read(folder.path(), &TextOptions::default()).unwrap();
    let tokenizer = samples.schema().input.tokenizer().unwrap();
    let [input, target] = &tokens(&*samples)[0];
    assert_eq!(tokenizer.decode(input), "first\nsecond\nthird");
    assert_eq!(tokenizer.decode(&target[target.len() - 1..]), "\n");
}

#[test]
fn every_tokenizer_makes_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    fs::write(&file, "the cat sat on the mat, the dog on the log.\n".repeat(200)).unwrap();
    for kind in [
        TokenizerKind::Bytes,
        TokenizerKind::Words,
        TokenizerKind::Bpe,
        TokenizerKind::WordPiece,
        TokenizerKind::Unigram,
    ] {
        let tokenizer = TokenizerOptions { vocabulary_size: 300, ..TokenizerOptions::new(kind) };
        let mut options = TextOptions { tokenizer, ..TextOptions::default() };
        let samples = read(&file, &options).unwrap();
        let tokenizer = samples.schema().input.tokenizer().unwrap().clone();
        let [input, _] = &tokens(&*samples)[0];
        assert!(tokenizer.decode(input).starts_with("the cat sat on"), "{kind:?}");
        // What was trained is written down, and read in place of training again.
        let data = fgn_data::TestSplit::default().hold_out(&samples).unwrap();
        Corpora::settle(&mut options, &data);
        assert_eq!(options.tokenizer.trained.is_some(), kind != TokenizerKind::Bytes);
        fs::write(&file, "the cat, the dog.\n".repeat(200)).unwrap();
        let again = read(&file, &options).unwrap();
        assert_eq!(again.schema().input.tokenizer(), Some(&tokenizer), "{kind:?}");
        fs::write(&file, "the cat sat on the mat, the dog on the log.\n".repeat(200)).unwrap();
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let options = TextOptions::default();
    for (file, expected) in [
        (write("empty.txt", b""), "an empty set"),
        (write("one.txt", b"x"), "a text of 1 tokens, expected two tokens or more"),
        (
            write("latin1.txt", b"caf\xe9 au lait"),
            "latin1.txt: byte 3 is 0xe9, expected text in UTF-8",
        ),
        (folder.path().join("absent.txt"), "cannot read"),
    ] {
        let error = read(&file, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let file = write("good.txt", b"good text");
    for (options, expected) in [
        (TextOptions { window: 0, ..options.clone() }, "data.text.window is 0, expected 1 to"),
        (
            TextOptions { evaluation_window: 0, ..options.clone() },
            "data.text.evaluation_window is 0",
        ),
    ] {
        let error = read(&file, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let good = read(&file, &options).unwrap();
    let other = write("other.txt", "good täxt".as_bytes());
    let like = fgn_data::Like::of(&*good);
    let error = Corpora::read(&other, &options, Some(&like), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("other.txt") && error.contains("no \"ä\""), "{error}");
}
