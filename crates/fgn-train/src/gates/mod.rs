//! What the gates of a model do, epoch by epoch: the lines of `gates.jsonl`.

mod recorder;
mod tally;

use fgn_data::Samples;
use fgn_nn::{Given, Model};
use serde::{Deserialize, Serialize};

use crate::Result;
pub use recorder::GateRecorder;
pub(crate) use recorder::read_gates;
use tally::Tally;

/// Equal parts of `0 ..= 1` in a [`Spread`].
pub const GATE_BINS: usize = 20;

/// What the gates of a model did on some samples: a line of `gates.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRecord {
    /// After which epoch, counted from 1.
    pub epoch: usize,
    /// How many samples were looked at.
    pub samples: usize,
    /// How many time steps these were in all.
    pub steps: usize,
    /// One entry for each layer and direction: layer by layer, of each the forward direction and then the
    /// reverse one, if it has that.
    pub layers: Vec<LayerGates>,
}

/// What the gates of one layer did, in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerGates {
    /// Counted from 0, from the input upwards.
    pub layer: usize,
    /// Whether it runs from the end to the beginning.
    pub reverse: bool,
    /// The cell's gates, in the order of its equations.
    pub gates: Vec<NamedSpread>,
    /// What each unit carried over of its memory from one step to the next, the effective forget gate;
    /// none for a cell without a gate on its memory.
    pub carried: Option<Spread>,
    /// `[H]`: the effective memory of each unit in time steps, `1 / (1 − mean)` of what it carries over;
    /// `None` of a unit that never forgets.
    pub memory: Option<Vec<Option<f64>>>,
}

/// What a gate did, under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedSpread {
    /// As in the cell's equations.
    pub name: String,
    /// Over all units.
    #[serde(flatten)]
    pub spread: Spread,
}

/// How numbers of `0 ..= 1` are spread, over all steps, samples and units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// The share below 0.05.
    pub shut: f64,
    /// The share from 0.95 on.
    pub open: f64,
    /// How many lie in each of [`GATE_BINS`] equal parts of `0 ..= 1`; what lies outside counts as the
    /// nearest.
    pub histogram: Vec<u64>,
}

/// Whether the model has gates to look at.
pub(crate) fn has_gates(model: &Model) -> bool {
    let spec = model.config().recurrent.cell.spec();
    spec.has_gated_memory() || spec.blocks.iter().any(fgn_core::Block::is_gate)
}

/// Traces `model` over the first `count` of `samples`, one by one, and tells what its gates did. Of long
/// samples fewer are taken, and of one that is longer still only the beginning: of all layers together
/// some 4 million units and steps.
///
/// # Errors
/// Samples that cannot be read, or that the model cannot read.
pub(crate) fn gates_after(
    epoch: usize,
    model: &Model,
    samples: &dyn Samples,
    count: usize,
) -> Result<GateRecord> {
    let mut tally = Tally::default();
    let width = units(model);
    let mut left = (MOST_UNIT_STEPS / width).max(1);
    for place in 0..count.min(samples.len()) as u32 {
        if left == 0 {
            break;
        }
        let batch = samples.batch(&[place], model.device())?;
        let given = Given { lengths: batch.lengths.as_deref(), state: None };
        let (_, traces) = model.trace(&batch.input, &given, Some(left))?;
        left -= tally.add(&traces).min(left);
    }
    Ok(tally.record(epoch))
}

/// What one look at the gates may cost: a second or two.
const MOST_UNIT_STEPS: usize = 1 << 22;

/// The units of all layers and directions.
fn units(model: &Model) -> usize {
    let recurrent = &model.config().recurrent;
    recurrent.layers * (1 + usize::from(recurrent.bidirectional)) * recurrent.hidden_size
}
