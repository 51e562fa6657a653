//! What a configuration leaves to the data, apart from the model: how later data is read, and the weights
//! of classes.

use std::path::Path;

use fgn_data::{DataConfig, Dataset};

use crate::class_weights::{ClassWeights, balanced};
use crate::config::Config;
use crate::error::Result;

impl Config {
    /// Writes down what follows from `dataset`, which is that of the configuration, whole: how later data is read alike,
    /// where initial weights come from, as an absolute path, and the numbers of balanced weights of classes. A configuration that is settled already stays as it is.
    ///
    /// # Errors
    /// A path that is not UTF-8; a class without samples in the training part.
    pub fn settle(&mut self, dataset: &Dataset) -> Result<()> {
        self.data.settle(dataset)?;
        if let Some(path) = &mut self.training.init {
            *path = DataConfig::absolute(Path::new(path))?;
        }
        if self.training.class_weights == Some(ClassWeights::Balanced) {
            let target = self.model.head.target();
            let parts = self.data.divide(dataset.clone(), self.training.seed)?;
            let weights = balanced(&parts.train, target.names())?;
            self.training.class_weights = Some(ClassWeights::Given(weights));
        }
        Ok(())
    }
}
