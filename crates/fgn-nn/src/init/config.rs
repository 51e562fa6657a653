//! The configuration of how the parameters of a recurrent layer are drawn.

use std::f64::consts::PI;

use fgn_core::Spec;
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::error::Result;
use crate::layer_direction::LayerDirection;

/// How the parameters of a recurrent layer are drawn. Biases that [`ForgetBias`] does not name are
/// zero, and so is all of `bias_hh`, which adds to the same gates.
///
/// ```
/// let init: fgn_nn::InitConfig = serde_json::from_str(r#"{
///     "forget_bias": { "chrono": { "t_max": 500 } },
///     "rules": [
///         { "gate": "o", "bias": { "constant": -1.0 } },
///         { "layer": 1, "reverse": true, "recurrent": "same" }
///     ]
/// }"#)?;
/// assert_eq!(init.rules[1].layer, Some(1));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct InitConfig {
    /// The weights on the input, block by block, and those of a projection.
    pub weights: WeightInit,
    /// The weights on the hidden state, block by block.
    pub recurrent: RecurrentInit,
    /// The bias of the gates that decide what is remembered.
    pub forget_bias: ForgetBias,
    /// Where the eigenvalues of a linear recurrent unit lie. Only for cells that have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
    /// Exceptions by gate, layer and direction; where several apply, the last one wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<InitRule>,
}

/// A part of a ring in the complex plane from which the eigenvalues of a linear recurrent unit are drawn, evenly over its
/// area (Orvieto et al. 2023): a unit with `|λ| = r` remembers about `1 / (1 − r)` steps, and one of phase θ turns once
/// in `2π / θ` steps.
///
/// ```
/// let init: fgn_nn::InitConfig = serde_json::from_str(r#"{ "ring": { "r_max": 0.9999 } }"#)?;
/// assert_eq!(init.ring.unwrap().r_min, 0.9);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct Ring {
    /// The inner radius, in `[0, r_max)`; 0.9 if left out.
    pub r_min: f64,
    /// The outer radius, in `(r_min, 1)`; 0.999 if left out.
    pub r_max: f64,
    /// The largest phase, in `(0, π]`; π/10 if left out.
    pub max_phase: f64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { r_min: 0.9, r_max: 0.999, max_phase: PI / 10.0 }
    }
}

/// An exception to an [`InitConfig`]. `gate`, `layer` and `reverse` say which gates it is for (all of those
/// that are given must match); `weights`, `recurrent` and `bias` say how these are drawn.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct InitRule {
    /// Only for the gate of that name in the cell's equations: `"f"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Only for that layer, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// Only for that direction: `true` for the reverse one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse: Option<bool>,
    /// The weights on the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightInit>,
    /// The weights on the hidden state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent: Option<RecurrentInit>,
    /// With a [`gate`](Self::gate), its bias, whatever the gate does; without one, in place of
    /// [`InitConfig::forget_bias`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<ForgetBias>,
}

/// How a block of weights is drawn.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum WeightInit {
    /// `U[-b, b]` with `b = √(6 / (columns + rows))` (Glorot & Bengio 2010).
    #[default]
    XavierUniform,
    /// `U[-1/√H, 1/√H]`, what PyTorch does.
    PytorchUniform,
    /// A normal distribution with mean 0, truncated at twice its standard deviation.
    TruncatedNormal {
        /// The standard deviation before the truncation; 0.01 if left out.
        #[serde(default = "default_std")]
        std: f64,
    },
}

/// How the `H×H` blocks of the recurrent weights are drawn.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecurrentInit {
    /// A random orthogonal matrix, which preserves a state's norm (Saxe, McClelland & Ganguli 2014).
    #[default]
    Orthogonal,
    /// As the weights on the input.
    Same,
}

/// The initial bias of the gates that decide what is remembered. [`Forget`](fgn_core::Role::Forget) is the
/// gate on the cell state, [`Forgetting`](fgn_core::Role::Forgetting) the forgetting gate network's gate on
/// the output.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ForgetBias {
    /// The same number for every `Forget` and `Forgetting` gate; 1.0 is the default (Jozefowicz,
    /// Zaremba & Sutskever 2015).
    Constant(f64),
    /// `b_f ~ ln U[1, t_max − 1]`, and `−b_f` for the input gate: memories of up to about `t_max`
    /// steps (Tallec & Ollivier 2018). `Forgetting` gates have 1.0.
    Chrono {
        /// The longest time to remember, in steps. At least 2.
        t_max: usize,
    },
    /// `b_f = −ln(1/u − 1)`, `u ~ U[1/H, 1 − 1/H]`: gates spread evenly over (0, 1) (Gu et al.
    /// 2020). `Forgetting` gates have 1.0. Needs 2 units.
    UniformGate,
}

impl Default for ForgetBias {
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

/// How one gate of one layer and direction is drawn.
#[derive(Clone, Copy)]
pub(super) struct Resolved {
    pub(super) weights: WeightInit,
    pub(super) recurrent: RecurrentInit,
    /// For the layer's gates, by their roles.
    pub(super) forget_bias: ForgetBias,
    /// For this gate, whatever its role.
    pub(super) bias: Option<ForgetBias>,
}

impl InitConfig {
    /// How a gate is drawn, or, with an empty name, a tensor that belongs to no gate.
    pub(super) fn resolve(&self, at: LayerDirection, gate: &str) -> Resolved {
        let Self { weights, recurrent, forget_bias, .. } = *self;
        let mut resolved = Resolved { weights, recurrent, forget_bias, bias: None };
        for rule in &self.rules {
            if rule.gate.as_ref().is_some_and(|of| of != gate)
                || rule.layer.is_some_and(|of| of != at.layer)
                || rule.reverse.is_some_and(|of| of != at.reverse)
            {
                continue;
            }
            resolved.weights = rule.weights.unwrap_or(resolved.weights);
            resolved.recurrent = rule.recurrent.unwrap_or(resolved.recurrent);
            match rule.gate {
                Some(_) => resolved.bias = rule.bias.or(resolved.bias),
                None => resolved.forget_bias = rule.bias.unwrap_or(resolved.forget_bias),
            }
        }
        resolved
    }

    pub(crate) fn validate(
        &self,
        spec: &Spec,
        hidden: usize,
        directions: &[LayerDirection],
    ) -> Result<()> {
        let field = "recurrent.init.weights.truncated-normal.std";
        self.weights.validate(field)?;
        let constant = "recurrent.init.forget_bias.constant";
        let t_max = "recurrent.init.forget_bias.chrono.t_max";
        self.forget_bias.validate([constant, t_max], hidden)?;
        if let Some(ring) = &self.ring {
            let has = spec.vectors.contains(&"nu");
            let expected = "nothing: the cell has no eigenvalues (lru has)";
            check(has, "recurrent.init.ring", "given", expected)?;
            ring.validate()?;
        }
        for rule in &self.rules {
            if let Some(gate) = &rule.gate {
                let names: Vec<_> = spec.blocks.iter().map(|block| block.name).collect();
                let expected = format!("a gate of the cell: {}", names.join(", "));
                check(names.contains(&gate.as_str()), "recurrent.init.rules.gate", gate, expected)?;
            }
            if let Some(layer) = rule.layer {
                let holds = directions.iter().any(|at| at.layer == layer);
                let expected = "one of the layers, counted from 0";
                check(holds, "recurrent.init.rules.layer", layer, expected)?;
            }
            if let Some(reverse) = rule.reverse {
                let holds = directions.iter().any(|at| at.reverse == reverse);
                let expected = "false: the layer has one direction";
                check(holds, "recurrent.init.rules.reverse", reverse, expected)?;
            }
            if let Some(weights) = rule.weights {
                weights.validate("recurrent.init.rules.weights.truncated-normal.std")?;
            }
            if let Some(bias) = rule.bias {
                let constant = "recurrent.init.rules.bias.constant";
                let t_max = "recurrent.init.rules.bias.chrono.t_max";
                bias.validate([constant, t_max], hidden)?;
            }
        }
        Ok(())
    }
}

impl Ring {
    fn validate(&self) -> Result<()> {
        let Self { r_min, r_max, max_phase } = *self;
        let inner = format!("at least 0 and below r_max, {r_max}");
        check((0.0..r_max).contains(&r_min), "recurrent.init.ring.r_min", r_min, inner)?;
        check(r_max < 1.0, "recurrent.init.ring.r_max", r_max, "below 1")?;
        let turns = max_phase > 0.0 && max_phase <= PI;
        check(turns, "recurrent.init.ring.max_phase", max_phase, "over 0, and at most π")
    }
}

impl WeightInit {
    fn validate(self, field: &'static str) -> Result<()> {
        match self {
            Self::TruncatedNormal { std } => {
                check(std > 0.0 && std.is_finite(), field, std, "a number over 0")
            }
            _ => Ok(()),
        }
    }
}

impl ForgetBias {
    /// Takes the names of the fields of the constant and of `t_max`.
    fn validate(self, [constant, longest]: [&'static str; 2], hidden: usize) -> Result<()> {
        match self {
            Self::Constant(value) => check(value.is_finite(), constant, value, "a finite number"),
            Self::Chrono { t_max } => check(t_max >= 2, longest, t_max, "2 steps or more"),
            Self::UniformGate => {
                let expected = "2 or more for a uniform-gate forget bias";
                check(hidden >= 2, "recurrent.hidden_size", hidden, expected)
            }
        }
    }
}

fn default_std() -> f64 {
    0.01
}
