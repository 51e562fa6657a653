//! The formulas of `torch.optim`'s documentation, a number at a time.

use crate::optimizer::rules::OptimizerConfig;
use crate::optimizer::rules::adagrad::Adagrad;
use crate::optimizer::rules::adam::Adam;
use crate::optimizer::rules::adamw::AdamW;
use crate::optimizer::rules::lion::Lion;
use crate::optimizer::rules::rmsprop::RmsProp;
use crate::optimizer::rules::sgd::Sgd;

/// One number and what `torch.optim` remembers for it.
#[derive(Clone, Copy)]
pub(super) struct Naive {
    pub(super) p: f64,
    buffers: [f64; 2],
}

impl Naive {
    pub(super) fn new(p: f64) -> Naive {
        Naive { p, buffers: [0.0; 2] }
    }

    /// The documentation's loops, line by line.
    pub(super) fn step(&mut self, config: &OptimizerConfig, t: i32, factor: f64, mut g: f64) {
        let [b0, b1] = &mut self.buffers;
        let lr = factor * config.learning_rate();
        let wd = config.weight_decay();
        #[allow(unreachable_patterns, reason = "optimizers may be added")]
        match *config {
            OptimizerConfig::Sgd(Sgd { momentum, nesterov, .. }) => {
                g += wd * self.p;
                if momentum != 0.0 {
                    *b0 = if t > 1 { momentum * *b0 + g } else { g };
                    g = if nesterov { g + momentum * *b0 } else { *b0 };
                }
                self.p -= lr * g;
            }
            OptimizerConfig::RmsProp(RmsProp { alpha, epsilon, momentum, .. }) => {
                g += wd * self.p;
                *b0 = alpha * *b0 + (1.0 - alpha) * g * g;
                if momentum > 0.0 {
                    *b1 = momentum * *b1 + g / (b0.sqrt() + epsilon);
                    self.p -= lr * *b1;
                } else {
                    self.p -= lr * g / (b0.sqrt() + epsilon);
                }
            }
            OptimizerConfig::Adam(Adam { beta1, beta2, epsilon, .. })
            | OptimizerConfig::AdamW(AdamW { beta1, beta2, epsilon, .. }) => {
                match config {
                    OptimizerConfig::Adam(_) => g += wd * self.p,
                    _ => self.p -= lr * wd * self.p,
                }
                *b0 = beta1 * *b0 + (1.0 - beta1) * g;
                *b1 = beta2 * *b1 + (1.0 - beta2) * g * g;
                let m_hat = *b0 / (1.0 - beta1.powi(t));
                let v_hat = *b1 / (1.0 - beta2.powi(t));
                self.p -= lr * m_hat / (v_hat.sqrt() + epsilon);
            }
            // Algorithm 2 of the paper.
            OptimizerConfig::Lion(Lion { beta1, beta2, .. }) => {
                let c = beta1 * *b0 + (1.0 - beta1) * g;
                let sign = if c > 0.0 { 1.0 } else { -1.0 };
                self.p -= lr * (sign + wd * self.p);
                *b0 = beta2 * *b0 + (1.0 - beta2) * g;
            }
            OptimizerConfig::Adagrad(Adagrad { epsilon, .. }) => {
                g += wd * self.p;
                *b0 += g * g;
                self.p -= lr * g / (b0.sqrt() + epsilon);
            }
            _ => unreachable!("`torches` holds no other"),
        }
    }
}

/// The optimizers whose formulas are in [`Naive`], with options unlike their defaults.
pub(super) fn torches(learning_rate: f64, weight_decay: f64) -> Vec<OptimizerConfig> {
    let (beta1, beta2, epsilon, alpha) = (0.8, 0.95, 1e-6, 0.9);
    let sgd = |momentum, nesterov| Sgd { learning_rate, momentum, nesterov, weight_decay }.into();
    let rms = |momentum| RmsProp { learning_rate, alpha, epsilon, momentum, weight_decay }.into();
    vec![
        sgd(0.0, false),
        sgd(0.9, false),
        sgd(0.9, true),
        rms(0.0),
        rms(0.7),
        Adam { learning_rate, beta1, beta2, epsilon, weight_decay }.into(),
        AdamW { learning_rate, beta1, beta2, epsilon, weight_decay }.into(),
        Lion { learning_rate, beta1, beta2, weight_decay }.into(),
        Adagrad { learning_rate, epsilon, weight_decay }.into(),
    ]
}
