//! Data sets from paths: what is there decides how it is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::samples::divide;
use crate::{
    Dataset, Error, ImageFolder, ImageOptions, Known, Result, Samples, Series, SeriesOptions,
    Subset, read_idx_folder,
};

/// How far reading has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is read: a file, or a folder.
    pub name: &'a str,
    /// How much of it is read: bytes of a text file, rows of a Parquet file, files of a folder.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// How a path becomes a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOptions {
    /// How much is held out for the final test where the data has no test part of its own: a fifth if
    /// not given.
    pub test: Share,
    /// Draws that part. It is not the seed of a training, so that trainings of several seeds are measured
    /// with the same samples.
    pub seed: u64,
    /// How the rows of a table become samples.
    pub series: SeriesOptions,
    /// How image files become samples.
    pub images: ImageOptions,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            test: Share::Of(0.2),
            seed: 1,
            series: SeriesOptions::default(),
            images: ImageOptions::default(),
        }
    }
}

/// A part of some samples: in TOML a whole number counts them, a number with a point is a share.
///
/// ```
/// use fgn_data::Share;
///
/// assert_eq!(Share::Of(0.2).count(50)?, 10);
/// assert_eq!(Share::Count(7).count(50)?, 7);
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Share {
    /// So many.
    Count(usize),
    /// So much of them, at least 0 and below 1.
    Of(f64),
}

impl Share {
    /// How many of `count` samples that is; of a share above 0, at least one.
    ///
    /// # Errors
    /// A share below 0, or of 1 or more.
    pub fn count(self, count: usize) -> Result<usize> {
        match self {
            Share::Count(part) => Ok(part),
            Share::Of(share) if (0.0..1.0).contains(&share) => {
                Ok((share * count as f64).round().max(f64::from(share > 0.0)) as usize)
            }
            Share::Of(share) => Err(Error::Option {
                option: "a share",
                found: share.to_string(),
                expected: "a number of samples, or a share of at least 0 and below 1".into(),
            }),
        }
    }
}

/// Opens the data at `path`, and tells `progress` how far it is. That is
/// - a folder with the four files of MNIST's form ([`read_idx_folder`]);
/// - a folder with a folder a class, of images ([`ImageFolder`]); or one with `train` and `test`, and
///   perhaps `valid`, each such a folder;
/// - a table, `.csv`, `.tsv` or `.parquet` ([`Series`]), or a folder with tables called `train` and
///   `test`, and perhaps `valid`.
///
/// Of data without a test part `options.test` is held out, drawn by `options.seed`: whole sequences; of
/// windows of one sequence, the last ones.
///
/// # Errors
/// A path where none of these is, and whatever reading it gives.
pub fn open_path(
    path: &Path,
    options: &OpenOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Dataset> {
    if !path.is_dir() {
        let series = Series::read(path, &options.series, None, progress)?;
        return divided(Arc::new(series), options);
    }
    if holds_idx(path) {
        return Ok(read_idx_folder(path)?.shared());
    }
    if let Some(train) = table(path, "train") {
        let mut read = |file: &Path, known: Option<&Known>| {
            Series::read(file, &options.series, known, progress).map(Arc::new)
        };
        let train = read(&train, None)?;
        let known = train.known();
        let mut part = |name| {
            let file = table(path, name);
            file.map(|file| read(&file, Some(&known))).transpose()
        };
        let (valid, test) = (part("valid")?, part("test")?);
        return parts(train, valid, test, options);
    }
    let mut read = |folder: &Path, like: Option<&ImageFolder>| {
        ImageFolder::read(folder, &options.images, like, progress).map(Arc::new)
    };
    let train = path.join("train");
    if !train.is_dir() {
        return divided(read(path, None)?, options);
    }
    let train = read(&train, None)?;
    let mut part = |name: &str| {
        let folder = path.join(name);
        folder.is_dir().then(|| read(&folder, Some(&train))).transpose()
    };
    let (valid, test) = (part("valid")?, part("test")?);
    parts(train, valid, test, options)
}

fn parts<S: Samples + 'static>(
    train: Arc<S>,
    valid: Option<Arc<S>>,
    test: Option<Arc<S>>,
    options: &OpenOptions,
) -> Result<Dataset> {
    let whole = match test {
        Some(test) => Dataset { train: train as Arc<dyn Samples>, valid: None, test },
        None => divided(train, options)?,
    };
    Ok(Dataset { valid: valid.map(|valid| valid as Arc<dyn Samples>), ..whole })
}

/// With a part of `all` for the test.
fn divided(all: Arc<dyn Samples>, options: &OpenOptions) -> Result<Dataset> {
    let count = options.test.count(all.len())?;
    if count == 0 {
        return Err(Error::Option {
            option: "test",
            found: "no sample".into(),
            expected: "one or more to test with, or a test part beside train".into(),
        });
    }
    let (train, test) = divide(&all, count, *b"testing.", options.seed)?;
    Ok(Dataset {
        train: Arc::new(Subset::new(all.clone(), train)?),
        valid: None,
        test: Arc::new(Subset::new(all, test)?),
    })
}

/// A table of that name in a folder.
fn table(folder: &Path, name: &str) -> Option<PathBuf> {
    let ends = ["csv", "tsv", "parquet"].map(|end| folder.join(format!("{name}.{end}")));
    ends.into_iter().find(|file| file.is_file())
}

fn holds_idx(folder: &Path) -> bool {
    let is_idx = |name: &str| name.starts_with("train-images") && name.contains("idx3");
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_str().is_some_and(is_idx))
}
