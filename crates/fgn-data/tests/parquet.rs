//! What each type of a Parquet column becomes. Run with `--features fgn-data/parquet`.
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    InteractionLogs, Reader, Result, Samples, SeriesOptions, SessionOptions, Tables, TargetSchema,
    Task, statistics,
};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A column of a table.
enum Column {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<&'static str>),
    Fixed(Vec<Vec<u8>>),
}

/// Writes columns, each with its type as a Parquet schema says it: `INT64`, `INT32 x (DATE)`.
fn write(path: &Path, columns: &[(&str, Column)]) {
    let fields: String = columns.iter().map(|(field, _)| format!("REQUIRED {field};")).collect();
    let schema = Arc::new(parse_message_type(&format!("message table {{ {fields} }}")).unwrap());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, column) in columns {
        let mut writer = group.next_column().unwrap().unwrap();
        let written = match (writer.untyped(), column) {
            (ColumnWriter::BoolColumnWriter(to), Column::Bool(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::Int32ColumnWriter(to), Column::Int32(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::Int64ColumnWriter(to), Column::Int64(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::Int96ColumnWriter(to), Column::Int96(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::FloatColumnWriter(to), Column::Float(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::DoubleColumnWriter(to), Column::Double(all)) => {
                to.write_batch(all, None, None)
            }
            (ColumnWriter::ByteArrayColumnWriter(to), Column::Text(all)) => {
                let all: Vec<_> = all.iter().map(|&text| ByteArray::from(text)).collect();
                to.write_batch(&all, None, None)
            }
            (ColumnWriter::FixedLenByteArrayColumnWriter(to), Column::Fixed(all)) => {
                let bytes =
                    |bytes: &Vec<u8>| FixedLenByteArray::from(ByteArray::from(bytes.clone()));
                to.write_batch(&all.iter().map(bytes).collect::<Vec<_>>(), None, None)
            }
            _ => panic!("a column of another type"),
        };
        written.unwrap();
        writer.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

fn read(task: Task, columns: &[(&str, Column)]) -> Result<Arc<dyn Samples>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.PARQUET");
    write(&path, columns);
    let (id, target) = (Some("id".into()), vec!["target".into()]);
    Tables::read(
        &path,
        &SeriesOptions { task, id, target, ..SeriesOptions::default() },
        None,
        &mut |_| (),
    )
}

fn names(id: (&'static str, Column)) -> Vec<String> {
    let rows = 4;
    let x = ("DOUBLE x", Column::Double(vec![0.0; rows]));
    let target = ("DOUBLE target", Column::Double(vec![0.0; rows]));
    let series = read(Task::Regression, &[id, x, target]).unwrap();
    (0..series.len() as u32).map(|index| series.title(index)).collect()
}

#[test]
fn ids_are_exact_whatever_their_type() {
    let near = [9_007_199_254_740_992, 9_007_199_254_740_993, -1, i64::MAX];
    let expected = ["9007199254740992", "9007199254740993", "-1", "9223372036854775807"];
    assert_eq!(names(("INT64 id", Column::Int64(near.to_vec()))), expected);
    let unsigned = Column::Int64(vec![-1, -2, 1, 0]);
    let expected = ["18446744073709551615", "18446744073709551614", "1", "0"];
    assert_eq!(names(("INT64 id (UINT_64)", unsigned)), expected);
    let flags = Column::Bool(vec![true, false, true, false]);
    assert_eq!(names(("BOOLEAN id", flags)), ["true", "false"]);
    assert_eq!(names(("FLOAT id", Column::Float(vec![0.1, 1.0, -0.0, 0.0]))), ["0.1", "1", "0"]);
    let doubles = Column::Double(vec![0.1, 0.1 + f64::EPSILON, 2.0, 2.0]);
    assert_eq!(names(("DOUBLE id", doubles)), ["0.1", "0.10000000000000023", "2"]);
    let days = Column::Int32(vec![0, 19_753, 0, -1]);
    assert_eq!(names(("INT32 id (DATE)", days)), ["1970-01-01", "2024-01-31", "1969-12-31"]);
    let micros = Column::Int64(vec![0, 1, 0, 1]);
    let expected = ["1970-01-01 00:00:00.000000 +00:00", "1970-01-01 00:00:00.000001 +00:00"];
    assert_eq!(names(("INT64 id (TIMESTAMP_MICROS)", micros)), expected);
    let nanos = Column::Int64(vec![1_700_000_000_123_456_789, 1_700_000_000_123_456_788, 1, 1]);
    let expected = ["1700000000123456789", "1700000000123456788", "1"];
    assert_eq!(names(("INT64 id (TIMESTAMP(NANOS,true))", nanos)), expected);
    let decimals = Column::Int64(vec![9_007_199_254_740_993, 9_007_199_254_740_992, 5, 5]);
    let expected = ["90071992547409.93", "90071992547409.92", "0.05"];
    assert_eq!(names(("INT64 id (DECIMAL(18,2))", decimals)), expected);
    let wide = |last: u8| [vec![1], vec![0; 14], vec![last]].concat();
    let wide = Column::Fixed(vec![wide(0), wide(1), wide(0), wide(1)]);
    let power = "1329227995784915872903807060280344576";
    let expected = [power.to_owned(), power[..36].to_owned() + "7"];
    assert_eq!(names(("FIXED_LEN_BYTE_ARRAY(16) id (DECIMAL(38,0))", wide)), expected);
    let texts = Column::Text(vec!["a", " a ", "9007199254740993", "9007199254740993"]);
    assert_eq!(names(("BYTE_ARRAY id (UTF8)", texts)), ["a", "9007199254740993"]);
}

#[test]
fn two_near_ids_may_be_of_two_classes_that_are_near_too() {
    let near = || Column::Int64(vec![9_007_199_254_740_992, 9_007_199_254_740_993]);
    let x = ("DOUBLE x", Column::Double(vec![0.0, 1.0]));
    let columns = [("INT64 id", near()), x, ("INT64 target", near())];
    let series = read(Task::Classification, &columns).unwrap();
    assert_eq!(series.schema().target.names(), ["9007199254740992", "9007199254740993"]);
    assert_eq!(series.len(), 2);
}

#[test]
fn sessions_and_items_are_exact_and_times_are_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.parquet");
    let near = [9_007_199_254_740_992, 9_007_199_254_740_993];
    let columns = [
        ("INT64 user", Column::Int64(vec![near[0], near[1], near[0], near[1]])),
        ("INT64 item (UINT_64)", Column::Int64(vec![near[1], near[0], -1, near[1]])),
        ("INT64 at", Column::Int64(vec![9, 1, 8, 7])),
    ];
    write(&path, &columns);
    let options = SessionOptions {
        session: "user".into(),
        item: "item".into(),
        time: Some("at".into()),
        ..SessionOptions::default()
    };
    let log = InteractionLogs::read(&path, &options, None, &mut |_| ()).unwrap();
    let TargetSchema::NextItem { catalogue } = &log.schema().target else { panic!() };
    let names = ["9007199254740993", "9007199254740992", "18446744073709551615"];
    assert_eq!(
        (catalogue.names(), catalogue.counts()),
        (&names.map(String::from)[..], &[2, 1, 1][..])
    );
    let batch = log.batch(&[0], &Device::Cpu).unwrap();
    assert_eq!(batch.input().tensor().to_vec2::<u32>().unwrap(), [[1, 2]]);
    assert_eq!(batch.target().tensor().to_vec2::<u32>().unwrap(), [[0, 0]]);
    assert_eq!(batch.resets().unwrap().to_vec2::<u8>().unwrap(), [[1, 1]]);
    assert_eq!(log.title(0), "9007199254740993");
    let refused = |field: &'static str, column| {
        write(
            &path,
            &[
                ("INT64 user", Column::Int64(vec![1])),
                ("INT64 item", Column::Int64(vec![1])),
                (field, column),
            ],
        );
        InteractionLogs::read(&path, &options, None, &mut |_| ()).unwrap_err().to_string()
    };
    let error = refused("DOUBLE at", Column::Double(vec![f64::INFINITY]));
    assert!(error.contains("row 1, column \"at\": found inf, expected a finite number"), "{error}");
    let error = refused("INT32 at (DATE)", Column::Int32(vec![19_753]));
    assert!(error.contains("found 2024-01-31, expected a finite number"), "{error}");
}

#[test]
fn numbers_are_the_nearest_f64_of_their_type() {
    let id = ("INT32 id", Column::Int32(vec![1, 2]));
    let target = ("INT64 target", Column::Int64(vec![1_700_000_000, 1_700_000_001]));
    let columns = [
        id,
        ("INT64 long", Column::Int64(vec![20_240_101_000_042, i64::MAX])),
        ("INT64 unsigned (UINT_64)", Column::Int64(vec![-1, 3])),
        ("BOOLEAN flag", Column::Bool(vec![true, false])),
        ("FLOAT single", Column::Float(vec![0.1, f32::MAX])),
        ("DOUBLE double", Column::Double(vec![0.1, 1e-46])),
        ("INT32 decimal (DECIMAL(9,2))", Column::Int32(vec![10, -125])),
        (
            "FIXED_LEN_BYTE_ARRAY(2) half (FLOAT16)",
            Column::Fixed(vec![vec![0, 0x3c], vec![0, 0xc1]]),
        ),
        ("BYTE_ARRAY text (UTF8)", Column::Text(vec!["1700000000.25", " 5"])),
        target,
    ];
    let series = read(Task::Regression, &columns).unwrap();
    let batch = series.batch(&[0, 1], &Device::Cpu).unwrap();
    let rows: Vec<f64> = batch.input().tensor().flatten_all().unwrap().to_vec1().unwrap();
    let first = [
        20_240_101_000_042.0,
        18_446_744_073_709_551_616.0,
        1.0,
        f64::from(0.1_f32),
        0.1,
        0.1,
        1.0,
    ];
    assert_eq!(rows[..8], [&first[..], &[1_700_000_000.25]].concat());
    let second =
        [9_223_372_036_854_775_808.0, 3.0, 0.0, f64::from(f32::MAX), 1e-46, -1.25, -2.5, 5.0];
    assert_eq!(rows[8..], second);
    let targets = batch.target().tensor().to_vec2::<f64>().unwrap();
    assert_eq!(targets, [[1_700_000_000.0], [1_700_000_001.0]]);
    assert_eq!(statistics(&*series).unwrap().target.unwrap().std, [0.5]);
}

#[test]
fn what_is_no_number_is_refused_with_row_and_column() {
    let refused = |field: &'static str, column, expected: &str| {
        let id = ("INT32 id", Column::Int32(vec![1]));
        let target = ("INT32 target", Column::Int32(vec![1]));
        let error = read(Task::Regression, &[id, (field, column), target]).unwrap_err().to_string();
        assert!(error.contains(&format!("row 1, column \"x\": found {expected}")), "{error}");
    };
    refused("INT32 x (DATE)", Column::Int32(vec![19_753]), "2024-01-31, expected a finite number");
    refused("INT64 x (TIMESTAMP_MILLIS)", Column::Int64(vec![1]), "1970-01-01 00:00:00.001 +00:00");
    refused("INT96 x", Column::Int96(vec![Int96::new()]), "a time stamp of the type INT96");
    refused("DOUBLE x", Column::Double(vec![f64::INFINITY]), "inf, expected a finite number");
    refused("DOUBLE x", Column::Double(vec![f64::NAN]), "nothing, expected a number");
    refused(
        "FIXED_LEN_BYTE_ARRAY(2) x",
        Column::Fixed(vec![vec![1, 2]]),
        "\"[1, 2]\", expected a number or text",
    );
}

#[test]
fn a_date_out_of_range_is_an_error() {
    let id = ("INT64 id (TIMESTAMP_MILLIS)", Column::Int64(vec![i64::MAX]));
    let (x, target) =
        (("INT32 x", Column::Int32(vec![1])), ("INT32 target", Column::Int32(vec![1])));
    let error = read(Task::Regression, &[id, x, target]).unwrap_err().to_string();
    assert!(error.contains("values that make its reader panic"), "{error}");
}
