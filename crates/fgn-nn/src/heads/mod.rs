//! Heads: what a model predicts, its loss, and how predictions are read. One file each, and their registry.
//!
//! A new kind is one file here and one line in the registry below, which declares the file.

mod adaptive;
mod answer;
mod kind;
mod outputs;
mod pool;
mod tied;

pub use answer::Answer;
pub use decoder::Attention;
use fgn_schema::{Statistics, TargetSchema};
pub use kind::{Encoded, Head, HeadKind};
pub use next_item::ItemLoss;
pub use pool::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::completion::{self, Kind};
use crate::error::Result;
use crate::loss::LossOptions;
use crate::parameters::Parameters;

/// Declares the files of the kinds, and writes [`HeadConfig`]: for each kind its type and its name in
/// configurations. Where a recipe names no kind, the first one that fits is taken.
macro_rules! registry {
    ($($file:ident::$kind:ident $name:literal)*) => {
        $(mod $file;)*
        $(pub use $file::$kind;)*

        /// The configuration of a head, of one of the kinds of the registry. In a recipe it is a table with
        /// the kind's name and its keys: `{ kind = "classification", classes = 10 }`.
        ///
        /// ```
        /// use fgn_nn::{Classification, HeadConfig};
        ///
        /// let text = r#"{ "kind": "classification", "classes": 10 }"#;
        /// let config: HeadConfig = serde_json::from_str(text)?;
        /// assert_eq!(config, Classification::new(10).into());
        /// assert_eq!(config.target().to_string(), "10 classes");
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum HeadConfig {
            $(
                #[doc = concat!("See [`", stringify!($kind), "`].")]
                #[serde(rename = $name)]
                $kind($kind),
            )*
        }

        $(
            impl From<$kind> for HeadConfig {
                fn from(config: $kind) -> Self {
                    Self::$kind(config)
                }
            }
        )*

        const KINDS: &[Kind<TargetSchema>] = &[
            $(Kind {
                name: $name,
                stand_in: $kind::stand_in,
                complete: $kind::complete,
                reads: |keys| serde_json::from_value::<$kind>(Value::Object(keys)).is_ok(),
            },)*
        ];

        impl HeadConfig {
            /// The names of all kinds.
            pub fn kinds() -> &'static [&'static str] {
                &[$($name),*]
            }

            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)*
                }
            }

            /// What all kinds have in common.
            pub fn as_kind(&self) -> &dyn HeadKind {
                match self {
                    $(Self::$kind(config) => config,)*
                }
            }
        }
    };
}

registry! {
    classification::Classification "classification"
    regression::Regression "regression"
    next_token::NextToken "next-token"
    decoder::Decoder "decoder"
    ctc::Ctc "ctc"
    next_item::NextItem "next-item"
    pixels::Pixels "pixels"
}

impl HeadConfig {
    /// The smallest targets that an incomplete configuration may be for: what it is completed from to check
    /// it before any data is read.
    pub fn stand_in(given: &Map<String, Value>) -> TargetSchema {
        completion::stand_in(KINDS, given).unwrap_or(TargetSchema::None)
    }

    /// `given`, a table with some keys of a configuration, with all others that follow from the data. The
    /// keys given win. Without a `kind`, the first kind that is for such targets and has the keys given is
    /// taken.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the kind given, or every one there is, is not for such
    /// targets.
    pub fn complete(
        given: &Map<String, Value>,
        targets: &TargetSchema,
        statistics: &Statistics,
    ) -> Result<Map<String, Value>> {
        completion::complete(KINDS, "head.kind", given, targets, statistics)
    }

    /// What it predicts. Further files are read for these targets, as those that it was trained on.
    pub fn target(&self) -> TargetSchema {
        self.as_kind().target()
    }

    /// The names of the metrics that it is evaluated by, beside the loss; the first is the main one.
    pub fn metrics(&self) -> &'static [&'static str] {
        self.as_kind().metrics()
    }

    /// Checks that it can be trained and evaluated on such targets.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) with the targets that it is for.
    pub fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        self.as_kind().accepts(targets)
    }

    /// Checks that its loss has these options.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an option that it lacks or a value out of range.
    pub fn check_loss_options(&self, options: &LossOptions) -> Result<()> {
        self.as_kind().check_loss_options(options)
    }

    /// The head over `inputs` features, its parameters named `{name}.` and so on.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an invalid value, [`Error::File`](crate::Error::File) if
    /// the parameters come from a file that does not fit.
    pub fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.as_kind().build(parameters, name, inputs)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first invalid field.
    pub fn validate(&self) -> Result<()> {
        self.as_kind().validate()
    }
}

#[cfg(test)]
mod tests;
