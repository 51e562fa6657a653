//! What a fuzz target does with its input: it hands it to one of the readers, as a file, and uses what
//! is read. Whatever the bytes are, nothing may panic and no memory be taken that is not theirs.
//!
//! `cargo +nightly fuzz run csv` runs one. `corpus/` holds what they begin with and every input that was
//! once mishandled; `cargo test -p fgn-train --test corpus` replays it.

use std::fs;
use std::path::{Component, Path};

use candle_core::{DType, Device};
use fgn_data::{
    AudioOptions, AudioTask, DataConfig, Dataset, ImageOptions, Images, InteractionLogs, Missing,
    Reader as _, Samples, SeriesOptions, SessionBatches, SessionOptions, SessionSplit, Sounds,
    Tables, Task, TestSplit, TsFiles, TsOptions, read_idx,
};
use fgn_train::{CheckpointStore, Config, Model, Trainer};
use sha2::{Digest as _, Sha256};

/// A reader's bytes to it.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder in the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("idx", idx),
    ("csv", csv),
    ("parquet", parquet),
    ("ts", ts),
    ("sessions", sessions),
    ("wav", wav),
    ("images", images),
    ("recipe", recipe),
    ("model", model),
    ("checkpoint", checkpoint),
];

/// A pair of IDX files: two bytes say how long the first is.
pub fn idx(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk() else {
        return;
    };
    let (images, labels) = rest.split_at(rest.len().min(u16::from_le_bytes(*head).into()));
    with_files(&[("images", images), ("labels", labels)], |folder| {
        if let Ok(images) = read_idx(&folder.join("images"), &folder.join("labels")) {
            use_samples(&images);
        }
    });
}

/// A table of text: the bits of the first byte choose among the options.
pub fn csv(data: &[u8]) {
    table("table.csv", data);
}

/// A table in Parquet's form, with options as of a text.
pub fn parquet(data: &[u8]) {
    table("table.parquet", data);
}

fn table(name: &str, data: &[u8]) {
    let Some((&bits, table)) = data.split_first() else {
        return;
    };
    let file = name;
    let bit = |at: u8| bits >> at & 1 == 1;
    let name = |header: &str, number: &str| if bit(0) { header.into() } else { number.into() };
    let options = SeriesOptions {
        header: bit(0),
        task: match (bit(1), bit(2)) {
            (false, false) => Task::Classification,
            (true, false) => Task::Regression,
            (_, true) => Task::Forecast { window: 2, ahead: 1, stride: 1 },
        },
        id: (bit(3) || !bit(2)).then(|| name("id", "1")),
        target: vec![name("kind", "2")],
        missing: if bit(4) { Missing::Previous } else { Missing::Error },
        delimiter: bit(5).then_some(';'),
        memory: if bit(6) { 64 } else { 1 << 20 },
        ..SeriesOptions::default()
    };
    with_files(&[(file, table)], |folder| {
        if let Ok(series) = Tables::read(&folder.join(file), &options, None, &mut |_| ()) {
            use_samples(&series);
        }
    });
}

/// Series in the `.ts` format: the bits of the first byte choose among the options.
pub fn ts(data: &[u8]) {
    let Some((&bits, text)) = data.split_first() else {
        return;
    };
    let missing = if bits & 1 == 1 { Missing::Previous } else { Missing::Error };
    let options = TsOptions { missing, memory: if bits & 2 == 2 { 64 } else { 1 << 20 } };
    with_files(&[("a.ts", text)], |folder| {
        if let Ok(series) = TsFiles::read(&folder.join("a.ts"), &options, None, &mut |_| ()) {
            use_samples(&series);
        }
    });
}

/// A log of interactions: the bits of the first byte choose among its forms and the options.
pub fn sessions(data: &[u8]) {
    let Some((&bits, log)) = data.split_first() else {
        return;
    };
    let bit = |at: u8| bits >> at & 1 == 1;
    let name = if bit(0) { "log.inter" } else { "log.seq" };
    let options = SessionOptions {
        split: match (bit(1), bit(2)) {
            (false, false) => SessionSplit::Time,
            (true, false) => SessionSplit::Sessions,
            (_, true) => SessionSplit::LeaveOneOut,
        },
        batches: if bit(3) { SessionBatches::Padded } else { SessionBatches::Parallel },
        deduplicate: bit(4),
        min_support: if bit(5) { 2 } else { 1 },
        window: 3,
        max_length: if bit(6) { 2 } else { 5 },
        memory: if bit(7) { 64 } else { 1 << 20 },
        ..SessionOptions::default()
    };
    with_files(&[(name, log)], |folder| {
        let (file, split) = (folder.join(name), TestSplit::default());
        if let Ok(set) = InteractionLogs::open(&file, &options, split, &mut |_| ()) {
            use_samples(&set.train);
            use_samples(&set.test);
            if let Ok(set) = set.hold_out(1, 1) {
                use_samples(&set.train);
                set.valid.iter().for_each(|valid| use_samples(valid));
            }
        }
    });
}

/// A sound: the bits of the first byte choose among the options.
pub fn wav(data: &[u8]) {
    let Some((&bits, sound)) = data.split_first() else {
        return;
    };
    let bit = |at: u8| bits >> at & 1 == 1;
    let options = AudioOptions {
        task: if bit(0) { AudioTask::Transcription } else { AudioTask::Classification },
        sample_rate: bit(1).then_some(8_000),
        names: Some("{class}_{n}".into()),
        max_seconds: 2.0,
        memory: if bit(2) { 64 } else { 1 << 20 },
        ..AudioOptions::default()
    };
    with_files(&[("a_0.wav", sound)], |folder| {
        if let Ok(sounds) = Sounds::read(folder, &options, None, &mut |_| ()) {
            use_samples(&sounds);
        }
    });
}

/// A folder: files one behind the other, each with a line that is its path, the first byte says whether
/// they are resized. `--` on a line of its own parts them.
pub fn images(data: &[u8]) {
    let Some((&bits, listing)) = data.split_first() else {
        return;
    };
    let mut files = Vec::new();
    for file in parted(listing) {
        let line = find(file, b"\n").unwrap_or(file.len());
        if let Ok(path) = std::str::from_utf8(&file[..line])
            && path.len() < 100
            && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        {
            files.push((path, file.get(line + 1..).unwrap_or_default()));
        }
    }
    let size = (bits & 1 == 1).then_some([3, 5]);
    let options = ImageOptions { size, colour: bits & 2 == 2, ..ImageOptions::default() };
    with_files(&files, |folder| {
        let source = folder.to_str().expect("temporary folders are called in UTF-8");
        let config = DataConfig { images: options, ..DataConfig::new(source) };
        if let Ok(set) = config.open(&mut |_| ()) {
            use_samples(&set.train);
            use_samples(&set.test);
        }
    });
}

/// A recipe in TOML.
pub fn recipe(data: &[u8]) {
    with_files(&[("recipe.toml", data)], |folder| {
        let file = folder.join("recipe.toml");
        if let Some(config) = file.to_str().and_then(|file| Config::load(file, &[]).ok()) {
            let text = config.to_toml().expect("what was read can be written");
            fs::write(&file, text).expect("the folder is there");
            let again = Config::load(file.to_str().expect("it was"), &[]);
            assert!(again.is_ok_and(|again| again == config), "another recipe when read again");
        }
    });
}

/// A model file.
pub fn model(data: &[u8]) {
    with_files(&[("model.safetensors", data)], |folder| {
        let _ = fgn_nn::Model::load(&folder.join("model.safetensors"), &Device::Cpu);
    });
}

/// The files of a checkpoint, with `--` on a line of its own between them: configuration, progress, what
/// is trained with, weights. Their checksums are right where there is no fifth. A training goes on from
/// what is read.
pub fn checkpoint(data: &[u8]) {
    goes_on(data);
}

/// Whether a training goes on from that checkpoint.
pub fn goes_on(data: &[u8]) -> bool {
    let names = ["config.toml", "progress.json", "training.safetensors", "weights.safetensors"];
    let parts = parted(data);
    let files = names.iter().zip(&parts);
    let sum = |(name, bytes): (&&str, &&[u8])| {
        let digest = Sha256::digest(bytes);
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digits}  {name}\n")
    };
    let sums: String = files.clone().map(sum).collect();
    let sums = parts.get(names.len()).copied().unwrap_or(sums.as_bytes());
    let within = |name: &str| format!("step-000000005/{name}");
    let mut all: Vec<_> = files.map(|(name, bytes)| (within(name), *bytes)).collect();
    all.push((within("SHA256SUMS"), sums));
    let all: Vec<_> = all.iter().map(|(name, bytes)| (&name[..], *bytes)).collect();
    let mut restored = false;
    with_files(&all, |folder| {
        let store = CheckpointStore::open(folder, 1).expect("nobody else has it");
        let Ok(Some(checkpoint)) = store.last(false) else {
            return;
        };
        let (config, dataset) = small();
        let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).expect("it is a model");
        let mut trainer = Trainer::new(&config, model).expect("it is a training");
        restored = trainer.restore(&checkpoint).is_ok();
        if restored {
            let _ = trainer.run(&dataset, &mut ());
        }
    });
    restored
}

/// The training that the corpus' checkpoints are of: two epochs of four steps.
pub fn small() -> (Config, Dataset) {
    let settings = [
        "training.epochs=2",
        "training.batch_size=2",
        "training.average=0.9",
        "early_stopping={ patience = 2 }",
        "checkpoint.every_steps=1",
        "data.validation=0",
        "model.head.classes=2",
        "model.input.height=2",
        "model.input.width=2",
        "model.recurrent.hidden_size=2",
    ];
    let settings: Result<Vec<_>, _> = settings.iter().map(|text| text.parse()).collect();
    let settings = settings.expect("they are TOML");
    let config = Config::load("mnist-rows", &settings).expect("it is a recipe");
    let images = Images::new("small", 2, 2, 2, (0..32).collect(), vec![0, 1, 0, 1, 0, 1, 0, 1]);
    let images = images.expect("sizes and labels fit");
    (config, Dataset { train: images.clone(), valid: None, test: images }.shared())
}

/// The first sample, the last one, and both.
fn use_samples(samples: &dyn Samples) {
    let last = samples.len() as u32 - 1;
    for indices in [&[0][..], &[last], &[last, 0]] {
        let _ = (samples.batch(indices, &Device::Cpu), samples.title(last), samples.group(last));
    }
}

/// Files that cannot be made, in a folder that is a file for one, are left out.
fn with_files(files: &[(&str, &[u8])], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, data) in files {
        let path = folder.path().join(name);
        let made = path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok());
        if made && !path.is_dir() {
            let _ = fs::write(&path, data);
        }
    }
    read(folder.path());
}

/// What stands between lines of `--`; of nothing, nothing.
fn parted(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let end = find(rest, b"\n--\n");
        parts.push(&rest[..end.unwrap_or(rest.len())]);
        rest = end.map_or(&[], |end| &rest[end + 4..]);
    }
    parts
}

fn find(data: &[u8], what: &[u8]) -> Option<usize> {
    data.windows(what.len()).position(|window| window == what)
}
