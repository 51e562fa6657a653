//! The configuration of a recurrent layer: plain data, read from and written to any serde format.

use fgn_core::{AnyCell, Form, Norm};
use fgn_kernels::Options;
use serde::{Deserialize, Serialize};

use super::Place;
use crate::config::{check, dropout, size};
use crate::{InitConfig, Result};

/// A recurrent layer, or several on top of each other: their cell, sizes, and all that they do beside
/// the cell's equations. Every field but the first two may be left out.
///
/// ```
/// use fgn_core::AnyCell;
/// use fgn_nn::RecurrentConfig;
///
/// let config = RecurrentConfig {
///     layers: 2,
///     bidirectional: true,
///     ..RecurrentConfig::new(AnyCell::LSTM, 128)
/// };
/// let text = r#"{ "hidden_size": 128, "cell": { "name": "lstm" }, "layers": 2, "bidirectional": true }"#;
/// assert_eq!(config, serde_json::from_str(text)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// `H`: how many units each layer has.
    pub hidden_size: usize,
    /// The cell, with its options.
    pub cell: AnyCell,
    /// How many layers there are, each over the outputs of the one before.
    #[serde(default = "one")]
    pub layers: usize,
    /// Runs each layer from the end to the beginning too, with parameters of its own, and puts out both
    /// side by side.
    #[serde(default)]
    pub bidirectional: bool,
    /// Whether inputs and outputs are `[B, T, …]` instead of `[T, B, …]`.
    #[serde(default)]
    pub batch_first: bool,
    /// Whether gates have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// `P < H`: the hidden state is a learned linear map of the cell's, of this size (Sak, Senior &
    /// Beaufays 2014). For cells whose output is their hidden state, with a memory apart from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<usize>,
    /// Each layer from the second on adds its inputs to its outputs (Wu et al. 2016).
    #[serde(default)]
    pub residual: bool,
    /// Layer normalisation inside the cell, of the pre-activations and of the memory (Ba, Kiros & Hinton
    /// 2016).
    #[serde(default)]
    pub norm: Norm,
    /// Dropout of what the first layer sees.
    #[serde(default)]
    pub input_dropout: SequenceDropout,
    /// Dropout of what each layer from the second on sees.
    #[serde(default)]
    pub dropout: SequenceDropout,
    /// Dropout of the hidden state, as the recurrent weights see it.
    #[serde(default)]
    pub hidden_dropout: SequenceDropout,
    /// The probability with which each recurrent weight is zero, for all steps of a run (DropConnect:
    /// Merity, Keskar & Socher 2018).
    #[serde(default)]
    pub weight_drop: f64,
    /// For each of the cell's states, in their order, the probability with which a unit keeps it from
    /// the step before; for the rest 0 (Krueger et al. 2017). In use, states are the mean of both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zoneout: Vec<f64>,
    /// Limits each state that a step hands on to `−clip ..= clip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// How the parameters are drawn.
    #[serde(default)]
    pub init: InitConfig,
}

/// Dropout over a sequence: in training, a number is zero with a probability of `rate`, and the others
/// are divided by `1 − rate`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceDropout {
    /// The probability, at least 0 and below 1.
    pub rate: f64,
    /// A new mask for each step, instead of one for all steps of a sequence (variational: Gal &
    /// Ghahramani 2016).
    pub each_step: bool,
}

impl RecurrentConfig {
    /// One layer of `hidden_size` units in one direction, and nothing beside.
    pub fn new(cell: AnyCell, hidden_size: usize) -> Self {
        Self {
            hidden_size,
            cell,
            layers: 1,
            bidirectional: false,
            batch_first: false,
            bias: true,
            projection: None,
            residual: false,
            norm: Norm::default(),
            input_dropout: SequenceDropout::default(),
            dropout: SequenceDropout::default(),
            hidden_dropout: SequenceDropout::default(),
            weight_drop: 0.0,
            zoneout: Vec::new(),
            clip: None,
            init: InitConfig::default(),
        }
    }

    /// How many numbers a step of the whole layer puts out: `H`, or `P` with a projection, for each
    /// direction.
    pub fn output_size(&self) -> usize {
        self.visible() * self.directions()
    }

    pub(super) fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// `P` or `H`.
    pub(super) fn visible(&self) -> usize {
        self.projection.unwrap_or(self.hidden_size)
    }

    /// Layers and directions, in the order of everything that has one for each.
    pub(crate) fn places(&self) -> Vec<Place> {
        let ways = if self.bidirectional { &[false, true][..] } else { &[false] };
        let layers = 0..self.layers;
        let of_layer = |layer| ways.iter().map(move |&reverse| Place { layer, reverse });
        layers.flat_map(of_layer).collect()
    }

    /// The form of the parameters of a layer of the stack over `input_size` features.
    pub(crate) fn form(&self, place: Place, input_size: usize) -> Form {
        let input = if place.layer == 0 { input_size } else { self.output_size() };
        let (projection, norm) = (self.projection, self.norm);
        Form { projection, norm, ..Form::new(input, self.hidden_size) }
    }

    /// What the kernels do beside the cell's equations, in any run.
    pub(super) fn options(&self) -> Options {
        let SequenceDropout { rate, each_step } = self.hidden_dropout;
        Options {
            projection: self.projection,
            norm: self.norm,
            zoneout: self.zoneout.clone(),
            hidden_dropout: fgn_kernels::Dropout { rate, each_step },
            clip: self.clip,
            ..Options::default()
        }
    }

    /// Whether a run in training draws random numbers.
    pub(super) fn draws(&self) -> bool {
        let rates = [self.input_dropout.rate, self.dropout.rate, self.hidden_dropout.rate];
        rates.iter().chain([&self.weight_drop]).chain(&self.zoneout).any(|&rate| rate > 0.0)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        size("recurrent.hidden_size", self.hidden_size, 1)?;
        size("recurrent.layers", self.layers, 1)?;
        dropout("recurrent.input_dropout.rate", self.input_dropout.rate)?;
        dropout("recurrent.dropout.rate", self.dropout.rate)?;
        dropout("recurrent.hidden_dropout.rate", self.hidden_dropout.rate)?;
        dropout("recurrent.weight_drop", self.weight_drop)?;
        let spec = self.cell.spec();
        let stacked = self.layers > 1;
        let above = "0 in a single layer: nothing lies between layers";
        check(
            stacked || self.dropout.rate == 0.0,
            "recurrent.dropout.rate",
            self.dropout.rate,
            above,
        )?;
        let expected = "false in a single layer: the first one adds nothing to its outputs";
        check(stacked || !self.residual, "recurrent.residual", self.residual, expected)?;
        for (field, rate) in [
            ("recurrent.hidden_dropout.rate", self.hidden_dropout.rate),
            ("recurrent.weight_drop", self.weight_drop),
        ] {
            let expected = format!("0: no gate of {} sees the hidden state", self.cell);
            check(rate == 0.0 || spec.is_recurrent(), field, rate, expected)?;
        }
        self.options().check(self.cell, self.hidden_size)?;
        self.init.validate(spec, self.hidden_size, &self.places())
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}
