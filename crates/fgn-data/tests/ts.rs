//! Files in the `.ts` format become the series in them; what is wrong in one is reported with its line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    DataConfig, Like, Missing, Reader, Result, Samples, TargetSchema, TsFiles, TsOptions,
};
use lzma_rust2::XzReader;
use tempfile::TempDir;

const HEAD: &str = "# A comment\n@problemName two\n@timeStamps false\n@univariate false\n@dimensions 2\n\
                    @equalLength false\n@classLabel true 10 9 b\n@data\n";

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn read(
        &self,
        text: &str,
        options: &TsOptions,
        like: Option<&Like>,
    ) -> Result<Arc<dyn Samples>> {
        TsFiles::read(&self.write("a.ts", text), options, like, &mut |_| ())
    }

    /// The error for a text that must be refused, without the folder's name.
    #[track_caller]
    fn refused(&self, text: &str) -> String {
        let error = self.read(text, &TsOptions::default(), None).expect_err("accepted").to_string();
        error.replace(&format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR), "")
    }
}

/// The steps of a series, without padding.
fn series(samples: &dyn Samples, index: u32) -> Vec<Vec<f64>> {
    let batch = samples.batch(&[index], &Device::Cpu).unwrap();
    batch.input().tensor().to_vec3::<f64>().unwrap().remove(0)
}

fn targets(samples: &dyn Samples) -> Vec<u32> {
    let all: Vec<u32> = (0..samples.len() as u32).collect();
    samples.batch(&all, &Device::Cpu).unwrap().target().tensor().to_vec1().unwrap()
}

#[test]
fn series_have_their_steps_lengths_and_classes() {
    let text = format!("{HEAD}1,-2.5e1,3:4,5,6:10\n\n# between\n7:8.25:b\n0.1, 2 : 3,4 : 10\n");
    for memory in [0, 1 << 20] {
        let options = TsOptions { memory, ..TsOptions::default() };
        let all = Folder::new().read(&text, &options, None).unwrap();
        assert_eq!(all.schema().to_string(), "series of 2 features, 3 classes");
        assert_eq!(all.schema().target.names(), ["9", "10", "b"]);
        assert_eq!(all.features(), ["dim_0", "dim_1"]);
        assert_eq!(targets(&*all), [1, 2, 1]);
        assert_eq!(series(&*all, 0), [[1.0, 4.0], [-25.0, 5.0], [3.0, 6.0]]);
        assert_eq!(series(&*all, 1), [[7.0, 8.25]]);
        assert_eq!(series(&*all, 2), [[0.1, 3.0], [2.0, 4.0]]);
        let batch = all.batch(&[1, 0, 2], &Device::Cpu).unwrap();
        assert_eq!(batch.input().lengths(), Some(&[1, 3, 2][..]));
        assert_eq!(all.title(1), "line 12");
    }
}

#[test]
fn numbers_are_predicted_where_the_file_says_so() {
    let text = "@univariate true\n@targetlabel true\n@data\n1,2:0.5\n3:-7e2\n";
    let all = Folder::new().read(text, &TsOptions::default(), None).unwrap();
    let TargetSchema::Value { names, per_step: false } = &all.schema().target else {
        panic!("{}", all.schema())
    };
    assert_eq!(names, &["target"]);
    let target = all.batch(&[0, 1], &Device::Cpu).unwrap().target().tensor().clone();
    assert_eq!(target.to_vec2::<f64>().unwrap(), [[0.5], [-700.0]]);
}

#[test]
fn missing_numbers_are_read_as_the_options_say() {
    let text = format!("{HEAD}?,2,NaN:?,4,5:b\n");
    let folder = Folder::new();
    assert_eq!(
        folder.refused(&text),
        "a.ts, line 9: found \"?\", expected a number in dimension 0, step 0 (or data.ts.missing = \"zero\" or \
         \"previous\")"
    );
    for (missing, expected) in [
        (Missing::Zero, [[0.0, 0.0], [2.0, 4.0], [0.0, 5.0]]),
        (Missing::Previous, [[0.0, 0.0], [2.0, 4.0], [2.0, 5.0]]),
    ] {
        let options = TsOptions { missing, ..TsOptions::default() };
        assert_eq!(series(&*folder.read(&text, &options, None).unwrap(), 0), expected);
    }
}

#[test]
fn parts_are_known_by_their_names_and_models_read_new_series() {
    let folder = Folder::new();
    folder.write("Two_TRAIN.ts", &format!("{HEAD}1:2:9\n3:4:10\n5:6:b\n"));
    folder.write("Two_TEST.TS", &format!("{HEAD}7:8:b\n"));
    let config = DataConfig::new(folder.0.path().to_str().unwrap());
    let data = config.open(&mut |_| ()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (3, 1));
    assert_eq!((targets(&*data.test), series(&*data.test, 0)), (vec![2], vec![vec![7.0, 8.0]]));
    let like = Like::of(&*data.train);
    let test = config.read(folder.0.path(), &like, &mut |_| ()).unwrap();
    assert_eq!(series(&*test, 0), [[7.0, 8.0]]);
    // Without targets, and with targets that are not needed.
    let bare = HEAD.replace("true 10 9 b", "false");
    for text in [format!("{bare}1:2\n"), format!("{HEAD}1:2:?\n")] {
        let new = folder.read(&text, &TsOptions::default(), Some(&like.clone().unlabelled()));
        let new = new.unwrap();
        assert_eq!((series(&*new, 0), targets(&*new)), (vec![vec![1.0, 2.0]], vec![0]));
    }
    let error = folder.read(&format!("{HEAD}1:2:?\n"), &TsOptions::default(), Some(&like));
    assert!(error.unwrap_err().to_string().contains("found \"?\", expected the name of a class"));
    folder.write("Other_train.ts", HEAD);
    assert!(
        config.open(&mut |_| ()).unwrap_err().to_string().contains("the files of one data set")
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let folder = Folder::new();
    let with = |before: &str, after: &str| folder.refused(&HEAD.replace(before, after));
    for (error, expected) in [
        (with("@data\n", ""), "a.ts, its end: found no line @data"),
        (
            with("@problemName", "problem"),
            "a.ts, line 2: found \"problem two\", expected a line that",
        ),
        (
            with("@timeStamps false", "@timestamps true"),
            "a.ts, line 3: found @timestamps true, expected",
        ),
        (
            with("@univariate false", "@univariate true"),
            "a.ts, line 8: found 2 dimensions, expected 1",
        ),
        (
            with("@dimensions 2", "@dimensions two"),
            "found @dimensions two, expected a whole number",
        ),
        (with("@equalLength false", "@equalLength"), "found @equalLength, expected true or false"),
        (with("10 9 b", "10 9 10"), "found a class twice: \"10 9 10\""),
        (with("true 10 9 b", "false"), "found series without targets"),
        (with("nothing", ""), "an empty set"),
    ] {
        assert!(error.contains(expected), "{error}");
    }
    for (line, expected) in [
        ("1:2:c", "a.ts, line 10: found \"c\", expected a known class: \"9, 10, b\""),
        ("1:2", "a.ts, line 10: found \"2\", expected a known class"),
        ("1:2:3:b", "a.ts, line 10: found 3 dimensions, expected 2, as in the other series"),
        ("1,2:3:b", "found 1 steps of dimension 1, expected 2, as of dimension 0"),
        ("1,x:3,4:b", "found \"x\", expected a finite number in dimension 0, step 1"),
        ("1e999:3:b", "found \"1e999\", expected a finite number"),
        (":3:b", "found \"\", expected a number in dimension 0, step 0"),
        ("1:2:", "found \"\", expected the name of a class"),
    ] {
        let error = folder.refused(&format!("{HEAD}1:2:b\n{line}\n"));
        assert!(error.contains(expected), "{line}: {error}");
    }
    let equal = HEAD.replace("@equalLength false", "@equalLength true");
    let error = folder.refused(&format!("{equal}1:2:b\n1,2:3,4:b\n"));
    assert!(error.contains("found 2 steps, expected 1: the header says"), "{error}");
    let error = folder.refused(&format!("@seriesLength 3\n{equal}1:2:b\n"));
    assert!(error.contains("found 1 steps, expected 3"), "{error}");
}

#[test]
fn japanese_vowels_are_read_whole() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/japanese-vowels");
    if !shared.exists() {
        println!("skipped: no data");
        return;
    }
    let folder = Folder::new();
    for name in ["JapaneseVowels_TRAIN.ts", "JapaneseVowels_TEST.ts"] {
        let packed = fs::read(shared.join(format!("{name}.xz"))).unwrap();
        let mut text = String::new();
        XzReader::new(&packed[..], false).read_to_string(&mut text).unwrap();
        folder.write(name, &text);
    }
    let config = DataConfig::new(folder.0.path().to_str().unwrap());
    let data = config.open(&mut |_| ()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (270, 370));
    assert_eq!(data.train.schema().to_string(), "series of 12 features, 9 classes");
    let count = |class| targets(&*data.train).iter().filter(|&&found| found == class).count();
    assert_eq!((0..9).map(count).collect::<Vec<_>>(), [30; 9]);
    let lengths = |samples: &dyn Samples| {
        let of = |index| series(samples, index).len();
        (0..samples.len() as u32)
            .map(of)
            .fold((99, 0), |(low, high), it| (it.min(low), it.max(high)))
    };
    assert_eq!((lengths(&*data.train), lengths(&*data.test)), ((7, 26), (7, 29)));
    let first = series(&*data.train, 0);
    assert_eq!((first[0][0], first[1][0], first[0][1]), (1.860936, 1.891651, -0.207383));
}
