//! Adam with decoupled weight decay.

use serde::{Deserialize, Serialize};

use super::adam::Adam;
use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};

/// [`Adam`] with decoupled weight decay (Loshchilov & Hutter, 2019); `torch.optim.AdamW`.
///
/// ```text
/// p = p₋ · (1 − learning_rate · weight_decay) − learning_rate · m̂ / (√v̂ + epsilon)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// The step size, above 0; 0.001.
    pub learning_rate: f64,
    /// Decay of the first moment, in `[0, 1)`; 0.9.
    pub beta1: f64,
    /// Decay of the second moment, in `[0, 1)`; 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8.
    pub epsilon: f64,
    /// A step takes this times the learning rate off the weights, at least 0; 0.01.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { learning_rate, beta1, beta2, epsilon, .. } = Adam::default();
        AdamW { learning_rate, beta1, beta2, epsilon, weight_decay: 0.01 }
    }
}

impl AdamW {
    fn adam(&self) -> Adam {
        let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay } = *self;
        Adam { learning_rate, beta1, beta2, epsilon, weight_decay }
    }
}

impl Rule for AdamW {
    const DECAY: Decay = Decay::Decoupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        self.adam().check()
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        self.adam().update(step, elements)
    }
}
