//! RMSprop.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};
use crate::ranges::{decay, positive};

/// RMSprop (Hinton, 2012), with momentum; `torch.optim.RMSprop`.
///
/// ```text
/// v = alpha · v₋ + (1 − alpha) · g²
/// m = momentum · m₋ + g / (√v + epsilon)
/// p = p₋ − learning_rate · m
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// The step size, above 0; 0.01.
    pub learning_rate: f64,
    /// Decay of the mean square, in `[0, 1)`; 0.99.
    pub alpha: f64,
    /// Added to the root of the mean square, above 0; 1e-8.
    pub epsilon: f64,
    /// Decay of the running sum of steps, in `[0, 1)`; 0.
    pub momentum: f64,
    /// The weights times this are added to their gradient, at least 0; 0.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        let (learning_rate, alpha, epsilon) = (0.01, 0.99, 1e-8);
        RmsProp { learning_rate, alpha, epsilon, momentum: 0.0, weight_decay: 0.0 }
    }
}

impl Rule for RmsProp {
    const DECAY: Decay = Decay::Coupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        decay("optimizer.alpha", self.alpha)?;
        decay("optimizer.momentum", self.momentum)?;
        positive("optimizer.epsilon", self.epsilon)
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        let [rate, keep, take, epsilon, momentum] =
            [step.rate, self.alpha, 1.0 - self.alpha, self.epsilon, self.momentum].map(N::from_f64);
        if self.momentum == 0.0 {
            return elements.update(["square_avg"], |p, g, [v]| {
                let v = keep * v + take * g * g;
                (p - rate * g / (v.sqrt() + epsilon), [v])
            });
        }
        elements.update(["square_avg", "momentum_buffer"], |p, g, [v, m]| {
            let v = keep * v + take * g * g;
            let m = momentum * m + g / (v.sqrt() + epsilon);
            (p - rate * m, [v, m])
        })
    }
}
