//! The arguments of a sequence, checked: below here sizes fit and options are possible.

use candle_core::{DType, Result, Tensor, bail};
use fgn_core::{AnyCell, Block, LayerShape, Layout, MAX_STATES, SequenceShape};

use crate::run::backend::Backend;
use crate::run::options::SequenceOptions;
use crate::run::plan::Plan;
use crate::run::precision::Precision;
use crate::run::rules::Rules;
use crate::run::schedule::Schedule;
use crate::simd::bf16::engine::Bf16Engine;

impl SequenceOptions {
    /// Checks whether a layer of `hidden` units of `cell` can run with these options. [`sequence`](crate::sequence)
    /// checks the same; this needs no input.
    ///
    /// # Errors
    /// If an option is out of its range or not possible for the cell.
    pub fn check(&self, cell: AnyCell, hidden: usize) -> Result<()> {
        layer_shape(cell, 1, hidden, self)?;
        rules(cell, self)?;
        Ok(())
    }
}

/// The sizes of a run and what it does.
pub(crate) fn sequence(
    cell: AnyCell,
    x: &Tensor,
    weights: &Tensor,
    states: &Tensor,
    options: &SequenceOptions,
) -> Result<(SequenceShape, Plan)> {
    let shape = sizes(cell, x.dims(), states.dims())?;
    let layer = layer_shape(cell, shape.input, shape.hidden, options)?;
    self::weights(cell, weights, layer)?;
    numbers(cell, [x, weights, states])?;
    let bf16 = bf16(cell, x.dtype(), x.device().is_cuda(), options.precision)?;
    Ok((shape, plan(cell, shape, bf16, options)?))
}

/// What a run over slices of those lengths does: `x`, weights and states.
pub(crate) fn slices(
    cell: AnyCell,
    shape: SequenceShape,
    dtype: DType,
    options: &SequenceOptions,
    found: [usize; 3],
) -> Result<Plan> {
    let SequenceShape { steps, batch, input, hidden } = shape;
    sizes(cell, &[steps, batch, input], &[cell.spec().states.len(), batch, hidden])?;
    let layer = layer_shape(cell, input, hidden, options)?;
    slice_lengths(cell, shape, layer, found)?;
    plan(cell, shape, bf16(cell, dtype, false, options.precision)?, options)
}

/// That `x`, weights and states have as many numbers as the shape says.
pub(crate) fn slice_lengths(
    cell: AnyCell,
    shape: SequenceShape,
    layer: LayerShape,
    [x, weights, states]: [usize; 3],
) -> Result<()> {
    let SequenceShape { steps, batch, input, hidden } = shape;
    let spec = cell.spec();
    let count =
        |sizes: [usize; 3]| sizes.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    for (name, found, expected) in [
        ("inputs", x, count([steps, batch, input])),
        ("packed weights", weights, Some(Layout::of(spec, layer).len())),
        ("states", states, count([spec.states.len(), batch, hidden])),
    ] {
        if expected != Some(found) {
            let expected = expected.map_or("fewer".to_owned(), |expected| expected.to_string());
            bail!("{cell} with sizes {shape:?}: expected {expected} {name}, got {found}");
        }
    }
    Ok(())
}

/// What a run of that shape does.
fn plan(
    cell: AnyCell,
    shape: SequenceShape,
    bf16: Option<Bf16Engine>,
    options: &SequenceOptions,
) -> Result<Plan> {
    let layer = layer_shape(cell, shape.input, shape.hidden, options)?;
    let lengths = options.lengths.as_deref().map(|lengths| self::lengths(cell, shape, lengths));
    let resets = options.resets.as_ref().map(|resets| self::resets(cell, shape, resets));
    let schedule = Schedule::new(shape, lengths.transpose()?, options.reverse, resets.transpose()?);
    let rules = rules(cell, options)?;
    let (emit, telemetry) = (options.emit, options.telemetry);
    Ok(Plan { layer, emit, schedule, rules, telemetry, bf16 })
}

/// What multiplies, if operands of products are rounded to bf16. On a GPU the tensors' own type says it.
fn bf16(
    cell: AnyCell,
    dtype: DType,
    on_gpu: bool,
    precision: Precision,
) -> Result<Option<Bf16Engine>> {
    match (precision, dtype) {
        (Precision::F32, _) => Ok(None),
        (Precision::Bf16, _) if on_gpu => Ok(None),
        (Precision::Bf16, DType::F32) => Bf16Engine::active().map(Some),
        (Precision::Bf16, dtype) => {
            bail!("{cell}: expected an input of F32 or BF16 for a run in bf16, got {dtype:?}")
        }
        (Precision::Int8, _) => {
            bail!(
                "{cell}: expected a precision of F32 or Bf16, got Int8, which is for streams alone"
            )
        }
    }
}

/// As many as the layer has.
pub(crate) fn weights(cell: AnyCell, weights: &Tensor, layer: LayerShape) -> Result<()> {
    let len = Layout::of(cell.spec(), layer).len();
    if weights.dims() != [len] {
        bail!(
            "{cell} with input size {} and hidden size {}: expected packed weights of shape [{len}], got \
             {:?}",
            layer.input,
            layer.hidden,
            weights.dims()
        );
    }
    Ok(())
}

/// What the steps of a stream do.
pub(crate) fn step(cell: AnyCell, shape: SequenceShape, options: &SequenceOptions) -> Result<Plan> {
    let SequenceShape { input, hidden, .. } = shape;
    if input * hidden == 0 {
        bail!("{cell}: no size may be zero: input size {input}, hidden size {hidden}");
    }
    let SequenceOptions { reverse, lengths, resets, seed, telemetry, precision, .. } = options;
    let of_sequences = [
        ("reverse", *reverse),
        ("lengths", lengths.is_some()),
        ("resets", resets.is_some()),
        ("seed", seed.is_some()),
        ("telemetry", *telemetry),
        ("precision", *precision != Precision::F32),
    ];
    if let Some((name, _)) = of_sequences.iter().find(|(_, set)| *set) {
        bail!("{cell}: a stream runs step by step, without `{name}`, an option of whole sequences");
    }
    let (layer, rules) = (layer_shape(cell, input, hidden, options)?, rules(cell, options)?);
    Ok(Plan { layer, rules, ..Plan::plain(shape) })
}

/// All of one type on one device; inputs and weights may be narrower than states.
fn numbers(cell: AnyCell, [x, weights, states]: [&Tensor; 3]) -> Result<()> {
    let gpu = x.device().is_cuda();
    if !(gpu || x.device().is_cpu()) {
        bail!("{cell}: the input is on {:?}, where no kernels run", x.device().location());
    }
    let narrow = x.dtype() == DType::BF16;
    let known = narrow || matches!(x.dtype(), DType::F32 | DType::F64);
    let of_states = if narrow { DType::F32 } else { x.dtype() };
    let all =
        [("input", x, x.dtype()), ("weights", weights, x.dtype()), ("states", states, of_states)];
    for (name, tensor, expected) in all {
        if tensor.dtype() != expected || !known {
            bail!(
                "{cell}: expected input and weights of bf16 and states of f32, or all of f32 or all of f64, \
                 got {name} of {:?} beside an input of {:?}",
                tensor.dtype(),
                x.dtype()
            );
        }
        if !tensor.device().same_device(x.device()) {
            bail!(
                "{cell}: the {name} is on {:?}, the input on {:?}",
                tensor.device().location(),
                x.device().location()
            );
        }
    }
    Ok(())
}

/// The sizes of a run, from the shapes of `x` and of the states.
fn sizes(cell: AnyCell, x: &[usize], states: &[usize]) -> Result<SequenceShape> {
    let spec = cell.spec();
    let &[steps, batch, input] = x else {
        bail!("{cell}: expected an input of shape [T, B, I], got {x:?}");
    };
    let &[count, state_batch, hidden] = states else {
        bail!("{cell}: expected states of shape [S, B, H], got {states:?}");
    };
    if [steps, batch, input, hidden].contains(&0) {
        bail!("{cell}: no size may be zero: input [T, B, I] is {x:?}, hidden size {hidden}");
    }
    if (count, state_batch) != (spec.states.len(), batch) {
        let expected = [spec.states.len(), batch, hidden];
        bail!("{cell}: expected states of shape {expected:?}, got {states:?}");
    }
    Ok(SequenceShape { steps, batch, input, hidden })
}

pub(crate) fn layer_shape(
    cell: AnyCell,
    input: usize,
    hidden: usize,
    options: &SequenceOptions,
) -> Result<LayerShape> {
    Backend::check(cell)?;
    let spec = cell.spec();
    if let Some(size) = options.projection {
        if !(spec.output_is_state && spec.memory.is_some()) {
            bail!(
                "{cell}: no projection: that is for cells whose output is their hidden state and \
                 whose memory is another state, such as the LSTM"
            );
        }
        if !(1..hidden).contains(&size) {
            bail!("{cell}: expected a projection to 1 to {} units, got {size}", hidden - 1);
        }
    }
    if options.norm.pre && !spec.blocks.iter().any(Block::is_normalized) {
        bail!("{cell}: no normalisation of the pre-activations: all are linear maps");
    }
    if options.norm.memory && spec.memory.is_none() {
        bail!(
            "{cell}: no normalisation of the memory: the cell has none apart from its hidden state; \
             normalise the output instead"
        );
    }
    let (projection, norm) = (options.projection, options.norm);
    Ok(LayerShape { projection, norm, ..LayerShape::new(input, hidden) })
}

fn lengths(cell: AnyCell, shape: SequenceShape, lengths: &[usize]) -> Result<Vec<usize>> {
    let SequenceShape { steps, batch, .. } = shape;
    if lengths.len() != batch {
        bail!("{cell}: expected a length for each of {batch} sequences, got {}", lengths.len());
    }
    for (b, length) in lengths.iter().enumerate() {
        if !(1..=steps).contains(length) {
            bail!("{cell}: expected lengths of 1 to {steps}, got {length} for sequence {b}");
        }
    }
    Ok(lengths.to_vec())
}

fn resets(cell: AnyCell, shape: SequenceShape, resets: &Tensor) -> Result<Vec<bool>> {
    let expected = [shape.steps, shape.batch];
    if resets.dims() != expected || resets.dtype() != DType::U8 {
        bail!(
            "{cell}: expected resets of shape {expected:?} in U8, got {:?} in {:?}",
            resets.dims(),
            resets.dtype()
        );
    }
    let resets = resets.flatten_all()?.to_vec1::<u8>()?;
    Ok(resets.iter().map(|&reset| reset != 0).collect())
}

pub(crate) fn rules(cell: AnyCell, options: &SequenceOptions) -> Result<Rules> {
    let count = cell.spec().states.len();
    if options.zoneout.len() > count {
        bail!(
            "{cell}: expected at most {count} rates of zoneout, one a state, got {}",
            options.zoneout.len()
        );
    }
    let rates = options.zoneout.iter().map(|&rate| ("zoneout", rate));
    for (name, rate) in rates.chain([("hidden dropout", options.hidden_dropout.rate)]) {
        if !(0.0..1.0).contains(&rate) {
            bail!("{cell}: expected a rate of {name} of at least 0 and below 1, got {rate}");
        }
    }
    if let Some(clip) = options.clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
        bail!("{cell}: expected states clipped at a finite number above 0, got {clip}");
    }
    let mut zoneout = [0.0; MAX_STATES];
    zoneout[..options.zoneout.len()].copy_from_slice(&options.zoneout);
    let SequenceOptions { clip, hidden_dropout: dropout, seed, .. } = *options;
    Ok(Rules { zoneout, clip, dropout, seed })
}
