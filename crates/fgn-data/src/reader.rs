//! What a kind of file has to say to become samples.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};
use serde::{Serialize, de::DeserializeOwned};

use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::names::{are_indices, shortened};
use crate::samples::Samples;

/// A kind of file or folder that becomes samples.
///
/// A new one is a file in `src/readers` and a line in the registry, in `src/readers/mod.rs`; recipes, dispatch by
/// path, parts and errors follow. A reader of your own, outside this crate, needs no registry: call its
/// [`open`](Reader::open).
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use fgn_data::{Error, Images, Like, ReadProgress, Reader, Result, Samples, TestSplit};
/// use serde::{Deserialize, Serialize};
///
/// /// Files of bytes, each the one pixel of an image. It is of class 1 if it is light.
/// struct Bytes;
///
/// #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct BytesOptions {
///     /// The darkest byte that is light.
///     light: u8,
/// }
///
/// impl Reader for Bytes {
///     type Options = BytesOptions;
///     const READS: &str = "a file of bytes (.bytes)";
///     const ENDINGS: &[&str] = &["bytes"];
///
///     fn read(
///         path: &Path,
///         options: &BytesOptions,
///         like: Option<&Like>,
///         _: &mut dyn FnMut(ReadProgress<'_>),
///     ) -> Result<Arc<dyn Samples>> {
///         let name = path.display().to_string();
///         let unreadable = |source| Error::Read { file: name.clone(), source };
///         let bytes = std::fs::read(path).map_err(unreadable)?;
///         if like.is_some_and(|like| !like.labelled) {
///             return Ok(Arc::new(Images::unlabelled(&name, 1, 1, bytes)?));
///         }
///         let labels = bytes.iter().map(|&byte| u8::from(byte >= options.light)).collect();
///         Ok(Arc::new(Images::new(&name, 1, 1, 2, bytes, labels)?))
///     }
/// }
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("train.bytes"), [7; 100])?;
/// std::fs::write(folder.path().join("test.bytes"), [9; 10])?;
/// let options = BytesOptions { light: 8 };
/// let data = Bytes::open(folder.path(), &options, TestSplit::default(), &mut |_| ())?;
/// assert_eq!((data.train.len(), data.test.len()), (100, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Reader {
    /// Its options: a table of a recipe, called like the reader: `[data.series]`.
    type Options: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned;

    /// What it reads, as an error says it: `a table (.csv, .tsv)`.
    const READS: &'static str;

    /// The endings of the files that it reads, in lower case, without the point; none if it reads folders only.
    /// A file's ending may be in upper case too.
    const ENDINGS: &'static [&'static str];

    /// Whether it reads what is at `path`, which may be there or not. It looks at names, and at most lists a
    /// folder. By default: files with one of the [endings](Self::ENDINGS).
    fn accepts(path: &Path) -> bool {
        has_ending(path, Self::ENDINGS) && !path.is_dir()
    }

    /// Whether its samples can be such as a model for `schema` reads and predicts. By default it says so of any, and reading
    /// decides.
    fn suits(schema: &Schema) -> bool {
        let _ = schema;
        true
    }

    /// Reads all that is at `path`, and reports to `progress` now and then.
    ///
    /// With `like` the samples are for a model that was trained on others: they take from it what the model
    /// depends on, as the order of features and classes, or the size of images. Where it is not
    /// [labelled](Like::labelled), the samples need no targets, and their schema has [`TargetSchema::None`].
    /// Whether the samples fit is checked by whoever calls this ([`Like::check`]).
    ///
    /// # Errors
    /// Options that fit nothing, and data that is missing or damaged: what was found, what was expected, where.
    fn read(
        path: &Path,
        options: &Self::Options,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>>;

    /// The parts that are side by side in a folder, if there are any: `train`, and perhaps `test` and `valid` (or
    /// `val`, `validation`), each a folder, or a file with one of the [endings](Self::ENDINGS), in upper or lower
    /// case, that the reader accepts.
    ///
    /// # Errors
    /// [`Error::Folder`] if there are several for one part.
    fn parts(path: &Path) -> Result<Option<Parts>> {
        let Some(train) = part::<Self>(path, &["train"])? else { return Ok(None) };
        let valid = part::<Self>(path, &["valid", "val", "validation"])?;
        Ok(Some(Parts { train, valid, test: part::<Self>(path, &["test"])? }))
    }

    /// Reads a whole data set: its [parts](Self::parts) where there are such, else everything. Where there is
    /// no test part, `split` holds one out.
    ///
    /// # Errors
    /// Whatever [`read`](Self::read) and the split give, two files for one part, and parts that differ in their
    /// schemas.
    fn open(
        path: &Path,
        options: &Self::Options,
        split: TestSplit,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Dataset> {
        let Some(parts) = Self::parts(path)? else {
            return split.hold_out(&Self::read(path, options, None, progress)?);
        };
        let train = Self::read(&parts.train, options, None, progress)?;
        let like = Like::of(&*train);
        let mut part = |path: Option<PathBuf>| -> Result<Option<Arc<dyn Samples>>> {
            let Some(path) = path else { return Ok(None) };
            let part = Self::read(&path, options, Some(&like), progress)?;
            like.check(&*part)?;
            Ok(Some(part))
        };
        let (valid, test) = (part(parts.valid)?, part(parts.test)?);
        let dataset = match test {
            Some(test) => Dataset { train, valid: None, test },
            None => split.hold_out(&train)?,
        };
        Ok(Dataset { valid, ..dataset })
    }

    /// Writes down in `options` what follows from the data that was read with them, so that later data is read
    /// alike: which columns are features, say. By default nothing does.
    fn settle(options: &mut Self::Options, dataset: &Dataset) {
        let _ = (options, dataset);
    }
}

/// What can be the part `name` of the data in `folder`: the folder of that name, or else the files.
fn candidates<R: Reader + ?Sized>(folder: &Path, name: &str) -> Vec<PathBuf> {
    let part = folder.join(name);
    if part.is_dir() && R::accepts(&part) {
        return vec![part];
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_part = |file: &PathBuf| {
        let is_named = file.file_stem().is_some_and(|stem| stem == name);
        is_named && has_ending(file, R::ENDINGS) && file.is_file() && R::accepts(file)
    };
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_part).collect();
    files.sort();
    files
}

/// The part of one of these names.
///
/// # Errors
/// [`Error::Folder`] for two of them.
pub(crate) fn part<R: Reader + ?Sized>(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>> {
    let mut found = names.iter().flat_map(|name| candidates::<R>(folder, name));
    let first = found.next();
    if let (Some(one), Some(other)) = (&first, found.next()) {
        let found = format!("{} and {}", one.display(), other.display());
        let expected = format!("one of them, for the part {:?}", names[0]);
        return Err(Error::Folder { path: folder.to_owned(), found, expected });
    }
    Ok(first)
}

/// How far reading has come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReadProgress<'a> {
    /// The file or folder that is read.
    pub name: &'a str,
    /// How much of it is read: bytes of a text file, rows of a Parquet file, files of a folder.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

impl ReadProgress<'_> {
    /// `done` of `total` of what is called `name`.
    pub fn new(name: &str, done: u64, total: u64) -> ReadProgress<'_> {
        ReadProgress { name, done, total }
    }
}

/// Where the parts of a data set are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The training part.
    pub train: PathBuf,
    /// The validation part.
    pub valid: Option<PathBuf>,
    /// The test part.
    pub test: Option<PathBuf>,
}

/// What a model was trained on, and what other samples must be for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Like {
    /// The schema of the samples trained on.
    pub schema: Schema,
    /// Their [features](Samples::features) in their order; empty if they have no names, or if the reader's
    /// options name them.
    pub features: Vec<String>,
    /// Whether the samples need targets: to measure the model with. Without them they are for prediction.
    pub labelled: bool,
}

impl Like {
    /// Samples with targets, like those of that schema.
    pub fn new(schema: Schema, features: Vec<String>) -> Like {
        Like { schema, features, labelled: true }
    }

    /// Samples with targets, like these.
    pub fn of(samples: &dyn Samples) -> Like {
        Like::new(samples.schema().clone(), samples.features().to_vec())
    }

    /// The same without targets.
    pub fn unlabelled(mut self) -> Like {
        self.labelled = false;
        self
    }

    /// What the targets must be: those of the schema, or none.
    pub fn target(&self) -> &TargetSchema {
        if self.labelled { &self.schema.target } else { &TargetSchema::None }
    }

    /// Checks that `samples` are like those trained on. Values that are called `0`, `1`, … here may have any
    /// names there.
    ///
    /// # Errors
    /// [`Error::Unlike`] for another schema, or other features.
    pub fn check(&self, samples: &dyn Samples) -> Result<()> {
        let (schema, features) = (samples.schema(), samples.features());
        let unlike = |found, expected| self.refuse(samples.name(), found, expected);
        self.check_input(samples.name(), &schema.input)?;
        let is_alike = match (&schema.target, self.target()) {
            (
                TargetSchema::Value { names: found, per_step },
                TargetSchema::Value { names, per_step: expected },
            ) if are_indices(names) => found.len() == names.len() && per_step == expected,
            (found, expected) => found == expected,
        };
        if !is_alike {
            return unlike(targets(&schema.target), targets(self.target()));
        }
        if !self.features.is_empty() && self.features != features {
            let named = |features: &[String]| format!("features {}", list(features));
            return unlike(named(features), named(&self.features));
        }
        Ok(())
    }

    /// Checks what a sample is, for a reader that knows before it reads.
    ///
    /// # Errors
    /// [`Error::Unlike`] for another input.
    pub fn check_input(&self, origin: &str, found: &InputSchema) -> Result<()> {
        match *found == self.schema.input {
            true => Ok(()),
            false => self.refuse(origin, found.to_string(), self.schema.input.to_string()),
        }
    }

    /// Checks that a reader is for what the model reads, before it looks at its options.
    ///
    /// # Errors
    /// [`Error::Unlike`] if it is not.
    pub(crate) fn check_reader<R: Reader>(&self, origin: &str) -> Result<()> {
        match R::suits(&self.schema) {
            true => Ok(()),
            false => self.refuse(origin, R::READS.into(), describe(&self.schema)),
        }
    }

    fn refuse(&self, origin: &str, found: String, expected: String) -> Result<()> {
        Err(Error::Unlike { origin: origin.to_owned(), found, expected })
    }
}

/// What a model reads; of texts also what it predicts, as readers of texts differ in that.
pub(crate) fn describe(schema: &Schema) -> String {
    match schema.input.tokenizer() {
        Some(_) => schema.to_string(),
        None => schema.input.to_string(),
    }
}

fn targets(target: &TargetSchema) -> String {
    match target {
        TargetSchema::None => "no target".into(),
        TargetSchema::Pixels { .. } => target.to_string(),
        named => format!("{named}: {}", list(named.names())),
    }
}

fn list(names: &[String]) -> String {
    shortened(&names.join(", "))
}

/// Whether a file's name ends in one of `endings`, in upper or lower case.
pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let found = path.extension().and_then(|found| found.to_str());
    found.is_some_and(|found| endings.iter().any(|end| found.eq_ignore_ascii_case(end)))
}
