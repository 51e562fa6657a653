//! Numbers are the `f64` of the file, and names its text, whatever the file is called.

use fgn_data::{indistinct, statistics};

use super::*;

/// Time stamps, as seconds, as digits of a date, and in nanoseconds.
const STAMPS: [&str; 4] = ["1700000000.25", "20240101000042", "1700000000123456789", "1e-46"];

#[test]
fn numbers_are_the_f64_nearest_to_the_text() {
    let rows = |stamp: &str| format!("{stamp},{stamp},1\n");
    let text = "id,t,x\n".to_owned() + &STAMPS.map(rows).concat();
    for (task, memory) in [(Task::Regression, 1 << 20), (Task::Regression, 0)] {
        let options = SeriesOptions { memory, ..options(task, "id", &["t"]) };
        let options = SeriesOptions { features: vec!["t".into()], ..options };
        let series = Folder::new().read(&text, &options).unwrap();
        for (index, stamp) in (0..).zip(STAMPS) {
            assert_eq!(series.title(index), stamp, "an id is text");
            let number: f64 = stamp.parse().unwrap();
            assert_eq!(
                (values(&*series, index), steps(&*series, index)),
                (vec![number], vec![vec![number]])
            );
        }
    }
    let forecast = options(Task::Forecast { window: 1, ahead: 1, stride: 1 }, "", &["t"]);
    let series = Folder::new().read("t\n1700000000\n1700000001.5\n", &forecast).unwrap();
    assert_eq!(
        (steps(&*series, 0), values(&*series, 0)),
        (vec![vec![1.7e9]], vec![1_700_000_001.5])
    );
}

#[test]
fn missing_numbers_are_filled_in_f64() {
    let text = "id,t,kind\na,1700000000.25,k\na,,k\n";
    let options = SeriesOptions { missing: Missing::Previous, ..classification() };
    let series = Folder::new().read(text, &options).unwrap();
    assert_eq!(steps(&*series, 0), [[1_700_000_000.25], [1_700_000_000.25]]);
}

#[test]
fn statistics_of_an_offset_are_those_without_it_and_constants_are_named() {
    let rows: String =
        (0..8).map(|row| format!("{row},{},7,{},k\n", 1_700_000_000 + row, 3)).collect();
    let text = "id,t,same,level,kind\n".to_owned() + &rows;
    let options = SeriesOptions {
        ignore: vec!["kind".into()],
        ..options(Task::Regression, "id", &["level"])
    };
    let found = statistics(&*Folder::new().read(text, &options).unwrap()).unwrap();
    let input = found.input.unwrap();
    assert_eq!((input.mean[0], input.std[0]), (1_700_000_003.5, 5.25_f64.sqrt()));
    assert_eq!(found.constant, ["same", "level"]);
    assert_eq!((input.std[1], found.target.unwrap().std[0]), (1.0, 1.0));

    let text = "id,x,kind\na,1e200,k\nb,-1e200,l\n";
    let folder = Folder::new();
    let error =
        statistics(&*folder.read(text, &classification()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("a.csv, \"x\": found numbers from -1e200 to 1e200"), "{error}");
}

#[test]
fn numbers_that_an_outlier_leaves_alike_are_named() {
    // What stands for a missing number is far from all others.
    let rows: String = (0..40)
        .map(|row| {
            format!(
                "{row},{},{},{row},k\n",
                if row == 20 { -1e10 } else { row as f64 / 40.0 },
                row / 20
            )
        })
        .collect();
    let series =
        Folder::new().read("id,x,y,z,kind\n".to_owned() + &rows, &classification()).unwrap();
    let scale = statistics(&*series).unwrap().input.unwrap();
    assert_eq!(indistinct(&*series, Some(&scale)).unwrap(), ["x"]);
    assert_eq!(indistinct(&*series, None).unwrap(), [] as [&str; 0]);
    let short = fgn_data::Moments { mean: vec![1e12], std: vec![1.0] };
    assert_eq!(
        indistinct(&*series, Some(&short)).unwrap(),
        ["x"],
        "a scale too short is refused elsewhere"
    );
}

#[test]
fn a_byte_order_mark_and_spaces_around_a_field_are_no_part_of_it() {
    let text = "\u{feff}id , x, kind\n a,1 ,k\na , 2, k \n";
    let series = Folder::new().read(text, &classification()).unwrap();
    assert_eq!((series.len(), series.title(0)), (1, "a".into()));
    assert_eq!(steps(&*series, 0), [[1.0], [2.0]]);
    let twice = Folder::new().read("id,x,kind\na,1,k\na,1,k\n", &classification()).unwrap();
    assert_eq!(steps(&*twice, 0), [[1.0], [1.0]], "equal rows are steps like others");
}

#[test]
fn an_ending_may_be_in_upper_case_everywhere() {
    let folder = Folder::new();
    let rows: String = (0..10).map(|id| format!("{id}\t{id}\tk{}\n", id % 2)).collect();
    let text = "id\tx\tkind\n".to_owned() + &rows;
    let config = |path: &Path| {
        let source = path.to_str().unwrap();
        DataConfig { series: classification(), ..DataConfig::new(source) }
    };
    let path = folder.write("ALL.TSV", &text);
    let whole = config(&path).open(&mut |_| ()).unwrap();
    assert_eq!((whole.train.len(), whole.test.len()), (8, 2));
    let like = Like::of(&*whole.train);
    assert_eq!(config(&path).read(&path, &like, &mut |_| ()).unwrap().len(), 10);

    let parts = folder.0.path().join("parts");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("train.TSV"), &text).unwrap();
    fs::write(parts.join("test.Tsv"), "id\tx\tkind\nq\t1\tk1\n").unwrap();
    let set = config(&parts).open(&mut |_| ()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (10, 1));
    assert_eq!(config(&parts).read(&parts, &like, &mut |_| ()).unwrap().title(0), "q");
    fs::write(parts.join("test.csv"), "id,x,kind\nq,1,k1\n").unwrap();
    for error in [
        config(&parts).open(&mut |_| ()).map(|_| ()),
        config(&parts).read(&parts, &like, &mut |_| ()).map(|_| ()),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("test.Tsv and ") && error.contains("one of them, for the part"),
            "{error}"
        );
    }
    // What no rule calls a table is none, whatever is in it.
    let other = folder.write("all.txt", &text);
    let error = config(&other).open(&mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("a table (.csv, .tsv or .parquet)"), "{error}");
}
