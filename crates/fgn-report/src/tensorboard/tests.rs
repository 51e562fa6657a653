//! What is written, read back by a decoder that shares nothing with the writer.

use candle_core::{DType, Device};
use fgn_train::{Checkpoint, Config, Model, Trainer, train};

use super::*;
use crate::testing::{self, Saved};

/// The checksum of iSCSI (RFC 3720), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ ((sum & 1) * 0x82f6_3b78))
    })
}

/// A protobuf message: its fields by number, in order.
#[derive(Debug)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let count = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, count))
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
            kind => panic!("no such kind of field: {kind}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn bytes<'a>(message: &[(u64, Field<'a>)], number: u64) -> Option<&'a [u8]> {
    message.iter().find_map(|(found, field)| match field {
        Field::Bytes(bytes) if *found == number => Some(*bytes),
        _ => None,
    })
}

fn number(message: &[(u64, Field<'_>)], number: u64) -> Option<u64> {
    message.iter().find_map(|(found, field)| match field {
        Field::Number(value) if *found == number => Some(*value),
        _ => None,
    })
}

/// What a decoded event says.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Version(String),
    Scalar(String, f32),
    Text(String, String),
    Start,
}

/// Every event of a file with its step; checksums are verified.
fn decoded(file: &[u8]) -> Vec<(u64, Said)> {
    let mut said = Vec::new();
    let mut rest = file;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let checked = |bytes: &[u8], sum: &[u8]| {
        let sum = u32::from_le_bytes(sum.try_into().unwrap()).wrapping_sub(0xa282_ead8);
        assert_eq!(sum.rotate_left(15), crc32c(bytes));
    };
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        checked(&rest[..8], &rest[8..12]);
        checked(&rest[12..12 + length], &rest[12 + length..16 + length]);
        let event = fields(&rest[12..12 + length]);
        rest = &rest[16 + length..];
        let wall_time = f64::from_bits(number(&event, 1).unwrap());
        assert!(wall_time > 1.7e9, "seconds since 1970: {wall_time}");
        let step = number(&event, 2).unwrap_or(0);
        if let Some(version) = bytes(&event, 3) {
            said.push((step, Said::Version(text(version))));
        }
        if let Some(log) = bytes(&event, 7) {
            assert_eq!(number(&fields(log), 1), Some(1));
            said.push((step, Said::Start));
        }
        let Some(summary) = bytes(&event, 5) else {
            continue;
        };
        for (_, value) in fields(summary) {
            let Field::Bytes(value) = value else { panic!("{value:?}") };
            let value = fields(value);
            let tag = text(bytes(&value, 1).unwrap());
            said.push(match number(&value, 2) {
                Some(bits) => (step, Said::Scalar(tag, f32::from_bits(bits as u32))),
                None => {
                    let plugin = fields(bytes(&fields(bytes(&value, 9).unwrap()), 1).unwrap());
                    assert_eq!(bytes(&plugin, 1), Some(&b"text"[..]));
                    let tensor = fields(bytes(&value, 8).unwrap());
                    assert_eq!(number(&tensor, 1), Some(7), "texts");
                    (step, Said::Text(tag, text(bytes(&tensor, 8).unwrap())))
                }
            });
        }
    }
    said
}

/// The event files of a folder in TensorBoard's order, decoded.
fn decoded_files(folder: &Path) -> Vec<Vec<(u64, Said)>> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|file| is_event_file(file.file_name().unwrap().to_str().unwrap()));
    files.sort();
    files.iter().map(|file| decoded(&fs::read(file).unwrap())).collect()
}

/// The events of a folder as TensorBoard joins them: what is not below a mark's step is taken back.
fn joined(folder: &Path) -> Vec<(u64, Said)> {
    let mut joined: Vec<(u64, Said)> = Vec::new();
    for (step, said) in decoded_files(folder).into_iter().flatten() {
        if said == Said::Start {
            joined.retain(|(before, _)| *before < step);
        }
        joined.push((step, said));
    }
    joined
}

fn curve(events: &[(u64, Said)], tag: &str) -> Vec<(u64, f32)> {
    let point = |(step, said): &(u64, Said)| match said {
        Said::Scalar(found, value) if found == tag => Some((*step, *value)),
        _ => None,
    };
    events.iter().filter_map(point).collect()
}

/// Those of RFC 3720, B.4.
#[test]
fn checksums_are_those_of_known_vectors() {
    let ascending: Vec<u8> = (0..32).collect();
    let known: [(&[u8], u32); 5] = [
        (b"123456789", 0xe306_9283),
        (&[0; 32], 0x8a91_36aa),
        (&[0xff; 32], 0x62a8_ab43),
        (&ascending, 0x46dd_794e),
        (b"", 0),
    ];
    for (bytes, sum) in known {
        assert_eq!((crc32c(bytes), ::crc32c::crc32c(bytes)), (sum, sum));
    }
    // The first twelve bytes of most of TensorFlow's files: a length of 24, and its checksum.
    let masked = event::masked(::crc32c::crc32c(&24u64.to_le_bytes()));
    assert_eq!(masked.to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
}

#[test]
fn a_run_is_written_step_by_step_and_epoch_by_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let config = testing::load(&["training.epochs=3"]).unwrap();
    let mut board = TensorBoard::new(folder.path());
    let trained = train(&config, &testing::dataset(), &mut board).unwrap();

    let [events] = &decoded_files(folder.path())[..] else { panic!("one file") };
    assert_eq!(events[0], (0, Said::Version("brain.Event:2".into())));
    let Said::Text(tag, text) = &events[1].1 else { panic!("{:?}", events[1]) };
    assert_eq!(tag, "config");
    let plain: String = text.lines().map(|line| format!("{}\n", &line[4..])).collect();
    assert_eq!(plain, config.to_toml().unwrap());
    let loss = curve(events, "step/loss");
    assert!(loss.iter().map(|&(step, _)| step).eq(1..=27), "9 steps an epoch: {loss:?}");
    for tag in ["step/gradient_norm", "step/learning_rate"] {
        assert_eq!(curve(events, tag).len(), 27);
    }
    let of = |value: fn(&EpochMetrics) -> f64| {
        let point = |metrics| (EpochMetrics::clone(metrics).step as u64, value(metrics) as f32);
        trained.history.iter().map(point).collect::<Vec<_>>()
    };
    assert_eq!(curve(events, "loss/train"), of(|metrics| metrics.train.loss()));
    assert_eq!(curve(events, "loss/valid"), of(|metrics| metrics.valid.as_ref().unwrap().loss()));
    assert_eq!(
        curve(events, "accuracy/train"),
        of(|metrics| metrics.train.get("accuracy").unwrap())
    );
    assert_eq!(
        curve(events, "accuracy/valid"),
        of(|metrics| metrics.valid.as_ref().unwrap().get("accuracy").unwrap())
    );
    assert_eq!(curve(events, "samples_per_second"), of(|metrics| metrics.samples_per_second));
    assert_eq!(curve(events, "epoch"), of(|metrics| metrics.epoch as f64));
    assert_eq!(curve(events, "loss/test"), [(27, trained.test.loss() as f32)]);
    assert_eq!(
        curve(events, "accuracy/test"),
        [(27, trained.test.get("accuracy").unwrap() as f32)]
    );
}

#[test]
fn what_goes_on_takes_back_what_came_after_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (config, dataset) = (testing::load(&["training.epochs=2"]).unwrap(), testing::dataset());
    let dataset = config.data.divide(dataset, config.training.seed).unwrap();
    let trainer = |config: &Config| {
        let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
        Trainer::new(config, model).unwrap()
    };
    let mut both = (TensorBoard::new(folder.path()), Saved::default());
    trainer(&config).run(&dataset, &mut both).unwrap();
    let first: &Checkpoint = &both.1.0[0];
    assert_eq!(first.state.step(), 9);

    let mut again = trainer(&config);
    again.restore(first).unwrap();
    again.run(&dataset, &mut TensorBoard::new(folder.path())).unwrap();

    let files = decoded_files(folder.path());
    let [whole, rest] = &files[..] else { panic!("two files") };
    assert_eq!(rest[0].1, Said::Version("brain.Event:2".into()));
    assert_eq!(rest[1], (10, Said::Start));
    assert!(
        !rest.iter().any(|(_, said)| matches!(said, Said::Text(..))),
        "the configuration is written once"
    );
    let joined = joined(folder.path());
    for tag in ["step/loss", "loss/valid"] {
        assert_eq!(curve(&joined, tag), curve(whole, tag), "{tag}");
    }
}

/// However often a training is interrupted and resumed, each curve has a step once, and the test its one point.
#[test]
fn each_point_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let (config, dataset) = (testing::load(&["training.epochs=2"]).unwrap(), testing::dataset());
    let dataset = config.data.divide(dataset, config.training.seed).unwrap();
    let trainer = |checkpoint: Option<&Checkpoint>| {
        let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
        let mut trainer = Trainer::new(&config, model).unwrap();
        checkpoint.map_or(Ok(()), |checkpoint| trainer.restore(checkpoint)).unwrap();
        trainer
    };
    let train = |checkpoint: Option<&Checkpoint>, has_end: bool| {
        let mut trainer = trainer(checkpoint);
        let mut observers = (TensorBoard::new(folder.path()), Saved::default());
        trainer.run(&dataset, &mut observers).unwrap();
        if has_end {
            trainer.evaluate_and_finish(&dataset, &mut observers).unwrap();
        }
        observers.1.0
    };
    #[track_caller]
    fn check(folder: &Path) {
        let events = joined(folder);
        for tag in ["step/loss", "step/learning_rate"] {
            let steps = curve(&events, tag).into_iter().map(|(step, _)| step);
            assert!(steps.eq(1..=18), "{tag}: {:?}", curve(&events, tag));
        }
        for (tag, steps) in [
            ("loss/train", &[9, 18][..]),
            ("accuracy/valid", &[9, 18]),
            ("loss/test", &[18]),
            ("accuracy/test", &[18]),
        ] {
            let found: Vec<_> = curve(&events, tag).into_iter().map(|(step, _)| step).collect();
            assert_eq!(found, steps, "{tag}");
        }
        let texts = events.iter().filter(|(_, said)| matches!(said, Said::Text(..)));
        assert_eq!(texts.count(), 1);
    }

    // Killed between the last checkpoint and the test.
    let saved = train(None, false);
    let [first, last] = &saved[..] else { panic!("a checkpoint an epoch") };
    train(Some(last), true);
    check(folder.path());
    // Finished, and resumed all the same, twice.
    train(Some(last), true);
    train(Some(last), true);
    check(folder.path());
    // From an earlier checkpoint, and killed before the test.
    train(Some(first), false);
    train(Some(last), true);
    check(folder.path());
    // Killed in the middle of an event.
    let (_, path) = files(folder.path()).unwrap().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let cut = event::events(&fs::read(&path).unwrap()).count();
    assert_eq!(cut + 1, event::events(&bytes).count());
}

#[test]
fn long_trainings_have_about_a_thousand_points() {
    for (steps, epochs) in [(1, 1), (550, 10), (7, 1000), (1_000_000, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let plan = TrainingPlan {
            name: "long".into(),
            config: String::new(),
            model: "model".into(),
            metrics: Vec::new(),
            parameters: 1,
            samples: [1; 3],
            epochs,
            steps,
            done: 0,
            history: Vec::new(),
        };
        let mut events = Events::begin(folder.path(), &plan).unwrap();
        let total = steps * epochs;
        let leap = (total / 3000).max(1);
        for at in (leap..=total).step_by(leap) {
            let (loss, learning_rate, gradient_norm) = (1.0, 1.0, f64::NAN);
            let (epoch, step, samples) = (1, at, at);
            events
                .step(&StepMetrics {
                    epoch,
                    step,
                    total: at,
                    loss,
                    samples,
                    learning_rate,
                    gradient_norm,
                })
                .unwrap();
        }
        let points = curve(&decoded_files(folder.path())[0], "step/loss").len();
        assert!((1..=POINTS).contains(&points), "{steps} x {epochs}: {points}");
        // The last step need not be a point, but a short training has every step.
        assert!(total > POINTS || points == total);
    }
}

#[test]
fn a_new_file_is_behind_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let plan = TrainingPlan {
        name: "again".into(),
        config: String::new(),
        model: "model".into(),
        metrics: Vec::new(),
        parameters: 1,
        samples: [1; 3],
        epochs: 1,
        steps: 1,
        done: 0,
        history: Vec::new(),
    };
    fs::write(folder.path().join(event::file_name(9_000_000_000)), "of a clock put back").unwrap();
    fs::write(folder.path().join("events.out.tfevents.1.elsewhere"), "not fgn's").unwrap();
    let paths = [(); 3].map(|()| Events::begin(folder.path(), &plan).unwrap().path);
    let names = paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let expected = [9_000_000_001, 9_000_000_002, 9_000_000_003].map(event::file_name);
    assert_eq!(names, expected);
}
