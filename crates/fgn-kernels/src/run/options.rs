use candle_core::Tensor;
use fgn_core::Norm;

use crate::run::precision::Precision;

/// What a [`sequence`](crate::sequence) does beside the cell's equations: nothing by default. All options combine,
/// and cost little: the layer stays one pass over time.
///
/// ```
/// use fgn_kernels::{Emit, SequenceOptions};
///
/// let options = SequenceOptions::default().with_emit(Emit::Last).with_lengths(vec![3, 5]);
/// assert_eq!(options.lengths, Some(vec![3, 5]));
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct SequenceOptions {
    /// Which outputs are returned.
    pub emit: Emit,
    /// Runs each sequence from its end to its beginning. An output stays at the position of its input.
    pub reverse: bool,
    /// The length of each sequence, in `1 ..= T`; `T` by default. Outputs past the length are zero, and inputs there
    /// are not read. The final states are those at the sequence's own end, which is where a
    /// [`reverse`](Self::reverse) run begins.
    pub lengths: Option<Vec<usize>>,
    /// `[T, B]` in `u8`: where it is not 0, the states before the step are zero, and no gradient passes. A new
    /// sequence begins there: an episode, or a document in a packed batch.
    pub resets: Option<Tensor>,
    /// `P < H`: the hidden state, which is the output and feeds the next step, is `weight_hr [P, H]` times the
    /// cell's. For cells whose output is their hidden state.
    pub projection: Option<usize>,
    /// Layer normalisation of the pre-activations and of the memory.
    pub norm: Norm,
    /// For each of the cell's states, in their order, the probability with which a unit keeps the value of the
    /// previous step (Krueger et al. 2017); 0 for the states that are not listed. Without a [`seed`](Self::seed), a
    /// state is the mean over both outcomes.
    pub zoneout: Vec<f64>,
    /// Dropout of the hidden state that the recurrent weights read.
    pub hidden_dropout: HiddenDropout,
    /// Limits each state after a step to `−clip ..= clip`. No gradient passes a state that was limited.
    pub clip: Option<f64>,
    /// The seed of the masks of [`zoneout`](Self::zoneout) and [`hidden_dropout`](Self::hidden_dropout), for
    /// training. The masks depend on it alone, not on the number of threads. Without a seed nothing is dropped.
    pub seed: Option<u64>,
    /// Whether to collect [`GateStatistics`](crate::GateStatistics).
    pub telemetry: bool,
    /// What operands of products are rounded to: with [`Precision::Bf16`] weights, inputs, hidden states and derivatives
    /// of pre-activations are. Sums, states, equations and all gradients stay `f32`. See
    /// [`sequence`](crate::sequence#mixed-precision).
    pub precision: Precision,
}

impl SequenceOptions {
    /// Sets [`emit`](Self::emit).
    #[must_use]
    pub fn with_emit(self, emit: Emit) -> Self {
        Self { emit, ..self }
    }

    /// Sets [`reverse`](Self::reverse).
    #[must_use]
    pub fn with_reverse(self, reverse: bool) -> Self {
        Self { reverse, ..self }
    }

    /// Sets [`lengths`](Self::lengths).
    #[must_use]
    pub fn with_lengths(self, lengths: impl Into<Option<Vec<usize>>>) -> Self {
        Self { lengths: lengths.into(), ..self }
    }

    /// Sets [`resets`](Self::resets).
    #[must_use]
    pub fn with_resets(self, resets: impl Into<Option<Tensor>>) -> Self {
        Self { resets: resets.into(), ..self }
    }

    /// Sets [`projection`](Self::projection).
    #[must_use]
    pub fn with_projection(self, projection: impl Into<Option<usize>>) -> Self {
        Self { projection: projection.into(), ..self }
    }

    /// Sets [`norm`](Self::norm).
    #[must_use]
    pub fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    /// Sets [`zoneout`](Self::zoneout).
    #[must_use]
    pub fn with_zoneout(self, zoneout: Vec<f64>) -> Self {
        Self { zoneout, ..self }
    }

    /// Sets [`hidden_dropout`](Self::hidden_dropout).
    #[must_use]
    pub fn with_hidden_dropout(self, hidden_dropout: HiddenDropout) -> Self {
        Self { hidden_dropout, ..self }
    }

    /// Sets [`clip`](Self::clip).
    #[must_use]
    pub fn with_clip(self, clip: impl Into<Option<f64>>) -> Self {
        Self { clip: clip.into(), ..self }
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn with_seed(self, seed: impl Into<Option<u64>>) -> Self {
        Self { seed: seed.into(), ..self }
    }

    /// Sets [`telemetry`](Self::telemetry).
    #[must_use]
    pub fn with_telemetry(self, telemetry: bool) -> Self {
        Self { telemetry, ..self }
    }

    /// Sets [`precision`](Self::precision).
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }
}

/// Which outputs a [`sequence`](crate::sequence) returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Those of every step: `[T, B, H]`.
    #[default]
    All,
    /// That of each sequence's last step: `[B, H]`. Saves the memory of all others, and their time in the backward
    /// pass.
    Last,
    /// Those of every step, followed by the states after the step: `[T, B, 1 + S, H]`.
    States,
}

/// Dropout of the hidden state: a unit is set to zero with probability `rate`, in `[0, 1)`, and divided by `1 − rate`
/// otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HiddenDropout {
    /// The probability.
    pub rate: f64,
    /// Draws a mask for each step, instead of one for all steps of a sequence (Gal & Ghahramani 2016).
    pub per_step: bool,
}
