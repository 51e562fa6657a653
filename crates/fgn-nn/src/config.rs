//! The configuration of a model: plain data for any serde format.

use fgn_schema::{Schema, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::check;
use crate::dense::DenseConfig;
use crate::error::Result;
use crate::heads::HeadConfig;
use crate::inputs::InputConfig;
use crate::recurrent::RecurrentConfig;

/// A whole model: input layer, dense layer (if any), recurrent layer, head.
///
/// Sizes, such as the number of tokens, units or classes, are at most
/// [`MAX_SIZE`](fgn_schema::MAX_SIZE).
///
/// ```
/// let config: fgn_nn::ModelConfig = serde_json::from_str(r#"{
///     "input": { "kind": "image-rows", "height": 28, "width": 28 },
///     "recurrent": { "hidden_size": 128, "cell": { "name": "fgn", "z": "linear" } },
///     "head": { "kind": "classification", "classes": 10 }
/// }"#)?;
/// config.validate()?;
/// assert_eq!(config.input.steps(), Some(28));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// How samples become sequences of features.
    pub input: InputConfig,
    /// A fully connected layer before the recurrent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// The recurrent layer.
    pub recurrent: RecurrentConfig,
    /// What is predicted.
    pub head: HeadConfig,
}

impl ModelConfig {
    /// A model of these parts, without a dense layer.
    ///
    /// ```
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Classification, ImageRows, ModelConfig, RecurrentConfig};
    ///
    /// let rows = ImageRows::new(28, 28);
    /// let recurrent = RecurrentConfig::new(AnyCell::FGN, 128);
    /// ModelConfig::new(rows, recurrent, Classification::new(10)).validate()?;
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    pub fn new(
        input: impl Into<InputConfig>,
        recurrent: RecurrentConfig,
        head: impl Into<HeadConfig>,
    ) -> Self {
        Self { input: input.into(), dense: None, recurrent, head: head.into() }
    }

    /// With a fully connected layer before the recurrent one.
    pub fn with_dense(self, dense: impl Into<Option<DenseConfig>>) -> Self {
        Self { dense: dense.into(), ..self }
    }

    /// The smallest data that an incomplete configuration may be for: what it is completed from to check it
    /// before any data is read.
    pub fn stand_in(given: &Map<String, Value>) -> Schema {
        let table = |key: &str| given.get(key).and_then(Value::as_object).cloned();
        Schema::new(
            InputConfig::stand_in(&table("input").unwrap_or_default()),
            HeadConfig::stand_in(&table("head").unwrap_or_default()),
        )
    }

    /// `given`, a table with some keys of a configuration, with all those of its `input` and `head` that
    /// follow from the data. The keys given win.
    ///
    /// ```
    /// use fgn_nn::ModelConfig;
    /// use fgn_nn::fgn_schema::{InputSchema, Schema, Statistics, TargetSchema};
    ///
    /// let given = serde_json::json!({
    ///     "input": { "kind": "image-pixels" },
    ///     "recurrent": { "hidden_size": 16, "cell": { "name": "lstm" } },
    /// });
    /// let names = vec!["cat".to_owned(), "dog".to_owned()];
    /// let data = Schema::new(
    ///     InputSchema::Image { height: 8, width: 6, channels: 1 },
    ///     TargetSchema::Class { names, per_step: false },
    /// );
    /// let given = given.as_object().unwrap();
    /// let whole = ModelConfig::complete(given, &data, &Statistics::default())?;
    /// let config: ModelConfig = serde_json::from_value(whole.into())?;
    /// assert_eq!(config.input.steps(), Some(48));
    /// assert_eq!(config.head.target(), data.target);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if no input layer or head, or not the one given, is for such
    /// data.
    pub fn complete(
        given: &Map<String, Value>,
        data: &Schema,
        statistics: &Statistics,
    ) -> Result<Map<String, Value>> {
        let mut whole = given.clone();
        // What is no table is refused when it is read.
        if let Value::Object(input) = whole.entry("input").or_insert_with(|| Map::new().into()) {
            *input = InputConfig::complete(input, &data.input, statistics)?;
        }
        if let Value::Object(head) = whole.entry("head").or_insert_with(|| Map::new().into()) {
            *head = HeadConfig::complete(head, &data.target, statistics)?;
        }
        Ok(whole)
    }

    /// Checks that the model can be trained and evaluated on such data.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) with the samples or targets that it is for.
    pub fn accepts(&self, data: &Schema) -> Result<()> {
        self.input.accepts(&data.input)?;
        self.head.accepts(&data.target)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first invalid field.
    pub fn validate(&self) -> Result<()> {
        self.head.validate()?;
        self.input.validate()?;
        let fits = !(self.input.changes_steps() && self.head.target().is_per_step());
        let expected = "0 where each step has a target";
        check(fits, "input.augment.crop", "above 0", expected)?;
        if let Some(dense) = &self.dense {
            dense.validate()?;
        }
        let expected = "false: in a model the steps come first";
        check(!self.recurrent.batch_first, "recurrent.batch_first", true, expected)?;
        self.recurrent.validate()?;
        self.head.as_kind().accepts_input(&self.input)?;
        self.head.as_kind().accepts_recurrent(&self.recurrent)
    }
}
