//! What is recorded of the gates of a model: a line of `gates.jsonl`.

use serde::{Deserialize, Serialize};

/// Equal parts of `0 ..= 1` in a [`Spread`].
pub const GATE_BINS: usize = 20;

/// The gates of a model on some samples: a line of `gates.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateRecord {
    /// After which epoch, counted from 1.
    pub epoch: usize,
    /// The part that the samples are of: `validation` or `training`; empty in a line of an earlier version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// How many samples were looked at.
    pub samples: usize,
    /// How many time steps these were in all.
    pub steps: usize,
    /// One entry for each layer and direction: layer by layer, of each the forward direction and then the
    /// reverse one, if it has that.
    pub layers: Vec<LayerGates>,
}

/// The gates of one layer in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LayerGates {
    /// Counted from 0, from the input upwards.
    pub layer: usize,
    /// Whether it runs from the end to the beginning.
    pub reverse: bool,
    /// The cell's gates, in the order of its equations.
    pub gates: Vec<NamedSpread>,
    /// The effective forget gate: how much each unit retained of its memory from one step to the next; none for
    /// a cell without a gate on its memory.
    #[serde(alias = "carried")]
    pub retained: Option<Spread>,
    /// `[H]`: the effective memory of each unit in time steps, `1 / (1 − mean)` of what it retains;
    /// `None` of a unit that never forgets.
    pub memory: Option<Vec<Option<f64>>>,
}

/// The values of a gate, under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NamedSpread {
    /// As in the cell's equations.
    pub name: String,
    /// Over all units.
    #[serde(flatten)]
    pub spread: Spread,
}

/// The distribution of values in `0 ..= 1`, over all steps, samples and units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// The share below 0.05: closed.
    #[serde(alias = "shut")]
    pub closed: f64,
    /// The share from 0.95 on: open.
    pub open: f64,
    /// How many lie in each of [`GATE_BINS`] equal parts of `0 ..= 1`; what lies outside counts as the
    /// nearest.
    pub histogram: Vec<u64>,
}
