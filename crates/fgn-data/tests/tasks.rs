//! The long-memory tasks as data sets: their parts, what they follow from, and their options.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor};
use fgn_data::fgn_schema::IGNORED;
use fgn_data::{
    Batches, DataConfig, Dataset, Fingerprint, InputSchema, Like, Order, Samples, TargetSchema,
    TaskOptions, open,
};

const TASKS: [&str; 6] = ["adding", "copy", "selective-copy", "reber", "recall", "parity"];

/// The data set with some samples of each part.
fn small(name: &str, seed: u64) -> Dataset {
    let mut config = DataConfig::new(name);
    config.seed = seed;
    config.task.train_samples = Some(30);
    config.task.valid_samples = Some(20);
    config.task.test_samples = Some(25);
    config.open(&mut |_| ()).unwrap()
}

fn parts(data: &Dataset) -> [&dyn Samples; 3] {
    [&*data.train, &**data.valid.as_ref().unwrap(), &*data.test]
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Of some samples the inputs and targets, as text.
fn content(samples: &dyn Samples, indices: &[u32]) -> Vec<String> {
    let one = |&index: &u32| {
        let batch = samples.batch(&[index], &Device::Cpu).unwrap();
        format!("{:?}", [batch.input(), batch.target()].map(|part| numbers(part.tensor())))
    };
    indices.iter().map(one).collect()
}

#[test]
fn samples_follow_from_the_seed_their_part_and_their_index() {
    for name in TASKS {
        let (data, again, other) = (small(name, 1), small(name, 1), small(name, 2));
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut prints: BTreeSet<String> = BTreeSet::new();
        let mut count = 0;
        for (at, part) in parts(&data).into_iter().enumerate() {
            let indices: Vec<u32> = (0..part.len() as u32).collect();
            let all = content(part, &indices);
            assert_eq!(all, content(parts(&again)[at], &indices), "{name}");
            let print = |samples: &dyn Samples| -> Fingerprint { samples.fingerprint().unwrap() };
            assert_eq!(print(part), print(parts(&again)[at]));
            for part in [part, parts(&other)[at]] {
                let last = part.len() as u32 - 1;
                seen.extend(content(part, &[0, last]));
                prints.insert(print(part).to_string());
                count += if last == 0 { 1 } else { 2 };
            }
        }
        assert_eq!((seen.len(), prints.len()), (count, 6), "{name}: parts and seeds differ");
    }
}

#[test]
fn a_batch_has_the_samples_in_any_order() {
    for name in TASKS {
        let data = small(name, 1);
        for part in parts(&data) {
            let all = part.batch(&[2, 0, 1, 0].map(|at| at % part.len() as u32), &Device::Cpu);
            let all = all.unwrap();
            for (row, index) in [2, 0, 1, 0].into_iter().enumerate() {
                let one = part.batch(&[index % part.len() as u32], &Device::Cpu).unwrap();
                for (all, one) in [(all.input(), one.input()), (all.target(), one.target())] {
                    let row = all.tensor().get(row).unwrap();
                    let steps = one.tensor().dims()[1];
                    let row = row.narrow(0, 0, steps).unwrap();
                    assert_eq!(numbers(&row), numbers(one.tensor()), "{name}");
                }
                let lengths = all.input().lengths().map(|lengths| lengths[row]);
                let steps = one.input().tensor().dims()[1];
                assert!(lengths.is_none_or(|length| length == steps));
            }
            assert!(part.batch(&[part.len() as u32], &Device::Cpu).is_err());
        }
    }
}

/// Every target is a class that has a name, or none; every token one of the vocabulary.
#[test]
fn tokens_and_classes_are_in_range_and_all_there() {
    for name in TASKS.into_iter().filter(|name| *name != "adding") {
        let data = open(name).unwrap();
        let InputSchema::Tokens { vocabulary, .. } = data.train.schema().input else { panic!() };
        let TargetSchema::Class { names, per_step: true } = &data.train.schema().target else {
            panic!()
        };
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let (mut tokens, mut classes) = (BTreeSet::new(), BTreeSet::new());
        for part in parts(&data) {
            assert_eq!(part.schema(), data.train.schema());
            let size = part.len().min(50);
            let batches = Batches::new(part, Order::AsGiven, size, &Device::Cpu).unwrap();
            for batch in batches.take(20) {
                let batch = batch.unwrap();
                let all = |part: &fgn_data::Padded| part.steps().unwrap().to_vec1::<u32>().unwrap();
                tokens.extend(all(batch.input()));
                classes.extend(all(batch.target()));
            }
        }
        let asks_everywhere = ["reber", "parity"].contains(&name);
        assert_eq!(classes.remove(&IGNORED), !asks_everywhere, "{name}");
        assert!(tokens.into_iter().eq(0..vocabulary as u32), "{name}");
        assert!(classes.into_iter().eq(0..names.len() as u32), "{name}");
    }
}

#[test]
fn class_names_are_those_of_the_tokens() {
    let names = |name: &str| open(name).unwrap().train.schema().target.names().join(",");
    assert_eq!(names("adding"), "sum");
    assert_eq!(names("copy"), "s1,s2,s3,s4,s5,s6,s7,s8");
    assert_eq!(names("selective-copy"), "s1,s2,s3,s4,s5,s6,s7,s8,s9,s10,s11,s12,s13,s14");
    assert_eq!(names("reber"), "B,T,P,E,T P,S X,T V,P V");
    assert!(names("recall").starts_with("v128,v129,") && names("recall").ends_with(",v255"));
    assert_eq!(names("parity"), "0,1");
}

#[test]
fn long_sequences_and_many_samples_take_no_memory() {
    let mut config = DataConfig::new("adding");
    config.task.train_samples = Some(1_000_000_000);
    for length in [2_000, 5_000, 10_000] {
        config.task.length = Some(length);
        let train = config.open(&mut |_| ()).unwrap().train;
        assert_eq!(train.len(), 1_000_000_000);
        let batch = train.batch(&[0, 999_999_999], &Device::Cpu).unwrap();
        assert_eq!(batch.input().tensor().dims(), [2, length, 2]);
        assert_eq!(batch.target().tensor().dims(), [2, 1]);
        assert_eq!(train.features(), ["value", "marker"]);
    }
}

#[test]
fn samples_for_prediction_have_no_target() {
    for name in TASKS {
        let config = DataConfig::new(name);
        let test = config.open(&mut |_| ()).unwrap().test;
        let like = Like::of(&*test).unlabelled();
        let found = config.read(name.as_ref(), &like, &mut |_| ()).unwrap();
        assert_eq!(found.schema().target, TargetSchema::None);
        let [one, other] = [&test, &found].map(|part| part.batch(&[0, 1], &Device::Cpu).unwrap());
        assert_eq!(numbers(one.input().tensor()), numbers(other.input().tensor()));
        assert_eq!(other.target().tensor().to_vec1::<u32>().unwrap(), [0, 0]);
    }
}

#[test]
fn the_windows_of_reber_follow_each_other() {
    let data = small("reber", 1);
    let train = data.train.windows().unwrap();
    assert!(train.is_continual() && train.window() == 50 && train.evaluation_window() == 1_000);
    let symbols = |samples: &dyn Samples| -> Vec<u32> {
        let all = Batches::new(samples, Order::AsGiven, 1, &Device::Cpu).unwrap();
        all.flat_map(|batch| batch.unwrap().input().steps().unwrap().to_vec1::<u32>().unwrap())
            .collect()
    };
    let all = symbols(train);
    assert_eq!(all.len() as u64, train.steps());
    assert_eq!(train.len(), all.len().div_ceil(50));
    let part = train.cut(7..200, 11).unwrap();
    assert_eq!(symbols(&*part), all[7..200]);
    assert!(train.cut(0..10, 0).is_err() && train.cut(5..5, 3).is_err());
    // The last window is shorter; in one batch with others it is padded.
    let last = data.train.len() as u32 - 1;
    let batch = data.train.batch(&[0, last], &Device::Cpu).unwrap();
    assert_eq!(batch.input().lengths().unwrap(), [50, all.len() - 50 * last as usize]);
}

/// Sets an option.
type Set = fn(&mut TaskOptions);

#[test]
fn wrong_options_are_refused() {
    let error = |name: &str, set: Set| {
        let mut config = DataConfig::new(name);
        set(&mut config.task);
        config.open(&mut |_| ()).unwrap_err().to_string()
    };
    let cases: [(&str, Set, &str); 13] = [
        (
            "adding",
            |task| task.length = Some(1),
            "data.task.length is 1, expected 2 to 16777216 steps: each half has a marker",
        ),
        (
            "copy",
            |task| task.length = Some(0),
            "data.task.length is 0, expected 1 to 8388608 steps from the last symbol to the delimiter",
        ),
        (
            "copy",
            |task| task.symbols = Some(0),
            "data.task.symbols is 0, expected 1 to 4194304 symbols",
        ),
        (
            "selective-copy",
            |task| task.length = Some(15),
            "data.task.symbols is 16, expected 1 to 15 symbols in 15 steps (data.task.length)",
        ),
        (
            "selective-copy",
            |task| task.vocabulary = Some(3),
            "data.task.vocabulary is 3, expected 4 to 16777216 tokens: noise, two symbols or more, and the token of \
             recall",
        ),
        (
            "recall",
            |task| task.pairs = Some(17),
            "data.task.pairs is 17, expected 1 to 16 pairs, a quarter of the 64 steps (data.task.length) at most",
        ),
        (
            "recall",
            |task| (task.pairs, task.vocabulary) = (Some(16), Some(33)),
            "data.task.vocabulary is 33, expected 34 to 16777216 tokens: half of them are values and the others but \
             one keys, 16 (data.task.pairs) or more",
        ),
        (
            "parity",
            |task| task.modulus = Some(1),
            "data.task.modulus is 1, expected 2 to 16777216 for the digits from 0 to one less",
        ),
        (
            "parity",
            |task| task.length = Some(2),
            "data.task.length is 2, expected 3 to 16777216 steps of the longest sample of training",
        ),
        (
            "reber",
            |task| task.window = Some(0),
            "data.task.window is 0, expected 1 to 16777216 steps of a window",
        ),
        (
            "reber",
            |task| task.length = Some(10),
            "data.task.length is 10, expected it to be left out: reber has window, train_samples, valid_samples, \
             test_samples",
        ),
        (
            "recall",
            |task| task.train_samples = Some(0),
            "data.task.train_samples is 0, expected 1 to 4294967295",
        ),
        (
            "mnist",
            |task| task.length = Some(10),
            "data.task.length is 10, expected it to be left out: mnist is not a long-memory task",
        ),
    ];
    for (name, set, expected) in cases {
        assert_eq!(error(name, set), expected);
    }
    let unknown =
        toml::from_str::<DataConfig>("source = \"copy\"\nvalidation = 0\ntask.lenght = 3");
    assert!(unknown.unwrap_err().to_string().contains("unknown field `lenght`"));
}

#[test]
fn options_are_written_as_they_were_given() {
    let text = "source = \"recall\"\nvalidation = 0\n\n[task]\nlength = 128\npairs = 8\n";
    let config: DataConfig = toml::from_str(text).unwrap();
    assert_eq!((config.task.length, config.task.pairs), (Some(128), Some(8)));
    let written = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<DataConfig>(&written).unwrap(), config);
    assert!(written.contains("[task]\nlength = 128\npairs = 8\n") && !written.contains("modulus"));
    assert!(!toml::to_string(&DataConfig::new("copy")).unwrap().contains("task"));
}
