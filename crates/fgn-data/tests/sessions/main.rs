//! Logs of interactions become the sessions in them; what is wrong in one is reported with its line.

#![allow(clippy::unwrap_used)]

mod dispatch;
mod given;
mod lines;
mod padded;
mod reference;
mod splits;
mod streams;
mod tables;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use candle_core::Device;
use fgn_data::{
    Catalogue, Dataset, InteractionLogs, Like, Reader, Result, Samples, SessionBatches,
    SessionOptions, TargetSchema, TestSplit,
};
use tempfile::TempDir;

/// A target that does not count.
const IGNORED: u32 = u32::MAX;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn read(
        &self,
        (name, content): (&str, impl AsRef<[u8]>),
        options: &SessionOptions,
        like: Option<&Like>,
    ) -> Result<Arc<dyn Samples>> {
        InteractionLogs::read(&self.write(name, content), options, like, &mut |_| ())
    }

    fn open(
        &self,
        (name, content): (&str, impl AsRef<[u8]>),
        options: &SessionOptions,
    ) -> Result<Dataset> {
        let path = self.write(name, content);
        InteractionLogs::open(&path, options, TestSplit::default(), &mut |_| ())
    }

    /// The error of a file that must be refused, without the folder's name.
    #[track_caller]
    fn refused(&self, file: (&str, impl AsRef<[u8]>), options: &SessionOptions) -> String {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        let error = self.read(file, options, None).expect_err("accepted");
        error.to_string().replace(&folder, "")
    }
}

/// The columns `s`, `i` and `t`, and samples that are sessions.
fn options() -> SessionOptions {
    SessionOptions {
        session: "s".into(),
        item: "i".into(),
        time: Some("t".into()),
        batches: SessionBatches::Padded,
        ..SessionOptions::default()
    }
}

fn catalogue(samples: &dyn Samples) -> &Catalogue {
    match &samples.schema().target {
        TargetSchema::NextItem { catalogue } => catalogue,
        other => panic!("{other}"),
    }
}

/// What is in a batch of all samples: of each its title, what it reads, and its targets.
type Rows = Vec<(String, Vec<u32>, Vec<u32>)>;

fn rows(samples: &dyn Samples) -> Rows {
    let indices: Vec<u32> = (0..samples.len() as u32).collect();
    let batch = samples.batch(&indices, &Device::Cpu).unwrap();
    let rows = |part: &fgn_data::Padded| {
        let rows = part.tensor().to_vec2::<u32>().unwrap().into_iter();
        let longest = part.tensor().dims()[1];
        let lengths = part.lengths().map_or(vec![longest; indices.len()], <[usize]>::to_vec);
        let row = |(mut row, length): (Vec<u32>, usize)| {
            assert!(row.drain(length..).all(|item| item == 0), "padding");
            row
        };
        rows.zip(lengths).map(row).collect::<Vec<_>>()
    };
    let (inputs, targets) = (rows(batch.input()), rows(batch.target()));
    let titles = indices.iter().map(|&index| samples.title(index));
    titles.zip(inputs).zip(targets).map(|((title, input), target)| (title, input, target)).collect()
}

/// The sessions of samples that are one session each: title and names of items.
fn sessions(samples: &dyn Samples) -> Vec<(String, Vec<String>)> {
    let catalogue = catalogue(samples);
    let names = |(title, mut input, target): (String, Vec<u32>, Vec<u32>)| {
        assert_eq!(input[1..], target[..target.len() - 1]);
        input.extend(target.last());
        (title, input.into_iter().map(|item| catalogue.name(item).to_owned()).collect())
    };
    rows(samples).into_iter().map(names).collect()
}

/// Sessions as short texts: `a: x y z`.
fn texts(samples: &dyn Samples) -> Vec<String> {
    let text = |(title, items): (String, Vec<String>)| format!("{title}: {}", items.join(" "));
    sessions(samples).into_iter().map(text).collect()
}

/// What is logged while `run` runs: the level and the message of each event.
fn logged<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let result = tracing::subscriber::with_default(Lines(lines.clone()), run);
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    (result, lines)
}

struct Lines(Arc<Mutex<Vec<String>>>);

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 += &format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(format!("{} ", event.metadata().level()));
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
