//! Tables become the sequences in them; what is wrong in one is reported with its line and column.

#![allow(clippy::unwrap_used)]

mod classes;
mod numbers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    Batches, DataConfig, Dataset, InputSchema, Like, Missing, Order, ReadProgress, Reader, Result,
    Samples, Schema, SeriesOptions, Share, Tables, TargetSchema, Task,
};
use proptest::prelude::*;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, text: impl AsRef<[u8]>, options: &SeriesOptions) -> Result<Arc<dyn Samples>> {
        Tables::read(&self.write("a.csv", text), options, None, &mut |_| ())
    }

    /// The error of a table that must be refused, without the folder's name.
    #[track_caller]
    fn refused(&self, text: impl AsRef<[u8]>, options: &SeriesOptions) -> String {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        self.read(text, options).expect_err("accepted").to_string().replace(&folder, "")
    }
}

fn options(task: Task, id: &str, target: &[&str]) -> SeriesOptions {
    SeriesOptions {
        task,
        id: (!id.is_empty()).then(|| id.to_owned()),
        target: target.iter().map(|&name| name.to_owned()).collect(),
        ..SeriesOptions::default()
    }
}

fn classification() -> SeriesOptions {
    options(Task::Classification, "id", &["kind"])
}

/// A sample's steps, without padding.
fn steps(series: &dyn Samples, index: u32) -> Vec<Vec<f64>> {
    let batch = series.batch(&[index], &Device::Cpu).unwrap();
    batch.input().tensor().squeeze(0).unwrap().to_vec2().unwrap()
}

fn values(series: &dyn Samples, index: u32) -> Vec<f64> {
    series.batch(&[index], &Device::Cpu).unwrap().target().tensor().to_vec2().unwrap().remove(0)
}

fn value(names: &[&str]) -> TargetSchema {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    TargetSchema::Value { names, per_step: false }
}

fn class(series: &dyn Samples, index: u32) -> u32 {
    series.batch(&[index], &Device::Cpu).unwrap().target().tensor().to_vec1().unwrap()[0]
}

#[test]
fn rows_of_an_id_are_the_steps_of_a_sequence() {
    let text = "x,id,y,kind\n1,a,2,b\n3,10,4.5,c\n-5e-1,a,6,b\n7,a,8,b\n";
    let series = Folder::new().read(text, &classification()).unwrap();
    assert_eq!(series.len(), 2);
    assert_eq!(series.schema().input, InputSchema::Series { features: 2 });
    assert_eq!(series.schema().target.names(), ["b", "c"]);
    assert_eq!((series.title(0), series.title(1)), ("a".into(), "10".into()));
    assert_eq!(steps(&*series, 0), [[1.0, 2.0], [-0.5, 6.0], [7.0, 8.0]]);
    assert_eq!(steps(&*series, 1), [[3.0, 4.5]]);
    let both = series.batch(&[1, 0], &Device::Cpu).unwrap();
    assert_eq!(both.input().lengths(), Some(&[1, 3][..]));
    assert!(both.target().lengths().is_none(), "a target for each sample has no steps");
    assert_eq!(both.input().tensor().dims(), [2, 3, 2]);
    let padding = both.input().tensor().get(0).unwrap().narrow(0, 1, 2).unwrap();
    assert_eq!(padding.to_vec2::<f64>().unwrap(), [[0.0; 2]; 2]);
    assert_eq!(both.target().tensor().to_vec1::<u32>().unwrap(), [1, 0]);
}

#[test]
fn classes_that_are_numbers_are_in_their_order() {
    let text = "id,x,kind\na,1,10\nb,1,9\nc,1,-\nd,1,2\n";
    let series = Folder::new().read(text, &classification()).unwrap();
    let names = ["2", "9", "10", "-"].map(String::from).to_vec();
    assert_eq!(series.schema().target, TargetSchema::Class { names, per_step: false });
    assert_eq!([0, 1, 2, 3].map(|index| class(&*series, index)), [2, 1, 3, 0]);
}

#[test]
fn values_are_those_of_the_sequence() {
    let text = "id;u;v;x\r\n1;0.5;2;7\r\n1;0.5;2;8\r\n2;-1;3;9\r\n";
    let options =
        SeriesOptions { delimiter: Some(';'), ..options(Task::Regression, "id", &["v", "u"]) };
    let series = Folder::new().read(text, &options).unwrap();
    assert_eq!(series.features(), ["x"]);
    assert_eq!(series.schema().target, value(&["v", "u"]));
    assert_eq!((values(&*series, 0), values(&*series, 1)), (vec![2.0, 0.5], vec![3.0, -1.0]));
}

#[test]
fn windows_forecast_within_their_sequence() {
    let rows = |id: char, count: usize, from: usize| -> String {
        (from..from + count).map(|row| format!("{id},{row},{}\n", 10 * row)).collect()
    };
    let text = format!("id,t,v\n{}{}{}", rows('a', 6, 0), rows('b', 3, 100), rows('a', 2, 6));
    let task = Task::Forecast { window: 3, ahead: 2, stride: 2 };
    let series = Folder::new().read(&text, &options(task, "id", &["v"])).unwrap();
    // Sequence a has 8 rows: windows at 0 and 2; at 4 there is no row 2 ahead. b is too short.
    assert_eq!(series.len(), 2);
    assert_eq!(series.features(), ["t", "v"]);
    assert_eq!(steps(&*series, 1), [[2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]);
    assert_eq!((values(&*series, 0), values(&*series, 1)), (vec![40.0], vec![60.0]));
    assert_eq!(series.title(1), "a, rows from 3");
    assert!(series.batch(&[0], &Device::Cpu).unwrap().input().lengths().is_none());

    // Windows count: checked against counting them.
    for rows_there in 1..20 {
        for (window, ahead, stride) in [(1, 1, 1), (3, 1, 1), (3, 2, 2), (5, 3, 4), (2, 1, 7)] {
            let task = Task::Forecast { window, ahead, stride };
            let text = format!("id,t,v\n{}", rows('a', rows_there, 0));
            let counted = (0..rows_there)
                .step_by(stride)
                .filter(|first| first + window - 1 + ahead < rows_there)
                .count();
            match Folder::new().read(&text, &options(task, "", &["v"]).without("id")) {
                Ok(series) => assert_eq!(series.len(), counted),
                Err(error) => assert_eq!(counted, 0, "{error}"),
            }
        }
    }
}

trait Without {
    fn without(self, column: &str) -> Self;
}

impl Without for SeriesOptions {
    fn without(mut self, column: &str) -> Self {
        self.ignore.push(column.into());
        self
    }
}

#[test]
fn missing_numbers_are_read_as_asked() {
    let text = "id,x,y,kind\na,1,2,k\nb,,5,l\na,NA,?,k\na,nan,7,k\n";
    let folder = Folder::new();
    let read = |missing| folder.read(text, &SeriesOptions { missing, ..classification() }).unwrap();
    assert_eq!(steps(&*read(Missing::Zero), 0), [[1.0, 2.0], [0.0, 0.0], [0.0, 7.0]]);
    assert_eq!(steps(&*read(Missing::Previous), 0), [[1.0, 2.0], [1.0, 2.0], [1.0, 7.0]]);
    assert_eq!(steps(&*read(Missing::Previous), 1), [[0.0, 5.0]]);
    assert_eq!(
        folder.refused(text, &classification()),
        "a.csv, line 3, column \"x\": found nothing, expected a number (or data.series.missing = \
         \"zero\" or \"previous\")"
    );
}

#[test]
fn what_is_wrong_is_reported_with_line_and_column() {
    let folder = Folder::new();
    let refused = |text: &str, options: &SeriesOptions, expected: &str| {
        let message = folder.refused(text, options);
        assert!(message.starts_with(expected), "{message}\nexpected {expected}");
    };
    let all = classification();
    refused("", &all, "a.csv: an empty set");
    refused("id,x,kind\n", &all, "a.csv: an empty set");
    refused(
        "id,x,kin\na,1,k\n",
        &all,
        "a.csv: no column \"kind\"; found \"id, x, kin\" (did you mean \"kin\"?)",
    );
    refused("id,x,x,kind\n", &all, "a.csv: found two columns called \"x\"");
    refused("id,kind\na,1\n", &all, "a.csv: found no column of features");
    refused("id,x,kind\na,1,k\nb,2\n", &all, "a.csv, line 3: found 2 fields, expected 3");
    refused(
        "id,x,kind\na,1,k\nb,red,k\n",
        &all,
        "a.csv, line 3, column \"x\": found \"red\", expected a finite number",
    );
    refused("id,x,kind\na,1e400,k\n", &all, "a.csv, line 2, column \"x\": found \"1e400\"");
    refused("id,x,kind\na,inf,k\n", &all, "a.csv, line 2, column \"x\": found \"inf\"");
    refused(
        "id,x,kind\n,1,k\n",
        &all,
        "a.csv, line 2, column \"id\": found nothing, expected an id",
    );
    refused("id,x,kind\na,1,\n", &all, "a.csv, line 2, column \"kind\": found nothing");
    refused(
        "id,x,kind\na,1,k\n\na,2,l\n",
        &all,
        "a.csv, line 4, column \"kind\": found \"l\", expected \"k\", as in the previous rows of this id",
    );
    // Whatever ends a line, and whatever is in a field.
    refused("\n\n\nid,x,kind\na,1,k\n\nb,red,k", &all, "a.csv, line 7, column \"x\"");
    refused("id,x,kind\r\n\r\na,1,k\r\n\r\n\r\nb,red,k\r\n", &all, "a.csv, line 6, column \"x\"");
    refused("id,x,kind\n\"a\nb\",1,k\nc,red,k\n", &all, "a.csv, line 4, column \"x\"");
    let regression = options(Task::Regression, "id", &["kind"]);
    refused(
        "id,x,kind\na,1,2\na,1,3\n",
        &regression,
        "a.csv, line 3, column \"kind\": found 3, expected 2",
    );
    refused("id,x,kind\na,1,k\n", &regression, "a.csv, line 2, column \"kind\": found \"k\"");
    let message = folder.refused(b"id,x,kind\na,\xff,k\n", &all);
    assert!(message.starts_with("a.csv, line 2, field 2: found "), "{message}");
    assert!(message.ends_with("expected text in UTF-8"), "{message}");
    let windows = options(Task::Forecast { window: 4, ahead: 1, stride: 1 }, "id", &["x"]);
    refused(
        "id,x\na,1\na,2\n",
        &windows,
        "a.csv, its end: found 2 rows in the longest sequence, expected 5 or more",
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = Folder::new();
    let refused = |options: SeriesOptions, expected: &str| {
        let message = folder.refused("id,x,kind\na,1,k\n", &options);
        assert!(message.starts_with(expected), "{message}\nexpected {expected}");
    };
    refused(
        options(Task::Classification, "id", &[]),
        "data.series.target is 0 columns, expected the one",
    );
    refused(
        options(Task::Classification, "id", &["x", "kind"]),
        "data.series.target is 2 columns, expected the one",
    );
    refused(options(Task::Regression, "id", &[]), "data.series.target is no column");
    refused(
        options(Task::Classification, "", &["kind"]),
        "data.series.id is no column, expected the column",
    );
    let none = Task::Forecast { window: 0, ahead: 1, stride: 1 };
    refused(
        options(none, "id", &["x"]),
        "data.series.task.forecast is window 0, ahead 1, stride 1",
    );
    refused(
        SeriesOptions { delimiter: Some('→'), ..classification() },
        "data.series.delimiter is '→'",
    );
}

#[test]
fn a_row_without_an_end_is_refused() {
    let text = format!("id,x,kind\na,1,k\nb,2,\"{}", "k".repeat(17 << 20));
    let message = Folder::new().refused(text, &classification());
    assert!(
        message.starts_with("a.csv, line 3: found a row that goes on after 16777216 bytes"),
        "{message}"
    );
}

#[test]
fn without_a_header_columns_are_numbered_and_tabs_separate_tsv() {
    let folder = Folder::new();
    let path = folder.write("a.tsv", "p\t1\tk\nq\t2\tl\n");
    let options = SeriesOptions { header: false, ..options(Task::Classification, "1", &["3"]) };
    let series = Tables::read(&path, &options, None, &mut |_| ()).unwrap();
    assert_eq!((series.len(), series.features()), (2, &["2".to_owned()][..]));
    assert_eq!(steps(&*series, 1), [[2.0]]);
}

/// The table at `path`, for a model trained on others.
fn read_like(path: &Path, options: &SeriesOptions, like: &Like) -> Result<Arc<dyn Samples>> {
    let config = DataConfig { series: options.clone(), ..DataConfig::new("mnist") };
    config.read(path, like, &mut |_| ())
}

#[test]
fn samples_like_others_have_their_classes_and_columns() {
    let folder = Folder::new();
    let train = folder.read("id,x,y,kind\na,1,2,k\nb,3,4,l\n", &classification()).unwrap();
    let like = |text: &str| {
        let path = folder.write("b.csv", text);
        read_like(&path, &classification(), &Like::of(&*train))
    };
    let test = like("kind,z,y,x,id\nl,9,4,3,c\n").unwrap();
    assert_eq!((test.schema(), test.features()), (train.schema(), train.features()));
    assert_eq!((class(&*test, 0), steps(&*test, 0)), (1, vec![vec![3.0, 4.0]]));
    let message = like("id,x,y,kind\na,1,2,m\n").unwrap_err().to_string();
    assert!(message.ends_with("found \"m\", expected a known class: \"k, l\""), "{message}");

    // Without names of features, the options say which they are; their number must be the same.
    let path = folder.write("c.csv", "id,x,y,kind\na,1,2,k\n");
    let unnamed = Like::new(train.schema().clone(), Vec::new());
    let only = |features: &[&str]| {
        let features = features.iter().map(|&name| name.to_owned()).collect();
        SeriesOptions { features, ..classification() }
    };
    assert_eq!(read_like(&path, &only(&["y", "x"]), &unnamed).unwrap().features(), ["y", "x"]);
    let message = read_like(&path, &only(&["y"]), &unnamed).unwrap_err().to_string();
    let expected = "c.csv: found series of 1 features, expected series of 2 features, as in the data trained on";
    assert!(message.ends_with(expected), "{message}");
    let regression =
        SeriesOptions { ignore: vec!["kind".into()], ..options(Task::Regression, "id", &["y"]) };
    let trained = Like::new(train.schema().clone(), vec!["x".into(), "y".into()]);
    let message = read_like(&path, &regression, &trained).unwrap_err().to_string();
    let values = |names| {
        Like::new(Schema::new(InputSchema::Series { features: 1 }, value(names)), vec!["x".into()])
    };
    assert!(read_like(&path, &regression, &values(&["y"])).is_ok());
    assert!(read_like(&path, &regression, &values(&["0"])).is_ok(), "a value without a name");
    assert!(read_like(&path, &regression, &values(&["x"])).is_err());
    assert!(read_like(&path, &regression, &values(&["0", "1"])).is_err());
    let expected = "found 1 value: \"y\", expected 2 classes: \"k, l\", as in the data trained on";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_table_without_targets_can_be_read_for_prediction() {
    let folder = Folder::new();
    let path = folder.write("b.csv", "y,x,id\n4,3,c\n6,5,c\n7,8,d\n");
    let schema = Schema::new(InputSchema::Series { features: 2 }, value(&["kind"]));
    let like = Like::new(schema, vec!["x".into(), "y".into()]).unlabelled();
    let targets = |series: &dyn Samples| {
        let indices: Vec<u32> = (0..series.len() as u32).collect();
        let batch = series.batch(&indices, &Device::Cpu).unwrap();
        batch.target().tensor().to_vec1::<u32>().unwrap()
    };
    for options in [classification(), options(Task::Regression, "id", &["kind"])] {
        let series = read_like(&path, &options, &like).unwrap();
        assert_eq!((series.len(), series.title(1)), (2, "d".into()));
        assert_eq!(steps(&*series, 0), [[3.0, 4.0], [5.0, 6.0]]);
        assert_eq!(series.schema().target, TargetSchema::None);
        assert_eq!(targets(&*series), [0, 0]);
    }
    // The last rows of a sequence are a window too.
    let task = Task::Forecast { window: 2, ahead: 3, stride: 1 };
    let series = read_like(&path, &options(task, "id", &["x"]), &like).unwrap();
    assert_eq!((series.len(), steps(&*series, 0)), (1, vec![vec![3.0, 4.0], vec![5.0, 6.0]]));
    assert_eq!((&series.schema().target, targets(&*series)), (&TargetSchema::None, vec![0]));
    // The targets of a forecast are features, named as such or not.
    let options = SeriesOptions { features: vec!["y".into()], ..options(task, "id", &["x"]) };
    let unnamed = Like::new(like.schema, Vec::new()).unlabelled();
    assert_eq!(read_like(&path, &options, &unnamed).unwrap().features(), ["y", "x"]);
}

#[test]
fn progress_is_reported_and_tables_beyond_memory_give_the_same() {
    let folder = Folder::new();
    let rows = (0..30_000).map(|row| {
        format!("{},{},{},{}\n", row * 7 % 101, row, f64::from(row) * 0.1, row * 7 % 101 % 3)
    });
    let text = "id,x,y,kind\n".to_owned() + &rows.collect::<String>();
    let path = folder.write("big.csv", &text);
    let read = |memory| {
        let mut reported = Vec::new();
        let options = SeriesOptions { memory, ..classification() };
        let mut note = |progress: ReadProgress<'_>| reported.push((progress.done, progress.total));
        (Tables::read(&path, &options, None, &mut note).unwrap(), reported)
    };
    let (held, reported) = read(1 << 30);
    assert!(reported.len() > 5 && reported.is_sorted(), "{reported:?}");
    assert_eq!(*reported.last().unwrap(), (text.len() as u64, text.len() as u64));
    // 480 kB of numbers, of which 10 kB may be in memory.
    let (spilled, _) = read(10_000);
    let batches = |series: &dyn Samples| -> Vec<(Vec<f64>, Vec<u32>)> {
        let order = Order::Shuffled { seed: 1, epoch: 1 };
        let batches = Batches::new(series, order, 10, &Device::Cpu).unwrap();
        let parts = batches.map(Result::unwrap).map(|batch| {
            let input = batch.input().tensor().flatten_all().unwrap().to_vec1().unwrap();
            (input, batch.target().tensor().to_vec1().unwrap())
        });
        parts.collect()
    };
    assert_eq!(batches(&*held), batches(&*spilled));
}

#[test]
fn parts_are_drawn_by_id_or_come_from_files() {
    let folder = Folder::new();
    let rows = |ids: std::ops::Range<u32>| -> String {
        ids.map(|id| format!("{id},{id},{}\n{id},-1,{}\n", id % 3, id % 3)).collect()
    };
    let header = "id,x,kind\n";
    let path = folder.write("all.csv", header.to_owned() + &rows(0..50));
    let opened = |path: &Path, test| -> Dataset {
        let source = path.to_str().unwrap();
        let config = DataConfig { test, series: classification(), ..DataConfig::new(source) };
        config.open(&mut |_| ()).unwrap()
    };
    let ids = |samples: &dyn Samples| -> Vec<u32> {
        (0..samples.len() as u32).map(|index| samples.title(index).parse().unwrap()).collect()
    };
    let set = opened(&path, Share::Of(0.2));
    assert_eq!((set.train.len(), set.test.len()), (40, 10));
    let mut all = [ids(&set.train), ids(&set.test)].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..50));
    assert_eq!(ids(&opened(&path, Share::Of(0.2)).test), ids(&set.test));
    assert_eq!(opened(&path, Share::Count(7)).test.len(), 7);

    folder.write("train.csv", header.to_owned() + &rows(0..9));
    folder.write("valid.csv", header.to_owned() + &rows(10..13));
    folder.write("test.csv", header.to_owned() + &rows(20..25));
    let set = opened(folder.0.path(), Share::Of(0.2));
    assert_eq!([ids(&set.train), ids(&set.test)], [(0..9).collect::<Vec<_>>(), (20..25).collect()]);
    assert_eq!(ids(&set.valid.unwrap()), [10, 11, 12]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        lengths in prop::collection::vec(1_usize..12, 1..9),
        width in 1_usize..5,
        pool in prop::collection::vec(-1e30_f64..1e30, 12 * 9 * 4),
        interleaved in any::<bool>(),
        memory in prop::sample::select(vec![0, 64, 1 << 20]),
        quoted in any::<bool>(),
    ) {
        // Sequence i has class i % 3 and numbers from the pool.
        let number = |sequence: usize, row: usize, column: usize| {
            pool[(sequence * 12 + row) * width + column]
        };
        let mut order: Vec<(usize, usize)> = lengths
            .iter()
            .enumerate()
            .flat_map(|(sequence, &rows)| (0..rows).map(move |row| (sequence, row)))
            .collect();
        if interleaved {
            order.sort_by_key(|&(sequence, row)| (row, sequence));
        }
        let quote = |text: String| if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text };
        let mut text: String = "id,kind".into();
        (0..width).for_each(|column| text += &format!(",x{column}"));
        text += "\n";
        for &(sequence, row) in &order {
            text += &format!("{},{}", quote(format!("s\"{sequence}")), sequence % 3);
            for column in 0..width {
                text += &format!(",{}", quote(number(sequence, row, column).to_string()));
            }
            text += "\n";
        }
        // An unquoted field may hold a quote, though not begin with one.
        let series = Folder::new().read(&text, &SeriesOptions { memory, ..classification() }).unwrap();
        prop_assert_eq!(series.len(), lengths.len());
        for (sequence, &rows) in lengths.iter().enumerate() {
            let found = steps(&*series, sequence as u32);
            prop_assert_eq!(found.len(), rows);
            for (row, found) in found.iter().enumerate() {
                for (column, &found) in found.iter().enumerate() {
                    prop_assert_eq!(found, number(sequence, row, column));
                }
            }
            prop_assert_eq!(class(&*series, sequence as u32), (sequence % 3) as u32);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(
            prop::sample::select(b"id,x,kind\n\r\"\t;019.-eNa\xff\x00".to_vec()), 0..200),
        header in any::<bool>(),
        zero in any::<bool>(),
    ) {
        let missing = if zero { Missing::Zero } else { Missing::Previous };
        let task = Task::Forecast { window: 1, ahead: 1, stride: 1 };
        let options = SeriesOptions { header, missing, ..options(task, "1", &["2"]) };
        let text = [b"1,2,3\n".to_vec(), bytes].concat();
        let _ = Folder::new().read(text, &options);
    }
}

#[test]
fn a_model_of_other_samples_is_refused_before_the_options_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps.csv");
    fs::write(&path, "who,x\na,1\n").unwrap();
    let images = InputSchema::Image { height: 4, width: 4, channels: 1 };
    let like = Like::new(Schema::new(images, TargetSchema::None), Vec::new());
    // The options lack a target, which is not what is wrong.
    let options = SeriesOptions::default();
    let error = Tables::read(&path, &options, Some(&like), &mut |_| ()).unwrap_err().to_string();
    let expected = "found a table (.csv, .tsv or .parquet), expected images of 4 x 4 pixels";
    assert!(error.contains(expected), "{error}");
    let error = read_like(&path, &options, &like).unwrap_err().to_string();
    assert!(error.contains("found a file (.csv), but the model is for images"), "{error}");
}
