//! What `[data]` of a recipe says is what is read.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use fgn_data::{
    DataConfig, Dataset, Error, ImageFolders, InputSchema, InteractionLogs, Like, Reader,
    SeriesOptions, SessionBatches, SessionOptions, Share, Tables, TargetSchema, Task, TestSplit,
};

fn open(source: &str) -> String {
    DataConfig::new(source).open(&mut |_| ()).unwrap_err().to_string()
}

#[test]
fn a_source_with_a_slash_or_a_known_ending_is_a_path() {
    for path in ["./mnist", "steps.csv", "a/steps.parquet", "STEPS.TSV", "digit.png"] {
        assert!(DataConfig::new(path).is_path(), "{path}");
        assert!(open(path).starts_with(&format!("cannot read {path}: ")), "{}", open(path));
    }
    assert!(!DataConfig::new("mnist").is_path());
    assert!(open("mnits").contains("did you mean \"mnist\""), "{}", open("mnits"));
    assert!(DataConfig::absolute(Path::new("a.csv")).unwrap().ends_with("/a.csv"));
}

#[test]
fn a_path_that_no_reader_knows_is_refused_with_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.doc");
    fs::write(&file, "hello").unwrap();
    let message = open(file.to_str().unwrap());
    assert!(
        message.contains("notes.doc: found a file that no reader knows, expected "),
        "{message}"
    );
    for reads in ["a table (.csv, .tsv or .parquet)", "MNIST's four files", "images (PNG, JPEG"] {
        assert!(message.contains(reads), "{message}");
    }
    let like = Like::new(
        fgn_data::Schema::new(InputSchema::Series { features: 1 }, TargetSchema::None),
        Vec::new(),
    );
    let error = DataConfig::new("mnist").read(&file, &like, &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::NoReader { .. }), "{error}");
}

#[test]
fn what_is_left_out_is_not_written() {
    let text = toml::to_string(&DataConfig::new("mnist")).unwrap();
    assert_eq!(text, "source = \"mnist\"\nvalidation = 0\n");
    let text = "source = \"a.csv\"\nvalidation = 0.1\ntest = 7\nseed = 3\n\n[series]\n\
                task = \"regression\"\nid = \"who\"\ntarget = [\"x\", \"y\"]\n\n\
                [images]\nsize = [28, 28]\ninvert = true\n\n[idx]\n";
    let config: DataConfig = toml::from_str(text).unwrap();
    assert_eq!((config.validation, config.test), (Share::Of(0.1), Share::Count(7)));
    assert_eq!((config.series.task, config.series.target.len()), (Task::Regression, 2));
    assert_eq!((config.images.size, config.images.invert), (Some([28, 28]), true));
    assert_eq!(toml::from_str::<DataConfig>(&toml::to_string(&config).unwrap()), Ok(config));

    let forecast = "source = \"a.csv\"\nvalidation = 0\n[series]\ntarget = \"x\"\n\
                    task = { forecast = { window = 24 } }\n";
    let config: DataConfig = toml::from_str(forecast).unwrap();
    assert_eq!(config.series.task, Task::Forecast { window: 24, ahead: 1, stride: 1 });
    assert_eq!(config.series.target, ["x"]);
}

#[test]
fn unknown_keys_are_refused_and_the_known_listed() {
    let refused = |text: &str, expected: &[&str]| {
        let text = format!("source = \"a.csv\"\nvalidation = 0\n{text}");
        let message = toml::from_str::<DataConfig>(&text).unwrap_err().to_string();
        assert!(expected.iter().all(|part| message.contains(part)), "{message}");
    };
    refused("[serie]\n", &["unknown field `serie`", "`idx`", "`series`", "`images`", "`test`"]);
    refused("[series]\ntarjet = 1\n", &["unknown field `tarjet`", "`target`"]);
    refused("[images]\ncolor = true\n", &["unknown field `color`", "`colour`"]);
    refused("[idx]\nsize = 1\n", &["unknown field `size`"]);
    refused("[series]\ntask = \"classes\"\n", &["unknown variant `classes`", "`classification`"]);
}

#[test]
fn shares_out_of_range_are_reported_with_their_key() {
    let config = DataConfig { validation: Share::Of(1.0), ..DataConfig::new("mnist") };
    let expected = "data.validation is 1.0, expected a number of samples, or a share of at least 0 and below 1";
    assert_eq!(config.held_out(10).unwrap_err().to_string(), expected);
    assert_eq!(config.check().unwrap_err().to_string(), expected);
    let config = DataConfig { validation: Share::Of(0.25), test: Share::Of(-0.5), ..config };
    assert_eq!(config.held_out(10).unwrap(), 3);
    let message = config.check().unwrap_err().to_string();
    assert!(message.starts_with("data.test is -0.5, expected a number"), "{message}");
    DataConfig { test: Share::Count(3), ..config }.check().unwrap();
}

fn series() -> SeriesOptions {
    let (id, target) = (Some("id".into()), vec!["kind".into()]);
    SeriesOptions { id, target, ..SeriesOptions::default() }
}

fn table(ids: std::ops::Range<u32>) -> String {
    let rows = ids.map(|id| format!("{id},{id},{}\n", id % 2));
    "id,x,kind\n".to_owned() + &rows.collect::<String>()
}

/// Fills `folder` with a part in a reader's own form: its name, and how many samples it has.
type Write = fn(&Path, &str, u32);

fn check_parts<R: Reader>(options: &R::Options, write: Write) {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        assert!(R::accepts(folder.path()) || R::parts(folder.path()).unwrap().is_some());
        R::open(folder.path(), options, TestSplit::default(), &mut |_| ()).unwrap()
    };
    let sizes = |set: &Dataset| {
        (set.train.len(), set.valid.as_ref().map(|valid| valid.len()), set.test.len())
    };
    write(folder.path(), "train", 20);
    assert_eq!(
        R::parts(folder.path()).unwrap().map(|parts| (parts.valid, parts.test)),
        Some((None, None))
    );
    assert_eq!(sizes(&open()), (16, None, 4), "a fifth is held out");
    write(folder.path(), "valid", 3);
    assert_eq!(sizes(&open()), (16, Some(3), 4));
    write(folder.path(), "test", 5);
    let set = open();
    assert_eq!(sizes(&set), (20, Some(3), 5));
    let valid = set.valid.as_ref().unwrap();
    assert!([valid, &set.test].iter().all(|part| part.schema() == set.train.schema()));

    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(R::parts(nothing.path()).unwrap(), None);
    let none = TestSplit { share: Share::Count(0), ..TestSplit::default() };
    fs::remove_file(folder.path().join("test.csv")).ok();
    fs::remove_dir_all(folder.path().join("test")).ok();
    let error = R::open(folder.path(), options, none, &mut |_| ()).unwrap_err().to_string();
    assert!(error.starts_with("data.test is 0, expected at least one sample"), "{error}");
}

#[test]
fn parts_are_side_by_side_whatever_reads_them() {
    check_parts::<Tables>(&series(), |folder, part, count| {
        fs::write(folder.join(format!("{part}.csv")), table(0..count)).unwrap();
    });
    let sessions = SessionOptions {
        session: "id".into(),
        item: "kind".into(),
        batches: SessionBatches::Padded,
        ..SessionOptions::default()
    };
    check_parts::<InteractionLogs>(&sessions, |folder, part, count| {
        let twice = table(0..count) + &table(0..count).replace("id,x,kind\n", "");
        fs::write(folder.join(format!("{part}.csv")), twice).unwrap();
    });
    check_parts::<ImageFolders>(&Default::default(), |folder, part, count| {
        for number in 0..count {
            let class = folder.join(part).join((number % 2).to_string());
            fs::create_dir_all(&class).unwrap();
            let image = image::GrayImage::new(3, 2);
            image.save(class.join(format!("{number}.png"))).unwrap();
        }
    });
}

#[test]
fn what_was_read_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("steps.csv");
    fs::write(&file, table(0..10)).unwrap();
    let source = file.to_str().unwrap().to_owned();
    let mut config = DataConfig { series: series(), ..DataConfig::new(source.clone()) };
    let set = config.open(&mut |_| ()).unwrap();
    config.settle(&set).unwrap();
    assert_eq!((&config.source, &config.series.features), (&source, &vec!["x".to_owned()]));
    // A column that is added later changes nothing.
    let rows = (0..10).map(|id| format!("{id},7,{id},{}\n", id % 2));
    let wider = "id,y,x,kind\n".to_owned() + &rows.collect::<String>();
    fs::write(&file, wider).unwrap();
    assert_eq!(config.open(&mut |_| ()).unwrap().train.features(), ["x"]);

    let mut named = DataConfig::new("mnist");
    named.settle(&set).unwrap();
    assert_eq!(named, DataConfig::new("mnist"));
    // Data that was not read from there: only the path is made absolute.
    let mut elsewhere = DataConfig::new("./nowhere");
    elsewhere.settle(&set).unwrap();
    assert!(Path::new(&elsewhere.source).is_absolute() && elsewhere.series.features.is_empty());
}

#[test]
fn every_kind_of_path_finds_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| open(path.to_str().unwrap());
    // An idx folder that lacks files; a table with a wrong column; a folder of nothing.
    let idx = folder.path().join("idx");
    fs::create_dir(&idx).unwrap();
    fs::write(idx.join("train-images-idx3-ubyte.gz"), "").unwrap();
    assert!(message(&idx).contains("looked for train-labels-idx1-ubyte"), "{}", message(&idx));
    let tables = folder.path().join("tables");
    fs::create_dir(&tables).unwrap();
    fs::write(tables.join("train.tsv"), "a\tb\n").unwrap();
    assert!(message(&tables).contains("data.series.target is 0 columns"), "{}", message(&tables));
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    assert!(message(&images).contains("expected a folder for each class"), "{}", message(&images));
    let one = folder.path().join("one.png");
    image::GrayImage::new(3, 2).save(&one).unwrap();
    assert!(
        message(&one).contains("one.png: found a file, expected a folder for each class"),
        "{}",
        message(&one)
    );
}
