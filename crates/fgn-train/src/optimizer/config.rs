//! Which optimizer, with its options.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Which optimizer, with its options; every option has a default, and the formulas are `torch.optim`'s.
///
/// In TOML: `[optimizer]`, `name = "sgd"`, `momentum = 0.9`. Weight decay is for matrices and filters
/// alone: biases and other vectors do not decay, unless a [`Group`](crate::Group) says so.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent.
    Sgd {
        /// The step size, above 0; 0.01.
        #[serde(default = "hundredth")]
        learning_rate: f64,
        /// Decay of the running sum of gradients, in `[0, 1)`; 0 is plain gradient descent.
        #[serde(default)]
        momentum: f64,
        /// Looks ahead along the momentum (Nesterov, 1983; Sutskever et al., 2013).
        #[serde(default)]
        nesterov: bool,
        /// The weights times this are added to their gradient, at least 0; 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// RMSprop: Hinton, 2012.
    RmsProp {
        /// The step size, above 0; 0.01.
        #[serde(default = "hundredth")]
        learning_rate: f64,
        /// Decay of the mean square, in `[0, 1)`; 0.99.
        #[serde(default = "alpha")]
        alpha: f64,
        /// Added to the root of the mean square, above 0; 1e-8.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Decay of the running sum of steps, in `[0, 1)`; 0.
        #[serde(default)]
        momentum: f64,
        /// The weights times this are added to their gradient, at least 0; 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam: Kingma & Ba, 2015.
    Adam {
        /// The step size, above 0; 0.001.
        #[serde(default = "thousandth")]
        learning_rate: f64,
        /// Decay of the first moment, in `[0, 1)`; 0.9.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, in `[0, 1)`; 0.999.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment, above 0; 1e-8.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// The weights times this are added to their gradient, at least 0; 0.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay: Loshchilov & Hutter, 2019.
    AdamW {
        /// The step size, above 0; 0.001.
        #[serde(default = "thousandth")]
        learning_rate: f64,
        /// Decay of the first moment, in `[0, 1)`; 0.9.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, in `[0, 1)`; 0.999.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment, above 0; 1e-8.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// A step takes this times the learning rate off the weights, at least 0; 0.01.
        #[serde(default = "hundredth")]
        weight_decay: f64,
    },
    /// Lion, steps of one size in the direction of the gradients' sign: Chen et al., 2023. A third to a
    /// tenth of Adam's learning rate is usual.
    Lion {
        /// The step size, above 0; 1e-4.
        #[serde(default = "ten_thousandth")]
        learning_rate: f64,
        /// Weight of the past in a step's direction, in `[0, 1)`; 0.9.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the moment, in `[0, 1)`; 0.99.
        #[serde(default = "alpha")]
        beta2: f64,
        /// A step takes this times the learning rate off the weights, at least 0; 0.
        #[serde(default)]
        weight_decay: f64,
    },
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::adam(thousandth())
    }
}

impl OptimizerConfig {
    /// Adam with all other options at their defaults.
    pub fn adam(learning_rate: f64) -> Self {
        let (beta1, beta2, epsilon) = (beta1(), beta2(), epsilon());
        Self::Adam { learning_rate, beta1, beta2, epsilon, weight_decay: 0.0 }
    }

    /// Plain gradient descent.
    pub fn sgd(learning_rate: f64) -> Self {
        Self::Sgd { learning_rate, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// The step size at full rate, which a [`Schedule`](crate::Schedule) scales down.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Self::Sgd { learning_rate, .. }
            | Self::RmsProp { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::AdamW { learning_rate, .. }
            | Self::Lion { learning_rate, .. } => learning_rate,
        }
    }

    /// The decay of matrices and filters.
    pub fn weight_decay(&self) -> f64 {
        match *self {
            Self::Sgd { weight_decay, .. }
            | Self::RmsProp { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::AdamW { weight_decay, .. }
            | Self::Lion { weight_decay, .. } => weight_decay,
        }
    }

    /// PyTorch's names for what is remembered of each parameter's gradients.
    pub(crate) fn moments(&self) -> &'static [&'static str] {
        match *self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum_buffer"],
            Self::RmsProp { momentum: 0.0, .. } => &["square_avg"],
            Self::RmsProp { .. } => &["square_avg", "momentum_buffer"],
            Self::Adam { .. } | Self::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
            Self::Lion { .. } => &["exp_avg"],
        }
    }

    /// # Errors
    /// An option outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        positive("optimizer.learning_rate", self.learning_rate())?;
        not_negative("optimizer.weight_decay", self.weight_decay())?;
        match *self {
            Self::Sgd { momentum, nesterov, .. } => {
                decay("optimizer.momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    let expected = "above 0, as optimizer.nesterov looks ahead along it".into();
                    let found = momentum.to_string();
                    return Err(Error::Value { key: "optimizer.momentum", found, expected });
                }
                Ok(())
            }
            Self::RmsProp { alpha, epsilon, momentum, .. } => {
                decay("optimizer.alpha", alpha)?;
                decay("optimizer.momentum", momentum)?;
                positive("optimizer.epsilon", epsilon)
            }
            Self::Adam { beta1, beta2, epsilon, .. }
            | Self::AdamW { beta1, beta2, epsilon, .. } => {
                decay("optimizer.beta1", beta1)?;
                decay("optimizer.beta2", beta2)?;
                positive("optimizer.epsilon", epsilon)
            }
            Self::Lion { beta1, beta2, .. } => {
                decay("optimizer.beta1", beta1)?;
                decay("optimizer.beta2", beta2)
            }
        }
    }
}

/// # Errors
/// A number that is not finite or not above 0.
pub(crate) fn positive(key: &'static str, value: f64) -> Result<()> {
    expect(value > 0.0 && value.is_finite(), key, value, "a finite number above 0")
}

/// # Errors
/// A number that is not finite or below 0.
pub(crate) fn not_negative(key: &'static str, value: f64) -> Result<()> {
    expect(value >= 0.0 && value.is_finite(), key, value, "a finite number, at least 0")
}

/// # Errors
/// A number outside `[0, 1)`.
pub(crate) fn decay(key: &'static str, value: f64) -> Result<()> {
    expect((0.0..1.0).contains(&value), key, value, "at least 0 and less than 1")
}

/// # Errors
/// A value for which something does not hold.
pub(crate) fn expect(
    holds: bool,
    key: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::Value { key, found: found.to_string(), expected: expected.into() }),
    }
}

fn hundredth() -> f64 {
    0.01
}

fn thousandth() -> f64 {
    1e-3
}

fn ten_thousandth() -> f64 {
    1e-4
}

fn alpha() -> f64 {
    0.99
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}
