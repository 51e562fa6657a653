//! The readers, one file or folder each, and their registry; and the configuration of data, which has the options of
//! each.
//!
//! A new reader is one file here and one line in the registry below, which declares the file.

use std::path::Path;
use std::sync::Arc;

use fgn_schema::InputSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::reader::{Like, ReadProgress, Reader};
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
            /// Draws the test part, whatever the training's seed; 1 if left out.
            #[serde(default = "test_seed", skip_serializing_if = "is_test_seed")]
            pub seed: u64,
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
                    $($name: Default::default(),)*
                }
            }

            /// Opens the data at a path, by the first reader that accepts it.
            pub(crate) fn open_path(
                &self,
                path: &Path,
                progress: &mut dyn FnMut(ReadProgress<'_>),
            ) -> Result<Dataset> {
                let split = TestSplit { share: self.test, seed: self.seed };
                $(
                    if reads::<$file::$reader>(path)? {
                        return <$file::$reader>::open(path, &self.$name, split, progress);
                    }
                )*
                Err(no_reader(path))
            }

            /// Reads other samples, for a model trained on some that are like them. The reader is chosen by
            /// `path` and by what the model reads; of data in parts the test part is read.
            ///
            /// # Errors
            /// A path that no reader reads, or only one for other models; whatever reading gives, and samples
            /// that are not alike.
            pub fn read(
                &self,
                path: &Path,
                like: &Like,
                progress: &mut dyn FnMut(ReadProgress<'_>),
            ) -> Result<Arc<dyn Samples>> {
                check_readable(path)?;
                let input = like.schema.input;
                $(
                    if <$file::$reader>::suits(input) && reads::<$file::$reader>(path)? {
                        return read_like::<$file::$reader>(path, &self.$name, like, progress);
                    }
                )*
                match [$(reads::<$file::$reader>(path)?),*].contains(&true) {
                    true => Err(other_kind(path, input, &[$(<$file::$reader>::suits(input)),*])),
                    false => Err(no_reader(path)),
                }
            }

            /// Writes down what follows from the data, so that later data is read alike, from anywhere: the
            /// source as an absolute path, and what the reader [settles](Reader::settle).
            ///
            /// # Errors
            /// [`Error::Option`] for a path that is not UTF-8.
            pub fn settle(&mut self, dataset: &Dataset) -> Result<()> {
                if !self.is_path() {
                    return Ok(());
                }
                self.source = DataConfig::absolute(self.source.as_ref())?;
                $(
                    if reads::<$file::$reader>(self.source.as_ref())? {
                        <$file::$reader>::settle(&mut self.$name, dataset);
                        return Ok(());
                    }
                )*
                Ok(())
            }
        }

        /// What each reader reads.
        pub(crate) const READS: &[&str] = &[$(<$file::$reader>::READS),*];
        /// The endings of the files that each reader reads.
        pub(crate) const ENDINGS: &[&[&str]] = &[$(<$file::$reader>::ENDINGS),*];
    };
}

// The registry of readers: one line each. The first that accepts a path reads it, so that those come first that
// look closest.
readers! {
    idx: idx::Idx,
    series: series::Tables,
    images: images::ImageFolders,
}

fn reads<R: Reader>(path: &Path) -> Result<bool> {
    Ok(R::accepts(path) || R::parts(path)?.is_some())
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

/// The error for a path that is read for other models than one for `input`; `suits` says which readers are for it.
fn other_kind(path: &Path, input: InputSchema, suits: &[bool]) -> Error {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let readers = READS.iter().zip(suits).filter(|&(_, suits)| *suits);
    Error::OtherKind {
        path: path.to_owned(),
        found: match ending {
            _ if path.is_dir() => "a folder".into(),
            Some(ending) => format!("a file (.{ending})"),
            None => "a file".into(),
        },
        input: input.to_string(),
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
