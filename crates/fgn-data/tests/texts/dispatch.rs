//! Which reader a path finds, and what a run writes down.

use fgn_data::{
    Corpora, DataConfig, DialogueOptions, Dialogues, DocumentOptions, Documents, Like, PairOptions,
    Pairs, SeriesOptions, Tables, TargetSchema, TextOptions, TokenizerKind, TokenizerOptions,
};

use super::*;

const TABLE: &str = "id,text,kind\n1,a b,x\n2,b b,y\n3,c,x\n4,a,y\n5,b c,x\n";

fn documents() -> DocumentOptions {
    DocumentOptions { column: "text".into(), target: "kind".into(), ..Default::default() }
}

fn pairs() -> PairOptions {
    PairOptions { source: "text".into(), target: "kind".into(), ..Default::default() }
}

fn series() -> SeriesOptions {
    let ignore = vec!["text".into()];
    SeriesOptions {
        id: Some("id".into()),
        target: vec!["kind".into()],
        ignore,
        ..Default::default()
    }
}

fn open(config: &DataConfig) -> Result<fgn_data::Dataset> {
    config.open(&mut |_| ())
}

#[test]
fn the_reader_of_a_table_is_the_one_whose_options_are_given() {
    let folder = Folder::new();
    let table = folder.write("a.csv", TABLE);
    let config = DataConfig::new(table.to_str().unwrap());
    let refused = |config: &DataConfig| open(config).unwrap_err().to_string();
    assert!(refused(&config).contains("data.series.target is 0 columns"), "{}", refused(&config));

    let schema = |config: &DataConfig| open(config).unwrap().train.schema().clone();
    let documents = DataConfig { documents: documents(), ..config.clone() };
    let found = schema(&documents);
    assert!(Documents::suits(&found) && !Pairs::suits(&found) && !Tables::suits(&found));
    let pairs = DataConfig { pairs: pairs(), ..config };
    let found = schema(&pairs);
    assert!(Pairs::suits(&found) && !Documents::suits(&found));
    // Beside those, options of readers of other files do not count.
    let text = TextOptions { window: 3, ..Default::default() };
    assert_eq!(schema(&DataConfig { text, ..pairs.clone() }), found);

    let lines = folder.write("a.jsonl", "[]");
    let error = refused(&DataConfig { source: lines.to_str().unwrap().into(), ..pairs });
    let expected =
        "found dialogues in JSON lines (.jsonl), but options for data.pairs, expected a table";
    assert!(error.contains(expected), "{error}");

    let both = DataConfig { series: series(), ..documents.clone() };
    let error = refused(&both);
    let expected = "a.csv: found options for several readers: data.series, data.documents, expected those of one";
    assert!(error.contains(expected), "{error}");
    let error = both.clone().settle(&open(&documents).unwrap()).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    // A model says which is meant.
    let like = Like::of(&*open(&documents).unwrap().train);
    assert!(both.read(&table, &like, &mut |_| ()).is_ok());
}

#[test]
fn a_folder_with_parts_is_read_as_its_options_say() {
    let folder = Folder::new();
    for part in ["train.tsv", "test.tsv"] {
        folder.write(part, TABLE.replace(',', "\t"));
    }
    let source = folder.0.path().to_str().unwrap();
    let config = DataConfig { documents: documents(), ..DataConfig::new(source) };
    let data = open(&config).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (5, 5));
    assert!(Documents::suits(data.train.schema()));
    let error = DataConfig { pairs: pairs(), ..config };
    assert!(open(&error).unwrap_err().to_string().contains("data.documents, data.pairs"));
}

#[test]
fn corpora_and_dialogues_are_not_mixed_up() {
    let folder = Folder::new();
    let text = folder.write("a.txt", "a text of words");
    let lines = folder.write("a.jsonl", r#"[{"speaker":"bot","text":"a"}]"#);
    let read =
        |config: DataConfig, path: &PathBuf, like: &Like| config.read(path, like, &mut |_| ());
    let corpus = Corpora::read(&text, &TextOptions::default(), None, &mut |_| ()).unwrap();
    let chats = Dialogues::read(&lines, &DialogueOptions::default(), None, &mut |_| ()).unwrap();
    let [corpus, chats] = [Like::of(&*corpus), Like::of(&*chats)];
    assert!(matches!(corpus.schema.target, TargetSchema::NextToken { .. }));
    assert!(read(DataConfig::new(""), &text, &corpus).is_ok());
    assert!(read(DataConfig::new(""), &lines, &chats).is_ok());
    let error = read(DataConfig::new(""), &lines, &corpus).unwrap_err().to_string();
    assert!(error.contains("found a file (.jsonl), but the model is for texts over"), "{error}");
    assert!(error.contains("expected a text (.txt or .text)"), "{error}");
    let error = read(DataConfig::new(""), &text, &chats).unwrap_err().to_string();
    assert!(error.contains("expected dialogues in JSON lines (.jsonl)"), "{error}");
}

#[test]
fn a_folder_with_folders_is_no_folder_of_texts() {
    let folder = Folder::new();
    folder.write("README.txt", "about");
    assert!(!Corpora::accepts(folder.0.path()));
    folder.write("one.txt", "text");
    assert!(Corpora::accepts(folder.0.path()));
    fs::create_dir(folder.0.path().join("cat")).unwrap();
    assert!(!Corpora::accepts(folder.0.path()));
}

#[test]
fn what_was_trained_is_settled_and_read_again() {
    let folder = Folder::new();
    let (bpe, words) = (TokenizerOptions::new(TokenizerKind::Bpe), TokenizerKind::Words);
    let table = folder.write("a.csv", TABLE);
    let lines = [r#"[{"speaker":"bot","text":"a b"}]"#; 5].join("\n");
    let lines = folder.write("a.jsonl", lines);
    let text = folder.write("a.txt", "some words of a text ".repeat(20));
    let new = |path: &PathBuf| DataConfig::new(path.to_str().unwrap());
    let by = |options: &TokenizerOptions| options.clone();
    for config in [
        DataConfig {
            documents: DocumentOptions { tokenizer: by(&bpe), ..documents() },
            ..new(&table)
        },
        DataConfig { pairs: PairOptions { source_tokenizer: by(&bpe), ..pairs() }, ..new(&table) },
        new(&lines),
        DataConfig {
            text: TextOptions { tokenizer: TokenizerOptions::new(words), ..Default::default() },
            ..new(&text)
        },
        DataConfig::new("scan"),
    ] {
        let data = open(&config).unwrap();
        let mut settled = config.clone();
        settled.settle(&data).unwrap();
        assert_ne!(settled, config);
        let text = toml::to_string(&settled).unwrap();
        assert!(text.contains("[") && text.contains(".trained]"), "{text}");
        let again: DataConfig = toml::from_str(&text).unwrap();
        assert_eq!(again, settled);
        let again = open(&again).unwrap();
        assert_eq!(again.train.schema(), data.train.schema());
        assert_eq!(again.train.fingerprint().unwrap(), data.train.fingerprint().unwrap());
        // Training again on other data gives other tokens; what is settled stays.
        settled.source = new(&folder.write("other.csv", TABLE.replace('a', "zz"))).source;
        if config.source.ends_with("a.csv") && config.pairs != PairOptions::default() {
            let other = open(&settled).unwrap();
            assert_eq!(other.train.schema(), data.train.schema());
        }
    }
}

#[test]
fn a_tokenizer_says_its_kind() {
    let text =
        "source = \"a.jsonl\"\nvalidation = 0\n[dialogues.tokenizer]\nvocabulary_size = 100\n";
    let error = toml::from_str::<DataConfig>(text).unwrap_err().to_string();
    assert!(error.contains("missing field `kind`"), "{error}");
    let config: DataConfig =
        toml::from_str(&(text.to_owned() + "kind = \"word-piece\"\n")).unwrap();
    assert_eq!(config.dialogues.tokenizer.kind, TokenizerKind::WordPiece);
    assert_eq!(config.dialogues.tokenizer.vocabulary_size, 100);
}
