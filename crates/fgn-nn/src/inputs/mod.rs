//! Input layers: how samples become sequences of features. One file each, and their registry.
//!
//! A new kind is one file here and one line in the registry below, which declares the file.

mod image_augment;
mod images;
mod kind;
mod series_augment;

pub(crate) use audio::FrontEnd;
pub use audio::{AudioAugment, Noise, NoiseKind};
use candle_core::DType;
pub(crate) use embedding::weight as embedding_weight;
use fgn_schema::{InputSchema, Moments, Statistics};
pub use image_augment::ImageAugment;
pub use kind::{InputKind, InputLayer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use series_augment::SeriesAugment;

use crate::completion::{self, Kind};
use crate::error::Result;
use crate::parameters::Parameters;

/// Declares the files of the kinds, and writes [`InputConfig`]: for each kind its type and its name in
/// configurations. Where a recipe names no kind, the first one that fits is taken.
macro_rules! registry {
    ($($file:ident::$kind:ident $name:literal)*) => {
        $(mod $file;)*
        $(pub use $file::$kind;)*

        /// The configuration of an input layer, of one of the kinds of the registry. In a recipe it is a
        /// table with the kind's name and its keys: `{ kind = "image-rows", height = 28, width = 28 }`.
        ///
        /// ```
        /// use fgn_nn::{ImageRows, InputConfig};
        ///
        /// let text = r#"{ "kind": "image-rows", "height": 28, "width": 28 }"#;
        /// let config: InputConfig = serde_json::from_str(text)?;
        /// assert_eq!(config, ImageRows::new(28, 28).into());
        /// assert_eq!((config.steps(), config.features()), (Some(28), 28));
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant, reason = "a model has one of them")]
        pub enum InputConfig {
            $(
                #[doc = concat!("See [`", stringify!($kind), "`].")]
                #[serde(rename = $name)]
                $kind($kind),
            )*
        }

        $(
            impl From<$kind> for InputConfig {
                fn from(config: $kind) -> Self {
                    Self::$kind(config)
                }
            }
        )*

        const KINDS: &[Kind<InputSchema>] = &[
            $(Kind {
                name: $name,
                stand_in: $kind::stand_in,
                complete: $kind::complete,
                reads: |keys| serde_json::from_value::<$kind>(Value::Object(keys)).is_ok(),
            },)*
        ];

        impl InputConfig {
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
            pub fn as_kind(&self) -> &dyn InputKind {
                match self {
                    $(Self::$kind(config) => config,)*
                }
            }
        }
    };
}

registry! {
    image_rows::ImageRows "image-rows"
    image_conv::ImageConv "image-conv"
    image_pixels::ImagePixels "image-pixels"
    series::Series "series"
    embedding::Embedding "embedding"
    audio::Audio "audio"
    image_raster::ImageRaster "image-raster"
}

impl InputConfig {
    /// The smallest samples that an incomplete configuration may be for: what it is completed from to check
    /// it before any data is read.
    pub fn stand_in(given: &Map<String, Value>) -> InputSchema {
        completion::stand_in(KINDS, given).unwrap_or_else(ImageRows::stand_in)
    }

    /// `given`, a table with some keys of a configuration, with all others that follow from the data. The
    /// keys given win. Without a `kind`, the first kind that is for such samples and has the keys given is
    /// taken.
    ///
    /// ```
    /// use fgn_nn::InputConfig;
    /// use fgn_nn::fgn_schema::{InputSchema, Statistics};
    /// use serde_json::{Map, Value, json};
    ///
    /// let samples = InputSchema::Series { features: 3 };
    /// let whole = InputConfig::complete(&Map::new(), &samples, &Statistics::default())?;
    /// assert_eq!(Value::from(whole), json!({ "kind": "series", "features": 3 }));
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the kind given, or every one there is, is not for such
    /// samples.
    pub fn complete(
        given: &Map<String, Value>,
        samples: &InputSchema,
        statistics: &Statistics,
    ) -> Result<Map<String, Value>> {
        completion::complete(KINDS, "input.kind", given, samples, statistics)
    }

    /// The samples that it is for.
    pub fn samples(&self) -> InputSchema {
        self.as_kind().samples()
    }

    /// Checks that it is for such samples.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) with the samples that it is for.
    pub fn accepts(&self, samples: &InputSchema) -> Result<()> {
        self.as_kind().accepts(samples)
    }

    /// `I`: the number of features per step.
    pub fn features(&self) -> usize {
        self.as_kind().features()
    }

    /// `T`: the number of steps, where it is the same for all samples.
    pub fn steps(&self) -> Option<usize> {
        self.as_kind().steps()
    }

    /// The data type of the samples, for a model that computes in `model`. Where it is `F64`, samples of `F32`
    /// are read too: they are widened.
    pub fn dtype(&self, model: DType) -> DType {
        self.as_kind().dtype(model)
    }

    /// Whether in training sequences have other steps than the samples.
    pub fn changes_steps(&self) -> bool {
        self.as_kind().changes_steps()
    }

    /// The mean and standard deviation of features by which it standardises them, if it does.
    pub fn scale(&self) -> Option<&Moments> {
        self.as_kind().scale()
    }

    /// The layer, its parameters named `{name}.` and so on.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an invalid value, [`Error::File`](crate::Error::File) if
    /// the parameters come from a file that does not fit.
    pub fn build(&self, parameters: &mut Parameters, name: &str) -> Result<Box<dyn InputLayer>> {
        self.as_kind().build(parameters, name)
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
