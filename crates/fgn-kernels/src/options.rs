use candle_core::{Result, Tensor};
use fgn_core::{AnyCell, Norm};

use crate::checked;

/// What a [`sequence`](crate::sequence) does beside the cell's equations: nothing by default. All
/// options combine, and cost little: none leaves the one pass over time.
///
/// ```
/// use fgn_kernels::{Emit, Options};
///
/// let options = Options { emit: Emit::Last, lengths: Some(vec![3, 5]), ..Options::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which outputs are given.
    pub emit: Emit,
    /// Runs each sequence from its end to its beginning. Outputs stand where their inputs stood.
    pub reverse: bool,
    /// The length of each sequence, in `1 ..= T`; `T` if not given. Outputs beyond it are zero, inputs
    /// there are not read. The final states are those at the sequence's own end, which is where
    /// [`reverse`](Self::reverse) begins.
    pub lengths: Option<Vec<usize>>,
    /// `[T, B]` in `u8`: where it is not 0, the states before the step read as zero, and no gradient
    /// passes. A sequence begins anew there: an episode, a packed document.
    pub resets: Option<Tensor>,
    /// `P < H`: the hidden state, which is put out and fed back, is `weight_hr [P, H]` times the
    /// cell's, of this size. For cells whose output is their hidden state.
    pub projection: Option<usize>,
    /// Layer normalisation, of the pre-activations and of the memory.
    pub norm: Norm,
    /// For each of the cell's states, in their order, the probability with which a unit keeps it from
    /// the step before (Krueger et al. 2017); for the rest 0. Without a [`seed`](Self::seed), states
    /// are the mean of both.
    pub zoneout: Vec<f64>,
    /// Dropout of the hidden state, as the recurrent weights see it.
    pub hidden_dropout: Dropout,
    /// Limits each state that a step hands on to `−clip ..= clip`; no gradient passes where it does.
    pub clip: Option<f64>,
    /// What [`zoneout`](Self::zoneout) and [`hidden_dropout`](Self::hidden_dropout) draw their masks
    /// from, in training: the same masks for the same seed, whatever the number of threads. Without
    /// one nothing is dropped.
    pub seed: Option<u64>,
    /// Whether to count what the gates do, see [`Gate`](crate::Gate).
    pub telemetry: bool,
}

impl Options {
    /// Whether a layer of `hidden` units of that cell can have these options, before any input is there:
    /// what [`sequence`](crate::sequence) checks too.
    ///
    /// # Errors
    /// If an option is out of its range or not possible for the cell.
    pub fn check(&self, cell: AnyCell, hidden: usize) -> Result<()> {
        checked::form(cell, 1, hidden, self)?;
        checked::rules(cell, self)?;
        Ok(())
    }
}

/// Which outputs of a [`sequence`](crate::sequence) are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Every step's: `[T, B, H]`.
    #[default]
    All,
    /// That of each sequence's last step alone: `[B, H]`. Saves the memory of all others, and the time
    /// for them in the backward pass.
    Last,
    /// Every step's, and behind it the states after the step: `[T, B, 1 + S, H]`.
    States,
}

/// Numbers set to zero with a probability of `rate`, in `[0, 1)`; the others are divided by `1 − rate`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// The probability.
    pub rate: f64,
    /// A new mask for each step, instead of one for all steps of a sequence (Gal & Ghahramani 2016).
    pub each_step: bool,
}
