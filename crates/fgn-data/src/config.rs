//! The [`DataConfig`]: opening data, dividing it, and paths.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::reader::{Like, ReadProgress, has_ending};
use crate::readers::{DataConfig, ENDINGS, check_readable};
use crate::registry;
use crate::samples::Samples;

impl DataConfig {
    /// Opens the data set of that name, or reads the data at that path. Where it has no test part of its own,
    /// [`test`](Self::test) is held out.
    ///
    /// # Errors
    /// A name that is not known, a path that no reader reads, and data that is missing, damaged or not as the
    /// options say.
    pub fn open(&self, progress: &mut dyn FnMut(ReadProgress<'_>)) -> Result<Dataset> {
        if !self.is_path() {
            return registry::open_with(self);
        }
        self.task.check_none(&self.source)?;
        let path = Path::new(&self.source);
        check_readable(path)?;
        self.open_path(path, progress)
    }

    /// Reads other samples, for a model trained on some that are like them: those at `path`, or the test part of the
    /// data set of that name. The reader is chosen by `path` and by what the model reads; of data in parts the test
    /// part is read.
    ///
    /// # Errors
    /// A path that no reader reads, or only one for other models; whatever reading gives, and samples that are not
    /// alike.
    pub fn read(
        &self,
        path: &Path,
        like: &Like,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        if let Some(name) = path.to_str()
            && registry::names().any(|known| known == name)
        {
            return registry::read(&DataConfig { source: name.to_owned(), ..self.clone() }, like);
        }
        check_readable(path).map_err(|error| registry::unknown(path).unwrap_or(error))?;
        self.read_path(path, like, progress)
    }

    /// Writes down what follows from the data, so that later data is read alike, from anywhere: the source as an
    /// absolute path, and what the reader [settles](crate::Reader::settle).
    ///
    /// # Errors
    /// [`Error::Option`] for a path that is not UTF-8.
    pub fn settle(&mut self, dataset: &Dataset) -> Result<()> {
        if let Some(reader) = registry::reader(&self.source) {
            self.settle_as(reader, dataset);
        }
        if self.is_path() {
            self.source = DataConfig::absolute(self.source.as_ref())?;
            self.settle_path(&PathBuf::from(&self.source), dataset)?;
        }
        Ok(())
    }

    /// Checks the values that can be wrong whatever the data is.
    ///
    /// # Errors
    /// [`Error::Option`] for a share below 0, or of 1 or more.
    pub fn check(&self) -> Result<()> {
        self.validation.count_for("data.validation", 1)?;
        self.test.count_for("data.test", 1)?;
        Ok(())
    }

    /// How many of `count` training samples are held out for validation.
    ///
    /// # Errors
    /// [`Error::Option`] for a share below 0, or of 1 or more.
    pub fn held_out(&self, count: usize) -> Result<usize> {
        self.validation.count_for("data.validation", count)
    }

    /// `dataset` with its validation part held out, drawn by `seed`.
    ///
    /// # Errors
    /// [`Error::HeldOut`] when that leaves nothing to train on.
    pub fn divide(&self, dataset: Dataset, seed: u64) -> Result<Dataset> {
        let count = self.held_out(dataset.train.len())?;
        dataset.hold_out(count, seed)
    }

    /// Whether the source is a path, and not a data set's name.
    pub fn is_path(&self) -> bool {
        let is_file = |endings: &&[&str]| has_ending(self.source.as_ref(), endings);
        self.source.contains(['/', MAIN_SEPARATOR]) || ENDINGS.iter().any(is_file)
    }

    /// A path as a [`source`](Self::source), so that it is found from anywhere.
    ///
    /// # Errors
    /// [`Error::Option`] for a path that is not UTF-8, [`Error::Read`] where there is no current folder.
    pub fn absolute(path: &Path) -> Result<String> {
        let unreadable = |source| Error::Read { file: path.display().to_string(), source };
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        absolute.into_os_string().into_string().map_err(|found| Error::Option {
            option: "data.source",
            found: format!("{found:?}"),
            expected: "a path in UTF-8".into(),
        })
    }
}
