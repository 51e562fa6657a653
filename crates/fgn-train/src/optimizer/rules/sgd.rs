//! Stochastic gradient descent.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};
use crate::ranges::{decay, expect};

/// Stochastic gradient descent (Robbins & Monro, 1951), with momentum (Polyak, 1964); `torch.optim.SGD`.
///
/// ```text
/// m = momentum · m₋ + g
/// p = p₋ − learning_rate · m      with nesterov: p = p₋ − learning_rate · (g + momentum · m)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// The step size, above 0; 0.01.
    pub learning_rate: f64,
    /// Decay of the running sum of gradients, in `[0, 1)`; 0 is plain gradient descent.
    pub momentum: f64,
    /// Looks ahead along the momentum (Nesterov, 1983; Sutskever et al., 2013).
    pub nesterov: bool,
    /// The weights times this are added to their gradient, at least 0; 0.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { learning_rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl Rule for Sgd {
    const DECAY: Decay = Decay::Coupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        decay("optimizer.momentum", self.momentum)?;
        let expected = "above 0, as optimizer.nesterov looks ahead along it";
        expect(!self.nesterov || self.momentum > 0.0, "optimizer.momentum", self.momentum, expected)
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        let rate = N::from_f64(step.rate);
        if self.momentum == 0.0 {
            return elements.update([], |p, g, []| (p - rate * g, []));
        }
        // One formula for both, so that the loop has no branch.
        let (ahead, present) = if self.nesterov { (self.momentum, 1.0) } else { (1.0, 0.0) };
        let [momentum, ahead, present] = [self.momentum, ahead, present].map(N::from_f64);
        elements.update(["momentum_buffer"], |p, g, [m]| {
            let m = momentum * m + g;
            (p - rate * (ahead * m + present * g), [m])
        })
    }
}
