//! Statistics of what gates do.

use fgn_core::Role;

/// Below this value a gate counts as closed.
pub(crate) const CLOSED: f64 = 0.05;
/// Above this value a gate counts as open.
pub(crate) const OPEN: f64 = 0.95;

/// Statistics of a gate over all steps of all sequences of a run, for each of its units.
///
/// A gate counts as *closed* below 0.05 and as *open* above 0.95.
///
/// The values are those of the gate's pre-activations: what the per-unit vectors of the peephole LSTM and of SRU add is
/// not included, and a binary gate is counted by its sigmoid. [`trace`](fn@crate::trace) returns the exact gates of
/// single steps.
#[derive(Clone, Debug, PartialEq)]
pub struct GateStatistics {
    /// The gate's name in the cell's equations.
    pub name: &'static str,
    /// What the gate does in its cell.
    pub role: Role,
    /// The mean value, in `0 ..= 1`.
    pub mean: Vec<f64>,
    /// The share of steps at which the gate was closed.
    pub closed: Vec<f64>,
    /// The share of steps at which the gate was open.
    pub open: Vec<f64>,
}

impl GateStatistics {
    /// The time constant of each unit, the number of steps for which it remembers: `1 / (1 − mean)` of a forget gate,
    /// `1 / mean` of an update gate, which overwrites what it lets in.
    pub fn time_constants(&self) -> impl Iterator<Item = f64> {
        let overwrites = self.role == Role::Update;
        self.mean.iter().map(move |mean| 1.0 / if overwrites { *mean } else { 1.0 - mean })
    }
}
