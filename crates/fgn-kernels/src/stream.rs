use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};
use fgn_core::{AnyCell, Layout, SequenceShape};

use crate::cpu::stream::parameters::StreamParameters;
use crate::cpu::stream::state::StreamState;
use crate::run::checks;
use crate::run::options::SequenceOptions;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;

/// A recurrent layer's parameters, packed for running step by step. A clone shares them.
#[derive(Clone)]
pub struct LayerStreamWeights(Arc<StreamParameters>);

impl LayerStreamWeights {
    /// Packs `weights: [n]` in `f32`, in the layout that [`sequence`](crate::sequence) takes with the same `options`. The
    /// options that apply to single steps take effect: projection, normalisation, zoneout (as the expected state) and
    /// clipping.
    ///
    /// # Errors
    /// If a size is zero, if the weights have another shape or number type or are not on the CPU, if an
    /// option is not possible for the cell or is about whole sequences (lengths, resets, reverse, masks drawn
    /// from a seed, telemetry), or if the environment variable `FGN_ISA` asks for an instruction set that the
    /// machine does not have.
    pub fn new(
        cell: AnyCell,
        weights: &Tensor,
        [input, hidden]: [usize; 2],
        precision: Precision,
        options: &SequenceOptions,
    ) -> Result<Self> {
        let shape = SequenceShape { steps: 1, batch: 1, input, hidden };
        let plan = checks::step(cell, shape, options)?;
        let len = Layout::of(cell.spec(), plan.layer).len();
        if weights.dims() != [len] || weights.dtype() != DType::F32 {
            bail!(
                "{cell} with input size {input} and hidden size {hidden}: expected packed weights of \
                 shape [{len}] in F32, got {:?} in {:?}",
                weights.dims(),
                weights.dtype()
            );
        }
        let numbers = weights.to_vec1::<f32>()?;
        Ok(Self(Arc::new(StreamParameters::new(cell, Isa::active()?, plan, precision, &numbers))))
    }

    /// A stream of `batch` sequences over these weights, with all states zero. It is run by `threads` threads: the
    /// caller's, and others that belong to the stream. [`LayerStream`] says how many are useful.
    ///
    /// # Errors
    /// If one of the two is zero, or the system cannot start a thread.
    pub fn stream(&self, batch: usize, threads: usize) -> Result<LayerStream> {
        if batch * threads == 0 {
            bail!("a stream of {batch} sequences on {threads} threads: neither may be zero");
        }
        let state = StreamState::new(&self.0, batch, threads)?;
        Ok(LayerStream { weights: self.clone(), state })
    }

    /// How many bytes of parameters a step reads.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// A layer that runs a few sequences step by step, as their inputs arrive: without graph, gradients or tensors. It holds
/// the states, `[S, B, H]`.
///
/// A step of one sequence takes about as long as reading the weights, so what matters is the cache that holds them.
/// [`LayerStreamWeights`] packs them in the order in which they are read, in the given [`Precision`]; any number of
/// streams can share it. A step allocates nothing and takes no lock.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_core::{AnyCell, Layout};
/// use fgn_kernels::{SequenceOptions, Precision, LayerStreamWeights};
///
/// # fn main() -> candle_core::Result<()> {
/// let (cell, input, hidden) = (AnyCell::FGN, 3, 32);
/// let parameters = Layout::new(cell.spec(), input, hidden).len();
/// let weights = Tensor::full(0.01_f32, parameters, &Device::Cpu)?;
/// let weights = LayerStreamWeights::new(cell, &weights, [input, hidden], Precision::Bf16, &SequenceOptions::default())?;
///
/// // Two sequences side by side, on the caller's thread.
/// let mut stream = weights.stream(2, 1)?;
/// let mut output = vec![0.0; 2 * hidden];
/// for t in 0..10 {
///     let t = t as f32;
///     stream.step(&[t, 0.0, 1.0, -t, 0.5, 1.0], &mut output)?;
/// }
/// // The second one ends, and another begins in its place.
/// stream.reset(1..2)?;
/// # Ok(())
/// # }
/// ```
///
/// # Threads
/// With several threads, each has a range of units, and so a part of the weights in its own cache. Results do not depend
/// on the number of threads. Several threads are faster if
/// - there are about 128 units and as many inputs, or more: synchronising takes about a microsecond per step;
/// - a step follows the last one within 50 µs: for so long a thread waits actively for the next step, then it sleeps, and
///   the caller does its part unless it wakes up in time;
/// - each thread has a core of its own: the step waits for every part that was begun.
///
/// Otherwise `threads = 1` is best. At most one thread is started for each slab of units (two vectors: 32 units with
/// AVX-512, 16 with AVX2).
pub struct LayerStream {
    weights: LayerStreamWeights,
    state: StreamState,
}

impl LayerStream {
    /// Runs the next step of every sequence: reads the inputs `x: [B, I]` and writes `output: [B, H]`, or `[B, P]` with a
    /// projection.
    ///
    /// # Errors
    /// If a slice has another length; the states are then unchanged.
    pub fn step(&mut self, x: &[f32], output: &mut [f32]) -> Result<()> {
        let packed = &self.weights.0;
        let [input, _, size] = packed.sizes();
        let batch = self.state.batch();
        for (name, found, size) in [("inputs", x.len(), input), ("outputs", output.len(), size)] {
            if found != batch * size {
                bail!("{}: expected {name} of {batch} · {size} numbers, got {found}", packed.cell);
            }
        }
        self.state.step(packed, x, output);
        Ok(())
    }

    /// The states `[S, n, H]` of `n` sequences: `..` for all, `b..b + 1` for one. `S` counts the cell's
    /// states: `[h, c]` for an LSTM; of a projected hidden state the last `H − P` numbers are zero.
    ///
    /// # Errors
    /// If there are fewer sequences.
    pub fn states(&self, sequences: impl RangeBounds<usize>) -> Result<Vec<f32>> {
        Ok(self.state.states(&self.weights.0, self.range(sequences)?))
    }

    /// Sets the states of `n` sequences to `states: [S, n, H]`; of a projected hidden state the first `P`
    /// numbers count.
    ///
    /// # Errors
    /// If there are fewer sequences, or the slice has another length.
    pub fn set_states(&mut self, sequences: impl RangeBounds<usize>, states: &[f32]) -> Result<()> {
        let packed = &self.weights.0;
        let sequences = self.range(sequences)?;
        let [_, hidden, _] = packed.sizes();
        let (count, n) = (packed.cell.spec().states.len(), sequences.len());
        if states.len() != count * n * hidden {
            bail!(
                "{}: expected states of {count} · {n} · {hidden} numbers, got {}",
                packed.cell,
                states.len()
            );
        }
        self.state.set_states(packed, sequences, states);
        Ok(())
    }

    /// Sets the states of sequences to zero, so that they begin anew.
    ///
    /// # Errors
    /// If there are fewer sequences.
    pub fn reset(&mut self, sequences: impl RangeBounds<usize>) -> Result<()> {
        let sequences = self.range(sequences)?;
        self.state.reset(&self.weights.0, sequences);
        Ok(())
    }

    fn range(&self, sequences: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let batch = self.state.batch();
        let start = match sequences.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match sequences.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => batch,
        };
        if start > end || end > batch {
            bail!("sequences {start}..{end} of a stream of {batch}");
        }
        Ok(start..end)
    }
}
