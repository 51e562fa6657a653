//! The optimizers, one file each, and their registry.
//!
//! [`Rule`] says what an optimizer provides; everything else, from recipes to checkpoints, follows from there.

use serde::{Deserialize, Serialize};

use super::number::Number;
use super::rule::{Decay, Elements, MomentNames, Rule, Step};
use crate::error::Result;
use crate::ranges::{not_negative, positive};

/// Declares the files of the optimizers, and writes [`OptimizerConfig`]: for each optimizer the type of its options
/// and its name in configurations.
macro_rules! registry {
    ($($file:ident::$rule:ident $name:literal)*) => {
        $(
            pub(crate) mod $file;
            pub use $file::$rule;
        )*

        /// Which optimizer, with its options; every option has a default.
        ///
        /// In TOML it is a table with the optimizer's name and its keys: `[optimizer]`, `name = "sgd"`,
        /// `momentum = 0.9`. Weight decay is for matrices and filters alone: biases and other vectors do not
        /// decay, unless a [`ParameterGroup`](crate::ParameterGroup) says so.
        ///
        /// ```
        /// use fgn_train::{OptimizerConfig, Sgd};
        ///
        /// let config: OptimizerConfig = toml::from_str("name = 'sgd'\nmomentum = 0.9")?;
        /// assert_eq!(config, Sgd { momentum: 0.9, ..Sgd::default() }.into());
        /// assert_eq!((config.name(), config.learning_rate()), ("sgd", 0.01));
        /// # Ok::<(), toml::de::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[non_exhaustive]
        pub enum OptimizerConfig {
            $(
                #[doc = concat!("See [`", stringify!($rule), "`].")]
                #[serde(rename = $name)]
                $rule($rule),
            )*
        }

        $(
            impl From<$rule> for OptimizerConfig {
                fn from(rule: $rule) -> Self {
                    Self::$rule(rule)
                }
            }
        )*

        impl OptimizerConfig {
            /// The names of all optimizers.
            pub fn names() -> &'static [&'static str] {
                &[$($name),*]
            }

            /// The name of the optimizer.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$rule(_) => $name,)*
                }
            }

            /// The step size at full rate, which a [`Schedule`](crate::Schedule) scales down.
            pub fn learning_rate(&self) -> f64 {
                match self {
                    $(Self::$rule(rule) => Rule::learning_rate(rule),)*
                }
            }

            /// The decay of matrices and filters.
            pub fn weight_decay(&self) -> f64 {
                match self {
                    $(Self::$rule(rule) => Rule::weight_decay(rule),)*
                }
            }

            /// How the weight decay acts.
            pub(super) fn decay(&self) -> Decay {
                match self {
                    $(Self::$rule(_) => <$rule as Rule>::DECAY,)*
                }
            }

            /// Updates `elements` by the optimizer's formula.
            pub(super) fn update<N: Number, E: Elements<N>>(
                &self,
                step: &Step,
                elements: E,
            ) -> E::Output {
                match self {
                    $(Self::$rule(rule) => rule.update(step, elements),)*
                }
            }

            /// Checks the options that not every optimizer has.
            fn check_own(&self) -> Result<()> {
                match self {
                    $(Self::$rule(rule) => Rule::check(rule),)*
                }
            }
        }
    };
}

registry! {
    sgd::Sgd "sgd"
    rmsprop::RmsProp "rmsprop"
    adam::Adam "adam"
    adamw::AdamW "adamw"
    lion::Lion "lion"
    adagrad::Adagrad "adagrad"
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Adam::default().into()
    }
}

impl OptimizerConfig {
    /// Adam with all other options at their defaults.
    pub fn adam(learning_rate: f64) -> Self {
        Adam { learning_rate, ..Adam::default() }.into()
    }

    /// Plain gradient descent.
    pub fn sgd(learning_rate: f64) -> Self {
        Sgd { learning_rate, ..Sgd::default() }.into()
    }

    /// The names of the moments of each parameter: those of PyTorch.
    pub(crate) fn moments(&self) -> Vec<&'static str> {
        self.update(&Step::new(self.decay(), 1, 0.0, 0.0), MomentNames)
    }

    /// Checks every option.
    ///
    /// # Errors
    /// An option outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        positive("optimizer.learning_rate", self.learning_rate())?;
        not_negative("optimizer.weight_decay", self.weight_decay())?;
        self.check_own()
    }
}
