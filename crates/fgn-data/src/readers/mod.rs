//! The readers, one file or folder each, and their registry; and the configuration of data, which has the options of
//! each.
//!
//! A new reader is one file here and one line in the registry below, which declares the file.

use std::path::Path;
use std::sync::Arc;

use fgn_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::generated::tasks::options::TaskOptions;
use crate::reader::{Like, ReadProgress, Reader, describe, has_ending};
use crate::samples::Samples;
use crate::share::Share;

/// Declares the files of the readers, makes a [`DataConfig`] with the options of each, and finds the reader for a
/// path.
macro_rules! readers {
    ($($name:ident: $file:ident::$reader:ident,)*) => {
        $(pub mod $file;)*

        /// What data is read from, and how: the `[data]` of a recipe.
        ///
        /// ```
        /// use fgn_data::{DataConfig, Share};
        ///
        /// let text = "source = \"steps.csv\"\nvalidation = 0.1\n\
        ///             [series]\nid = \"who\"\ntarget = \"kind\"\n";
        /// let mut config: DataConfig = toml::from_str(text)?;
        /// assert_eq!((config.validation, config.test), (Share::Of(0.1), Share::Of(0.2)));
        ///
        /// let folder = tempfile::tempdir()?;
        /// let file = folder.path().join("steps.csv");
        /// let rows = (0..50).map(|row| format!("{},{row},k{}\n", row / 2, row / 2 % 3));
        /// std::fs::write(&file, "who,x,kind\n".to_owned() + &rows.collect::<String>())?;
        /// config.source = DataConfig::absolute(&file)?;
        ///
        /// let data = config.open(&mut |_| ())?;
        /// let data = config.divide(data, 1)?;
        /// let parts = [data.train.len(), data.valid.map_or(0, |valid| valid.len()), data.test.len()];
        /// assert_eq!(parts, [18, 2, 5]);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct DataConfig {
            /// A data set's name, as `mnist`; or a path, with a `/` in it or with an ending that a reader knows.
            pub source: String,
            /// How many training samples are held out for validation, drawn by the training's seed, where the
            /// data has no validation part of its own. With 0 no epoch is validated.
            pub validation: Share,
            /// How much is held out for the final test, where the data has no test part of its own; a fifth if
            /// left out.
            #[serde(default = "test_share", skip_serializing_if = "is_test_share")]
            pub test: Share,
            /// Draws the test part, whatever the training's seed, and all parts of a long-memory task; 1 if left
            /// out.
            #[serde(default = "test_seed", skip_serializing_if = "is_test_seed")]
            pub seed: u64,
            /// What a long-memory task is made with, where the source is one.
            #[serde(default, skip_serializing_if = "is_default")]
            pub task: TaskOptions,
            $(
                #[doc = concat!("How [`", stringify!($reader), "`](crate::", stringify!($reader), ") reads.")]
                #[serde(default, skip_serializing_if = "is_default")]
                pub $name: <$file::$reader as Reader>::Options,
            )*
        }

        impl DataConfig {
            /// This source, no validation part, and all else as if left out.
            pub fn new(source: impl Into<String>) -> DataConfig {
                DataConfig {
                    source: source.into(),
                    validation: Share::Count(0),
                    test: test_share(),
                    seed: test_seed(),
                    task: TaskOptions::default(),
                    $($name: Default::default(),)*
                }
            }

            /// Which reader is for a path: see [`choose`].
            fn reader(&self, path: &Path, schema: Option<&Schema>) -> Result<Option<&'static str>> {
                let is_open = schema.is_none();
                choose(path, is_open, &[$(Candidate {
                    name: stringify!($name),
                    what: <$file::$reader>::READS,
                    reads: reads::<$file::$reader>(path)?,
                    claims: claims::<$file::$reader>(path)?,
                    suits: schema.is_none_or(<$file::$reader>::suits),
                    is_given: !is_default(&self.$name),
                }),*])
            }

            /// Opens the data at a path.
            pub(crate) fn open_path(
                &self,
                path: &Path,
                progress: &mut dyn FnMut(ReadProgress<'_>),
            ) -> Result<Dataset> {
                let split = TestSplit { share: self.test, seed: self.seed };
                let reader = self.reader(path, None)?;
                $(
                    if reader == Some(stringify!($name)) {
                        return <$file::$reader>::open(path, &self.$name, split, progress);
                    }
                )*
                Err(no_reader(path))
            }

            /// Reads the samples at a path, for a model trained on some that are like them.
            pub(crate) fn read_path(
                &self,
                path: &Path,
                like: &Like,
                progress: &mut dyn FnMut(ReadProgress<'_>),
            ) -> Result<Arc<dyn Samples>> {
                let reader = self.reader(path, Some(&like.schema))?;
                $(
                    if reader == Some(stringify!($name)) {
                        return read_like::<$file::$reader>(path, &self.$name, like, progress);
                    }
                )*
                match [$(reads::<$file::$reader>(path)?),*].contains(&true) {
                    true => Err(other_kind(path, &like.schema, &[$(<$file::$reader>::suits(&like.schema)),*])),
                    false => Err(no_reader(path)),
                }
            }

            /// Writes down what the reader for a path [settles](Reader::settle).
            pub(crate) fn settle_path(&mut self, path: &Path, dataset: &Dataset) -> Result<()> {
                if let Some(reader) = self.reader(path, None)? {
                    self.settle_as(reader, dataset);
                }
                Ok(())
            }

            /// Checks that the reader of that name is for what the model reads.
            pub(crate) fn check_reader(reader: &str, origin: &str, like: &Like) -> Result<()> {
                $(
                    if reader == stringify!($name) {
                        return like.check_reader::<$file::$reader>(origin);
                    }
                )*
                Ok(())
            }

            /// Writes down what the reader of that name [settles](Reader::settle).
            pub(crate) fn settle_as(&mut self, reader: &str, dataset: &Dataset) {
                $(
                    if reader == stringify!($name) && <$file::$reader>::suits(dataset.train.schema()) {
                        <$file::$reader>::settle(&mut self.$name, dataset);
                    }
                )*
            }
        }

        /// What each reader reads.
        pub(crate) const READS: &[&str] = &[$(<$file::$reader>::READS),*];
        /// The endings of the files that each reader reads.
        pub(crate) const ENDINGS: &[&[&str]] = &[$(<$file::$reader>::ENDINGS),*];
    };
}

// The registry of readers: one line each. Those come first that look closest.
readers! {
    idx: idx::Idx,
    series: series::Tables,
    ts: ts::TsFiles,
    documents: documents::Documents,
    pairs: pairs::Pairs,
    sessions: sessions::InteractionLogs,
    audio: audio::Sounds,
    text: text::Corpora,
    dialogues: dialogues::Dialogues,
    tags: tags::Tags,
    images: images::ImageFolders,
}

/// A reader that may be for a path.
struct Candidate {
    name: &'static str,
    /// What it reads.
    what: &'static str,
    /// Whether it reads what is there.
    reads: bool,
    /// Whether it knows it by an ending.
    claims: bool,
    /// Whether its samples can be for the model.
    suits: bool,
    /// Whether it has options that are not as if left out.
    is_given: bool,
}

/// The reader for a path: among those that know it by an ending, the one whose options are given; else the first that
/// reads it. `is_open` says that no model limits the choice.
///
/// # Errors
/// [`Error::Table`] for options of several readers, or for a file that none of those reads whose options are given.
fn choose(path: &Path, is_open: bool, candidates: &[Candidate]) -> Result<Option<&'static str>> {
    let suitable = || candidates.iter().filter(|candidate| candidate.suits && candidate.reads);
    let given: Vec<_> =
        suitable().filter(|it| it.claims && it.is_given).map(|it| it.name).collect();
    let wrong =
        |found, expected| Err(Error::Table { at: path.display().to_string(), found, expected });
    let other = candidates.iter().find(|it| it.is_given && is_open && path.is_file());
    match (&given[..], suitable().next(), other) {
        ([one], ..) => Ok(Some(*one)),
        ([], Some(first), Some(other)) if first.claims => wrong(
            format!("{}, but options for data.{}", first.what, other.name),
            other.what.to_owned(),
        ),
        ([], first, _) => Ok(first.map(|first| first.name)),
        _ => wrong(
            format!("options for several readers: data.{}", given.join(", data.")),
            "those of one".into(),
        ),
    }
}

fn reads<R: Reader>(path: &Path) -> Result<bool> {
    Ok(R::accepts(path) || R::parts(path)?.is_some())
}

/// Whether it is by an ending that a reader knows what is there: that of a file, or of a part of data.
fn claims<R: Reader>(path: &Path) -> Result<bool> {
    Ok(has_ending(path, R::ENDINGS) && !path.is_dir() || R::parts(path)?.is_some())
}

fn read_like<R: Reader>(
    path: &Path,
    options: &R::Options,
    like: &Like,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Arc<dyn Samples>> {
    let test = R::parts(path)?.and_then(|parts| parts.test).filter(|_| like.labelled);
    let samples = R::read(test.as_deref().unwrap_or(path), options, Some(like), progress)?;
    like.check(&*samples)?;
    Ok(samples)
}

pub(crate) fn check_readable(path: &Path) -> Result<()> {
    let unreadable = |source| Error::Read { file: path.display().to_string(), source };
    path.metadata().map(|_| ()).map_err(unreadable)
}

fn no_reader(path: &Path) -> Error {
    let found = if path.is_dir() { "a folder" } else { "a file" };
    Error::NoReader {
        path: path.to_owned(),
        found: format!("{found} that no reader knows"),
        expected: READS.join("; or "),
    }
}

/// The error for a path that is read for other models than one for `schema`; `suits` says which readers are for it.
fn other_kind(path: &Path, schema: &Schema, suits: &[bool]) -> Error {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let readers = READS.iter().zip(suits).filter(|&(_, suits)| *suits);
    Error::OtherKind {
        path: path.to_owned(),
        found: match ending {
            _ if path.is_dir() => "a folder".into(),
            Some(ending) => format!("a file (.{ending})"),
            None => "a file".into(),
        },
        input: describe(schema),
        expected: readers.map(|(reads, _)| *reads).collect::<Vec<_>>().join("; or "),
    }
}

fn test_share() -> Share {
    TestSplit::default().share
}

fn is_test_share(share: &Share) -> bool {
    *share == test_share()
}

fn test_seed() -> u64 {
    TestSplit::default().seed
}

fn is_test_seed(seed: &u64) -> bool {
    *seed == test_seed()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
