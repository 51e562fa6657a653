//! Sentences with a class for each word.

use std::fs;
use std::sync::Arc;

use fgn_data::{
    Like, Reader as _, Result, Samples, TagOptions, Tags, TargetSchema, TokenizerKind,
    TokenizerOptions,
};

use candle_core::Device;

fn read(text: &str, options: &TagOptions, like: Option<&Like>) -> Result<Arc<dyn Samples>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.conll");
    fs::write(&file, text).unwrap();
    Tags::read(&file, options, like, &mut |_| ())
}

const TEXT: &str =
    "-DOCSTART- -X- O\r\n\r\nAda NNP B\r\nsmiled VBD O\r\n\r\n\r\nBob NNP B\nand CC O\nAda NNP B\n";

#[test]
fn each_word_has_its_tag_whatever_is_between_them() {
    for memory in [1 << 20, 0] {
        let options = TagOptions { memory, ..TagOptions::default() };
        let samples = read(TEXT, &options, None).unwrap();
        assert_eq!(samples.schema().target.names(), ["B", "O"]);
        assert_eq!([samples.title(0), samples.title(1)], ["line 3", "line 7"]);
        let batch = samples.batch(&[1, 0], &Device::Cpu).unwrap();
        let tokenizer = samples.schema().input.tokenizer().unwrap();
        let words = batch.input().tensor().to_vec2::<u32>().unwrap();
        assert_eq!(tokenizer.decode(&words[0]), "Bob and Ada");
        assert_eq!(tokenizer.decode(&words[1][..2]), "Ada smiled");
        assert_eq!(words[0][2], words[1][0], "one word, one token");
        let tags = batch.target();
        assert_eq!(tags.tensor().to_vec2::<u32>().unwrap(), [[0, 1, 0], [0, 1, 0]]);
        assert_eq!(
            (tags.lengths(), batch.input().lengths()),
            (Some(&[3, 2][..]), Some(&[3, 2][..]))
        );
    }
}

#[test]
fn new_sentences_need_no_tags_and_known_ones_keep_their_order() {
    let samples = read(TEXT, &TagOptions::default(), None).unwrap();
    let like = Like::of(&*samples);
    let new =
        read("Eve\nand\nAda\n", &TagOptions::default(), Some(&like.clone().unlabelled())).unwrap();
    assert_eq!(new.schema().target, TargetSchema::None);
    assert_eq!(new.batch(&[0], &Device::Cpu).unwrap().input().tensor().dims(), [1, 3]);
    let other = read("Ada O\nAda B\n", &TagOptions::default(), Some(&like)).unwrap();
    let tags = other.batch(&[0], &Device::Cpu).unwrap().target().tensor().to_vec2::<u32>();
    assert_eq!(tags.unwrap(), [[1, 0]]);
    let error = read("Ada X\n", &TagOptions::default(), Some(&like)).unwrap_err().to_string();
    assert!(error.contains("a.conll, line 1") && error.contains("X"), "{error}");
}

#[test]
fn what_is_no_tagged_sentence_is_refused() {
    let characters = TagOptions {
        tokenizer: TokenizerOptions::new(TokenizerKind::Characters),
        ..TagOptions::default()
    };
    for (text, options, expected) in [
        ("", TagOptions::default(), "an empty set"),
        ("\n\n", TagOptions::default(), "an empty set"),
        ("Ada B\nsmiled\n", TagOptions::default(), "line 2: found \"smiled\" alone"),
        ("a B\nno O\n", characters, "from line 1 on: found \"no\" as 2 tokens"),
    ] {
        let error = read(text, &options, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
