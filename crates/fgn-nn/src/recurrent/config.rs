//! The configuration of a recurrent layer: plain data for any serde format.

use fgn_core::{AnyCell, LayerShape, Norm};
use fgn_kernels::{HiddenDropout, SequenceOptions};
use serde::{Deserialize, Serialize};

use super::block::config::BlockConfig;
use super::sequence_dropout::SequenceDropout;
use super::state::StateNames;
use crate::check::{check, probability, range, size};
use crate::error::Result;
use crate::init::InitConfig;
use crate::layer_direction::LayerDirection;

/// A stack of one or more recurrent layers: the cell, sizes, and all options beside the cell's equations.
/// Every field but the first two may be left out.
///
/// ```
/// use fgn_core::AnyCell;
/// use fgn_nn::RecurrentConfig;
///
/// let config = RecurrentConfig::new(AnyCell::LSTM, 128).with_layers(2).with_bidirectional(true);
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
    /// The number of layers, each over the outputs of the one below.
    #[serde(default = "one")]
    pub layers: usize,
    /// Runs each layer also from the end of the sequence to its beginning, with parameters of its own, and
    /// concatenates the outputs of both directions.
    #[serde(default)]
    pub bidirectional: bool,
    /// Whether input and output tensors are `[B, T, …]` instead of `[T, B, …]`. The
    /// [`Sequences`](crate::Sequences) of an input layer have steps first in any case; a model, which is made of
    /// them, takes only `false`.
    #[serde(default)]
    pub batch_first: bool,
    /// Whether gates have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// `P < H`: projects the hidden state to this size by a trained linear map (Sak, Senior & Beaufays
    /// 2014). For cells whose output is their hidden state and that have a cell state beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<usize>,
    /// Each layer from the second on adds its inputs to its outputs (Wu et al. 2016).
    #[serde(default)]
    pub residual: bool,
    /// A residual block around each layer, for deep stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockConfig>,
    /// Layer normalisation inside the cell, of the pre-activations and of the cell state (Ba, Kiros &
    /// Hinton 2016).
    #[serde(default)]
    pub norm: Norm,
    /// Dropout of the inputs of the first layer.
    #[serde(default)]
    pub input_dropout: SequenceDropout,
    /// Dropout of the inputs of each layer from the second on.
    #[serde(default)]
    pub dropout: SequenceDropout,
    /// Dropout of the hidden state before the recurrent weights.
    #[serde(default)]
    pub hidden_dropout: SequenceDropout,
    /// The probability with which each recurrent weight is zero, for all steps of a pass (DropConnect:
    /// Merity, Keskar & Socher 2018).
    #[serde(default)]
    pub weight_drop: f64,
    /// For each of the cell's states, in their order, the probability with which a unit keeps its previous
    /// value (Krueger et al. 2017); 0 for states past the end of the list. In inference, states are the
    /// expected value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zoneout: Vec<f64>,
    /// Clips each state after every step to `−clip ..= clip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// How the parameters are drawn.
    #[serde(default)]
    pub init: InitConfig,
}

impl RecurrentConfig {
    /// One layer of `hidden_size` units in one direction, without any option.
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
            block: None,
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

    /// With that number of layers.
    pub fn with_layers(self, layers: usize) -> Self {
        Self { layers, ..self }
    }

    /// With or without the reverse direction.
    pub fn with_bidirectional(self, bidirectional: bool) -> Self {
        Self { bidirectional, ..self }
    }

    /// With the batch first, `[B, T, …]`, or not.
    pub fn with_batch_first(self, batch_first: bool) -> Self {
        Self { batch_first, ..self }
    }

    /// With or without biases.
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// With a projection of the hidden state to this size.
    pub fn with_projection(self, projection: impl Into<Option<usize>>) -> Self {
        Self { projection: projection.into(), ..self }
    }

    /// With or without residual sums around the layers from the second on.
    pub fn with_residual(self, residual: bool) -> Self {
        Self { residual, ..self }
    }

    /// With a residual block around each layer.
    pub fn with_block(self, block: impl Into<Option<BlockConfig>>) -> Self {
        Self { block: block.into(), ..self }
    }

    /// With that normalisation inside the cell.
    pub fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    /// With that dropout of the inputs of the first layer.
    pub fn with_input_dropout(self, input_dropout: SequenceDropout) -> Self {
        Self { input_dropout, ..self }
    }

    /// With that dropout between the layers.
    pub fn with_dropout(self, dropout: SequenceDropout) -> Self {
        Self { dropout, ..self }
    }

    /// With that dropout of the hidden state.
    pub fn with_hidden_dropout(self, hidden_dropout: SequenceDropout) -> Self {
        Self { hidden_dropout, ..self }
    }

    /// With recurrent weights dropped with that probability.
    pub fn with_weight_drop(self, weight_drop: f64) -> Self {
        Self { weight_drop, ..self }
    }

    /// With a probability of zoneout for each of the cell's states.
    pub fn with_zoneout(self, zoneout: Vec<f64>) -> Self {
        Self { zoneout, ..self }
    }

    /// With states clipped to `−clip ..= clip`.
    pub fn with_clip(self, clip: impl Into<Option<f64>>) -> Self {
        Self { clip: clip.into(), ..self }
    }

    /// With parameters drawn in that way.
    pub fn with_init(self, init: InitConfig) -> Self {
        Self { init, ..self }
    }

    /// The number of outputs per step: `H`, or `P` with a projection, for each direction. With a [block](Self::block), this
    /// is also the width of the residual stream.
    pub fn output_size(&self) -> usize {
        self.hidden_output_size() * self.directions()
    }

    pub(super) fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// `P` or `H`: the number of outputs of one direction.
    pub(super) fn hidden_output_size(&self) -> usize {
        self.projection.unwrap_or(self.hidden_size)
    }

    /// Layers and directions, in the order of everything that has one for each.
    pub(crate) fn layer_directions(&self) -> Vec<LayerDirection> {
        let reverse = if self.bidirectional { &[false, true][..] } else { &[false] };
        let layers = 0..self.layers;
        let of_layer =
            |layer| reverse.iter().map(move |&reverse| LayerDirection { layer, reverse });
        layers.flat_map(of_layer).collect()
    }

    /// The sizes of a layer of a stack over `input_size` features.
    pub(crate) fn layer_shape(&self, at: LayerDirection, input_size: usize) -> LayerShape {
        let is_first = at.layer == 0 && self.block.is_none();
        let input = if is_first { input_size } else { self.output_size() };
        let (projection, norm) = (self.projection, self.norm);
        LayerShape { projection, norm, ..LayerShape::new(input, self.hidden_size) }
    }

    /// What the rows of a state are.
    pub(super) fn state_names(&self) -> StateNames {
        StateNames { names: self.cell.spec().states, width: self.hidden_output_size() }
    }

    /// Names of parameters that a stack of one more layer, direction, projection or block would have, and this one has not.
    pub(super) fn further_parameters(&self) -> Vec<String> {
        let mut names = vec![format!("weight_ih_l{}", self.layers)];
        let further = [
            (!self.bidirectional, "weight_ih_l0_reverse"),
            (!self.bias, "bias_ih_l0"),
            (self.projection.is_none(), "weight_hr_l0"),
            (self.block.is_none(), "blocks.0.out.weight"),
        ];
        names.extend(
            further.into_iter().filter(|(is_further, _)| *is_further).map(|(_, name)| name.into()),
        );
        names
    }

    /// The kernels' options, in any pass.
    pub(super) fn kernel_options(&self) -> SequenceOptions {
        let SequenceDropout { rate, per_step } = self.hidden_dropout;
        SequenceOptions::default()
            .with_projection(self.projection)
            .with_norm(self.norm)
            .with_zoneout(self.zoneout.clone())
            .with_hidden_dropout(HiddenDropout { rate, per_step })
            .with_clip(self.clip)
    }

    /// How many rows of `H` numbers the state of a sequence has in each layer: the cell's states, and the inputs that a
    /// block's convolution keeps.
    pub(super) fn state_rows(&self) -> usize {
        self.cell.spec().states.len() + self.block.map_or(0, |block| block.window())
    }

    /// Whether a pass in training needs random numbers.
    pub(super) fn is_random(&self) -> bool {
        let of_block = self.block.map_or(0.0, |block| block.dropout.rate);
        let rates = [self.input_dropout.rate, self.dropout.rate, self.hidden_dropout.rate];
        rates
            .iter()
            .chain([&self.weight_drop, &of_block])
            .chain(&self.zoneout)
            .any(|&rate| rate > 0.0)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        size("recurrent.hidden_size", self.hidden_size, 1)?;
        range("recurrent.layers", self.layers, 1..=1 << 14)?;
        probability("recurrent.input_dropout.rate", self.input_dropout.rate)?;
        probability("recurrent.dropout.rate", self.dropout.rate)?;
        probability("recurrent.hidden_dropout.rate", self.hidden_dropout.rate)?;
        probability("recurrent.weight_drop", self.weight_drop)?;
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
        self.validate_block()?;
        for (field, rate) in [
            ("recurrent.hidden_dropout.rate", self.hidden_dropout.rate),
            ("recurrent.weight_drop", self.weight_drop),
        ] {
            let expected = format!("0: no gate of {} uses the hidden state", self.cell);
            check(rate == 0.0 || spec.is_recurrent(), field, rate, expected)?;
        }
        self.kernel_options().check(self.cell, self.hidden_size)?;
        self.init.validate(spec, self.hidden_size, &self.layer_directions())
    }

    fn validate_block(&self) -> Result<()> {
        let Some(block) = self.block else { return Ok(()) };
        let projection = self.projection.map_or("none".to_owned(), |size| size.to_string());
        let expected = "none beside recurrent.block, which has a linear map after each layer";
        check(self.projection.is_none(), "recurrent.projection", projection, expected)?;
        let expected = "false beside recurrent.block, which adds each layer to a residual stream";
        check(!self.residual, "recurrent.residual", self.residual, expected)?;
        let expected = "0 beside recurrent.block: recurrent.block.dropout is that of deep stacks";
        let rate = self.dropout.rate;
        check(rate == 0.0, "recurrent.dropout.rate", rate, expected)?;
        block.validate(self.output_size(), self.bidirectional)
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}
