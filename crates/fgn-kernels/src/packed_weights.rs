use std::any::Any;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};
use fgn_core::{AnyCell, LayerShape};

use crate::cpu::gemm::packing::PackCache;
use crate::op::{SequenceOutput, run, with_casts};
use crate::run::checks;
use crate::run::options::SequenceOptions;
use crate::simd::isa::Isa;

/// A recurrent layer's parameters, packed once for running over sequence after sequence. A clone shares
/// them.
///
/// [`sequence`](crate::sequence) lays the weights out at every call, for they may have changed. That is one
/// pass over them, little beside long sequences or many; of a few short ones it is most of the time. Here it
/// is done at the first call. The results are the same, bit by bit; they can be differentiated by the input
/// and the initial states, not by the parameters.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::{AnyCell, Layout};
/// use fgn_kernels::{SequenceOptions, PackedWeights};
///
/// # fn main() -> candle_core::Result<()> {
/// let (cell, input, hidden, options) = (AnyCell::LSTM, 3, 8, SequenceOptions::default());
/// let parameters = Layout::new(cell.spec(), input, hidden).len();
/// let weights = Tensor::full(0.01_f32, parameters, &Device::Cpu)?;
/// let weights = PackedWeights::new(cell, &weights, [input, hidden], &options)?;
///
/// let states = Tensor::zeros((cell.spec().states.len(), 1, hidden), DType::F32, &Device::Cpu)?;
/// for steps in [5, 20] {
///     let x = Tensor::ones((steps, 1, input), DType::F32, &Device::Cpu)?;
///     let run = weights.sequence(&x, &states, &options)?;
///     assert_eq!(run.output.dims(), [steps, 1, hidden]);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PackedWeights(Arc<Weights>);

#[derive(Debug)]
struct Weights {
    cell: AnyCell,
    isa: Isa,
    layer: LayerShape,
    /// As they were given, for nobody else to change.
    flat: Tensor,
    /// A [`PackCache`] of the number type.
    cache: Arc<dyn Any + Send + Sync>,
}

impl PackedWeights {
    /// Takes `weights: [n]`, which are flat as for [`sequence`](crate::sequence) with the projection and
    /// normalisation of `options`; what else there is among the options may differ from run to run. On a
    /// GPU, where nothing is packed, a run is that of [`sequence`](crate::sequence).
    ///
    /// # Errors
    /// If a size is zero, if the weights have another shape, if an option is out of its range or not possible
    /// for the cell, or if the environment variable `FGN_ISA` asks for an instruction set that the machine
    /// does not have.
    pub fn new(
        cell: AnyCell,
        weights: &Tensor,
        [input, hidden]: [usize; 2],
        options: &SequenceOptions,
    ) -> Result<Self> {
        if input * hidden == 0 {
            bail!("{cell}: no size may be zero: input size {input}, hidden size {hidden}");
        }
        let layer = checks::layer_shape(cell, input, hidden, options)?;
        checks::rules(cell, options)?;
        checks::weights(cell, weights, layer)?;
        let cache: Arc<dyn Any + Send + Sync> = match weights.dtype() {
            DType::F64 => Arc::new(PackCache::<f64>::new()),
            _ => Arc::new(PackCache::<f32>::new()),
        };
        let flat = weights.detach().copy()?;
        Ok(Self(Arc::new(Weights { cell, isa: Isa::active()?, layer, flat, cache })))
    }

    /// What [`sequence`](crate::sequence) does, with these weights.
    ///
    /// # Errors
    /// As there, and if sizes, projection or normalisation are others than those of the weights.
    pub fn sequence(
        &self,
        x: &Tensor,
        states: &Tensor,
        options: &SequenceOptions,
    ) -> Result<SequenceOutput> {
        let Weights { cell, isa, layer, flat, cache } = &*self.0;
        with_casts([x, flat], options, |[x, flat], options| {
            let (shape, plan) = checks::sequence(*cell, x, flat, states, options)?;
            if plan.layer != *layer {
                bail!(
                    "{cell}: expected a run for weights of {layer:?}, got one for {:?}",
                    plan.layer
                );
            }
            run(*cell, *isa, (shape, plan), [x, flat, states], Some(cache.clone()))
        })
    }
}
