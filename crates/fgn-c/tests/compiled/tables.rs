//! `main.c`, over tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fgn_c::{Options, export};
use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::{
    Classification, Embedding, Mode, Model, ModelConfig, NextToken, RecurrentConfig, Regression,
    Series, softmax,
};
use tempfile::TempDir;

use crate::program::{assert_close, disturb};
use crate::target::{host, run};

/// The program of a model, built.
struct Program {
    folder: TempDir,
    file: PathBuf,
}

impl Program {
    fn new(model: &Model, name: &str) -> Option<Self> {
        let host = host()?;
        let folder = tempfile::tempdir().unwrap();
        let sources = export(model, &Options::new(name)).unwrap();
        let at = |file: &str| folder.path().join(file);
        fs::write(at(&format!("{name}.h")), sources.header).unwrap();
        let files = [at("main.c"), at(&format!("{name}.c"))];
        fs::write(&files[0], sources.main).unwrap();
        fs::write(&files[1], sources.source).unwrap();
        let file = host.build(folder.path(), &files);
        Some(Self { folder, file })
    }

    fn command(&self) -> Command {
        Command::new(&self.file)
    }

    /// What it prints for this text on standard input.
    fn print(&self, text: &str) -> String {
        String::from_utf8(run(self.command(), text.into())).unwrap()
    }

    /// What it says when it fails for this text.
    fn failure(&self, text: &str) -> String {
        let path: &Path = self.folder.path();
        let table = path.join("table.csv");
        fs::write(&table, text).unwrap();
        let done = self.command().arg(&table).output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{text:?}");
        String::from_utf8(done.stderr).unwrap()
    }
}

fn model(config: &ModelConfig) -> Model {
    let model = Model::new(config, 3, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, 3);
    model
}

/// The numbers of all cells.
fn numbers(rows: &str) -> Vec<f32> {
    let rows = rows.lines().filter(|row| !row.is_empty());
    rows.flat_map(|row| row.split(',')).map(|cell| cell.parse().unwrap()).collect()
}

#[test]
fn a_table_of_numbers_gives_a_row_of_values_per_step() {
    let names = vec!["a, \"b\"".to_owned(), "größe @name@ ??/".to_owned()];
    let head = Regression { names, per_step: true, ..Regression::new(2) };
    let series = Series::new(2);
    let model = model(&ModelConfig::new(series, RecurrentConfig::new(AnyCell::LSTM, 5), head));
    let Some(program) = Program::new(&model, "values") else { return };
    // A byte order mark, names of columns, the end of lines on Windows, two sequences.
    let found = program.print("\u{feff}x,y\r\n0.5,1\r\n-1, 2e-1 \r\n\r\n0.5,1\r\n");
    let (first, rows) = found.split_once('\n').unwrap();
    assert_eq!(first, "\"a, \"\"b\"\"\",größe @name@ ??/");
    let x = Tensor::new(&[[[0.5_f32, 1.0], [-1.0, 0.2]]], &Device::Cpu).unwrap();
    let output = model.forward(&x, Mode::Eval).unwrap().prediction;
    let two: Vec<f64> = output
        .output()
        .tensor()
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let expected = [&two[..], &two[..2]].concat();
    assert_close("values", &numbers(rows), &expected, 1.0, 1e-5);
    assert_eq!(rows.lines().nth(2), Some(""), "{rows}");

    for (text, expected) in [
        ("1,2,3\n", "line 1: another number of cells, expected 2 numbers"),
        ("x,y\n1,2\n1\n", "line 3: another number of cells"),
        ("1,2\n1,z\n", "line 2: a cell that is not a number"),
        // Not taken for names of columns.
        ("1,z\n", "line 1: a cell that is not a number"),
        ("1,nan\n", "line 1: a number out of the range of float"),
        ("1,1e39\n", "line 1: a number out of the range of float"),
    ] {
        let found = program.failure(text);
        assert!(found.starts_with(expected), "{text:?}: {found}");
    }
    assert!(program.failure(&"1".repeat(400)).starts_with("line 1: a line that is too long"));
}

#[test]
fn a_class_has_its_name_and_probabilities() {
    let names = vec!["no".to_owned(), "yes, */".to_owned(), "per\u{7}haps".to_owned()];
    let head = Classification { names, ..Classification::new(3) };
    let series = Series::new(1);
    let model = model(&ModelConfig::new(series, RecurrentConfig::new(AnyCell::GRU, 5), head));
    let Some(program) = Program::new(&model, "classes") else { return };
    let found = program.print("1\n-2\n0.5");
    let (first, rows) = found.split_once('\n').unwrap();
    assert_eq!(first, "class,no,\"yes, */\",per\u{7}haps");
    let x = Tensor::new(&[[[1.0_f32], [-2.0], [0.5]]], &Device::Cpu).unwrap();
    let output = model.forward(&x, Mode::Eval).unwrap().prediction;
    let logits: Vec<f32> = output.output().tensor().flatten_all().unwrap().to_vec1().unwrap();
    let expected: Vec<_> = softmax(&logits).into_iter().map(f64::from).collect();
    let last = rows.lines().last().unwrap();
    let found: Vec<f32> = last.rsplitn(4, ',').take(3).map(|cell| cell.parse().unwrap()).collect();
    let found: Vec<f32> = found.into_iter().rev().collect();
    assert_close("classes", &found, &expected, 1.0, 1e-5);
    let best = ["no", "\"yes, */\"", "per\u{7}haps"][fgn_nn::argmax(&logits)];
    assert!(last.starts_with(best), "{last}");
}

#[test]
fn a_token_out_of_the_vocabulary_is_an_error() {
    let recurrent = RecurrentConfig::new(AnyCell::LSTM, 4);
    let model = model(&ModelConfig::new(Embedding::new(5, 3), recurrent, NextToken::new(5)));
    let Some(program) = Program::new(&model, "tokens") else { return };
    let found = program.print("0\n4\n");
    assert_eq!(found.lines().next(), Some("token,probability"));
    assert_eq!(found.lines().count(), 3);
    for token in ["5", "-1", "0.5", "1e30", "nan"] {
        let found = program.failure(&format!("0\n{token}\n"));
        assert!(found.starts_with("line 2: a number that is not a token"), "{token}: {found}");
    }
}
