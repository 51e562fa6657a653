//! Optimizers: one pass over memory for each parameter, in place, in a fixed order.
//!
//! The formulas are those of `torch.optim`; results do not depend on how many threads there are.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::update::{Moments, Rule, global_norm, update};
use crate::{Error, Result};

/// Which optimizer, with its options; every option has a default.
///
/// In TOML: `optimizer = { name = "sgd", momentum = 0.9 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam: Kingma & Ba, 2015.
    Adam {
        /// Decay of the first moment, in `[0, 1)`; 0.9.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, in `[0, 1)`; 0.999.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment, above 0; 1e-8.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// Adam with decoupled weight decay: Loshchilov & Hutter, 2019. Only matrices and filters decay,
    /// biases and other vectors do not.
    AdamW {
        /// Decay of the first moment, in `[0, 1)`; 0.9.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the second moment, in `[0, 1)`; 0.999.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the second moment, above 0; 1e-8.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// Decay of the weights, at least 0; 0.01.
        #[serde(default = "weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// Decay of the running sum of gradients, in `[0, 1)`; 0 is plain gradient descent.
        #[serde(default)]
        momentum: f64,
    },
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam { beta1: beta1(), beta2: beta2(), epsilon: epsilon() }
    }
}

impl OptimizerConfig {
    /// # Errors
    /// An option outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        let (decays, epsilon, weight_decay) = match *self {
            Self::Adam { beta1, beta2, epsilon } => ([beta1, beta2], epsilon, 0.0),
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                ([beta1, beta2], epsilon, weight_decay)
            }
            Self::Sgd { momentum } => ([momentum, 0.0], 1.0, 0.0),
        };
        let found = |key, found: f64, expected: &str| {
            Err(Error::Value { key, found: found.to_string(), expected: expected.into() })
        };
        if let Some(&decay) = decays.iter().find(|decay| !(0.0..1.0).contains(*decay)) {
            let key = match self {
                Self::Sgd { .. } => "training.optimizer.momentum",
                _ => "a beta of training.optimizer",
            };
            return found(key, decay, "at least 0 and less than 1");
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return found("training.optimizer.epsilon", epsilon, "a finite number above 0");
        }
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            return found(
                "training.optimizer.weight_decay",
                weight_decay,
                "a finite number, at least 0",
            );
        }
        Ok(())
    }
}

/// Holds the parameters of a model and what it remembers of their gradients.
///
/// ```
/// use candle_core::{Device, Var};
/// use fgn_train::{Optimizer, OptimizerConfig};
///
/// let x = Var::new(&[3.0f64], &Device::Cpu)?;
/// let mut optimizer = Optimizer::new(&OptimizerConfig::Sgd { momentum: 0.0 }, None, [&x])?;
/// let loss = x.sqr()?.sum_all()?;
/// optimizer.step(&loss.backward()?, 0.25)?;
/// assert_eq!(x.to_vec1::<f64>()?, [1.5]); // 3 - 0.25 * 2 * 3
/// # Ok::<(), fgn_train::Error>(())
/// ```
pub struct Optimizer {
    config: OptimizerConfig,
    clip_norm: Option<f64>,
    parameters: Vec<(Var, Moments)>,
    steps: i32,
}

impl Optimizer {
    /// Takes `parameters` to update. `clip_norm` is the largest norm that all gradients together may
    /// have; larger ones are scaled down to it.
    ///
    /// # Errors
    /// An option outside its range, and a parameter that is neither f32 nor f64.
    pub fn new<'a>(
        config: &OptimizerConfig,
        clip_norm: Option<f64>,
        parameters: impl IntoIterator<Item = &'a Var>,
    ) -> Result<Optimizer> {
        config.check()?;
        let with_moments = |var: &Var| Ok((var.clone(), Moments::zeros(config, var)?));
        let parameters = parameters.into_iter().map(with_moments).collect::<Result<_>>()?;
        Ok(Optimizer { config: *config, clip_norm, parameters, steps: 0 })
    }

    /// Makes one step with `gradients`. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// A gradient of another type than its parameter's.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<()> {
        self.steps = self.steps.saturating_add(1);
        let gradient_of =
            |(var, _): &(Var, _)| gradients.get(var).map(Tensor::contiguous).transpose();
        let gradients: Vec<Option<Tensor>> =
            self.parameters.iter().map(gradient_of).collect::<candle_core::Result<_>>()?;
        let scale = match self.clip_norm {
            Some(max) => (max / (global_norm(gradients.iter().flatten())? + NORM_EPSILON)).min(1.0),
            None => 1.0,
        };
        for ((var, moments), gradient) in self.parameters.iter_mut().zip(&gradients) {
            if let Some(gradient) = gradient {
                let decays = var.rank() >= 2;
                let rule = Rule::new(&self.config, self.steps, learning_rate, scale, decays);
                update(var, gradient, moments, rule)?;
            }
        }
        Ok(())
    }
}

/// As PyTorch has it, so that a norm of 0 divides nothing.
const NORM_EPSILON: f64 = 1e-6;

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn weight_decay() -> f64 {
    0.01
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor, Var};

    use super::*;

    /// Relative, in f64: two orders of summation of a few numbers apart.
    const TOLERANCE: f64 = 1e-13;

    /// Gives the parameter after each step with these gradients, from a matrix of one row.
    fn run(
        config: OptimizerConfig,
        clip_norm: Option<f64>,
        start: &[f64],
        gradients: &[&[f64]],
        rate: f64,
    ) -> Vec<Vec<f64>> {
        let var = Var::from_slice(start, (1, start.len()), &Device::Cpu).unwrap();
        let mut optimizer = Optimizer::new(&config, clip_norm, [&var]).unwrap();
        let mut after = Vec::new();
        for gradient in gradients {
            optimizer.step(&with_gradient(&var, gradient), rate).unwrap();
            after.push(var.flatten_all().unwrap().to_vec1::<f64>().unwrap());
        }
        after
    }

    /// A backward pass whose gradient is exactly `gradient`.
    fn with_gradient(var: &Var, gradient: &[f64]) -> GradStore {
        let factor = Tensor::from_slice(gradient, var.shape(), &Device::Cpu).unwrap();
        (var.as_tensor() * factor).unwrap().sum_all().unwrap().backward().unwrap()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }

    const GRADIENTS: [[f64; 3]; 3] = [[0.3, -2.0, 1e-3], [0.1, 4.0, 0.0], [-0.7, 0.25, 5.0]];
    const START: [f64; 3] = [1.0, -0.5, 0.25];

    fn gradients() -> Vec<&'static [f64]> {
        GRADIENTS.iter().map(|gradient| &gradient[..]).collect()
    }

    /// torch.optim.Adam's loop, one number at a time, with its unfused bias correction.
    fn adam(decay: f64, scale: f64) -> Vec<[f64; 3]> {
        let (b1, b2, rate): (f64, f64, f64) = (0.8, 0.95, 0.01);
        let (mut p, mut m, mut v) = (START, [0.0; 3], [0.0; 3]);
        let mut after = Vec::new();
        for (t, gradient) in (1..).zip(GRADIENTS) {
            for i in 0..3 {
                let g = gradient[i] * scale;
                p[i] -= rate * decay * p[i];
                m[i] = b1 * m[i] + (1.0 - b1) * g;
                v[i] = b2 * v[i] + (1.0 - b2) * g * g;
                let m_hat = m[i] / (1.0 - b1.powi(t));
                let v_hat = v[i] / (1.0 - b2.powi(t));
                p[i] -= rate * m_hat / (v_hat.sqrt() + 1e-6);
            }
            after.push(p);
        }
        after
    }

    #[test]
    fn adam_and_adamw_step_as_their_papers_say() {
        let (beta1, beta2, epsilon) = (0.8, 0.95, 1e-6);
        let plain = OptimizerConfig::Adam { beta1, beta2, epsilon };
        let decayed = OptimizerConfig::AdamW { beta1, beta2, epsilon, weight_decay: 0.1 };
        for (config, decay) in [(plain, 0.0), (decayed, 0.1)] {
            let found = run(config, None, &START, &gradients(), 0.01);
            for (found, expected) in found.iter().zip(adam(decay, 1.0)) {
                close(found, &expected);
            }
        }
    }

    /// The first step of Adam moves every parameter by the learning rate, whatever the gradient.
    #[test]
    fn the_first_step_of_adam_has_the_learning_rates_size() {
        let found = run(OptimizerConfig::default(), None, &[1.0, 1.0], &[&[1e3, -0.5]], 0.125);
        assert!(
            (found[0][0] - 0.875).abs() < 1e-8 && (found[0][1] - 1.125).abs() < 1e-8,
            "{found:?}"
        );
    }

    #[test]
    fn biases_do_not_decay() {
        let var = Var::new(&[2.0f64], &Device::Cpu).unwrap();
        let config =
            OptimizerConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.5 };
        let mut optimizer = Optimizer::new(&config, None, [&var]).unwrap();
        optimizer.step(&with_gradient(&var, &[0.0]), 0.1).unwrap();
        assert_eq!(var.to_vec1::<f64>().unwrap(), [2.0]);
        // A matrix does: by a factor of 1 - 0.1 * 0.5.
        close(&run(config, None, &[2.0], &[&[0.0]], 0.1)[0], &[1.9]);
    }

    #[test]
    fn momentum_sums_gradients_as_torch_does() {
        let found = run(
            OptimizerConfig::Sgd { momentum: 0.9 },
            None,
            &[1.0],
            &[&[1.0], &[2.0], &[-1.0]],
            0.1,
        );
        // sums: 1, 2.9, 1.61
        for (found, expected) in found.iter().zip([0.9, 0.61, 0.449]) {
            close(found, &[expected]);
        }
    }

    #[test]
    fn gradients_are_clipped_by_their_common_norm() {
        let plain = OptimizerConfig::Sgd { momentum: 0.0 };
        let (a, b) = (
            Var::new(&[0.0f64], &Device::Cpu).unwrap(),
            Var::new(&[[0.0f64]], &Device::Cpu).unwrap(),
        );
        let loss = ((a.as_tensor() * 3.0).unwrap().sum_all().unwrap()
            + (b.as_tensor() * -4.0).unwrap().sum_all().unwrap())
        .unwrap();
        let gradients = loss.backward().unwrap();
        let mut optimizer = Optimizer::new(&plain, Some(2.5), [&a, &b]).unwrap();
        optimizer.step(&gradients, 1.0).unwrap();
        let scale = 2.5 / (5.0 + NORM_EPSILON);
        close(&a.to_vec1::<f64>().unwrap(), &[-3.0 * scale]);
        close(&b.to_vec2::<f64>().unwrap()[0], &[4.0 * scale]);
        // A norm below the limit changes nothing.
        close(&run(plain, Some(2.5), &[1.0], &[&[2.0]], 0.5)[0], &[0.0]);
    }

    #[test]
    fn f32_follows_f64() {
        let config = OptimizerConfig::default();
        let wide = Var::from_slice(&START, (1, 3), &Device::Cpu).unwrap();
        let narrow = Var::from_tensor(&wide.to_dtype(candle_core::DType::F32).unwrap()).unwrap();
        let mut optimizer = Optimizer::new(&config, Some(1.0), [&wide, &narrow]).unwrap();
        let loss = (wide.sqr().unwrap().sum_all().unwrap()
            + narrow.sqr().unwrap().sum_all().unwrap().to_dtype(candle_core::DType::F64).unwrap())
        .unwrap();
        optimizer.step(&loss.backward().unwrap(), 0.1).unwrap();
        let wide = wide.to_vec2::<f64>().unwrap().concat();
        for (wide, narrow) in wide.iter().zip(narrow.to_vec2::<f32>().unwrap().concat()) {
            assert!((wide - f64::from(narrow)).abs() < 1e-6, "{wide} {narrow}");
        }
    }

    #[test]
    fn a_parameter_without_a_gradient_stays() {
        let [used, unused] = [1.0f64, 2.0].map(|x| Var::new(&[x], &Device::Cpu).unwrap());
        let mut optimizer =
            Optimizer::new(&OptimizerConfig::default(), None, [&used, &unused]).unwrap();
        optimizer.step(&with_gradient(&used, &[1.0]), 0.1).unwrap();
        assert_eq!(unused.to_vec1::<f64>().unwrap(), [2.0]);
        assert_ne!(used.to_vec1::<f64>().unwrap(), [1.0]);
    }

    #[test]
    fn options_outside_their_range_are_refused() {
        for bad in [1.0, -0.1, f64::NAN] {
            assert!(OptimizerConfig::Sgd { momentum: bad }.check().is_err(), "{bad}");
            let adam = OptimizerConfig::Adam { beta1: 0.9, beta2: bad, epsilon: 1e-8 };
            assert!(adam.check().is_err(), "{bad}");
        }
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let adam = OptimizerConfig::Adam { beta1: 0.9, beta2: 0.9, epsilon: bad };
            assert!(adam.check().is_err(), "{bad}");
        }
        assert!(OptimizerConfig::default().check().is_ok());
        let whole = Var::new(&[1u32], &Device::Cpu).unwrap();
        assert!(Optimizer::new(&OptimizerConfig::default(), None, [&whole]).is_err());
    }
}
