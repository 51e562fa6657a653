//! The contestants that are part of this program: our own layers, and candle-nn's LSTM.

use anyhow::{Result, anyhow, bail};
use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::VarBuilder;
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use fgn_benches::protocol::{Request, Run, Work, numbers, run, serve};
use fgn_core::{AnyCell, LayerShape, Layout, Norm};
use fgn_kernels::{
    HiddenDropout, LayerStreamWeights, PackedWeights, Precision, SequenceOptions, sequence,
};

/// Serves as `fgn` or `candle-nn` until there are no more requests.
pub(crate) fn contestant(name: &str, threads: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    match name {
        "fgn" => serve("fgn", |request| ours(request, threads)),
        "candle-nn" => serve("candle-nn", candle_nn),
        other => bail!("unknown contestant {other}: expected fgn or candle-nn"),
    }
}

/// The data of a layer.
struct Layer {
    cell: AnyCell,
    layout: Layout,
    /// All parameters in one vector, see [`Layout`].
    weights: Vec<f32>,
    /// `[T, B, I]`.
    x: Vec<f32>,
    /// `[S, B, H]`.
    states: Vec<f32>,
}

impl Layer {
    fn new(request: &Request) -> Result<Self> {
        let &Request { steps, batch, input, hidden, .. } = request;
        let cell = AnyCell::all().into_iter().find(|cell| cell.name() == request.cell);
        let cell = cell.ok_or_else(|| anyhow!("unknown cell {}", request.cell))?;
        let norm = options(request)?.norm;
        let layout = Layout::of(cell.spec(), LayerShape { norm, ..LayerShape::new(input, hidden) });
        let bound = (hidden as f64).powf(-0.5);
        let seed = |name| match name {
            "weight_ih" => 1,
            "weight_hh" => 2,
            "bias_ih" => 3,
            "bias_hh" => 4,
            _ => 7,
        };
        let tensors = layout.tensors().iter();
        let weights =
            tensors.flat_map(|slot| numbers(seed(slot.name), bound, slot.len())).collect();
        let states = (5..5 + cell.spec().states.len() as u64)
            .flat_map(|seed| numbers(seed, 1.0, batch * hidden))
            .collect();
        Ok(Self { cell, layout, weights, x: numbers(0, 1.0, steps * batch * input), states })
    }
}

/// The options of a run, from the name in the request.
fn options(request: &Request) -> Result<SequenceOptions> {
    let &Request { steps, batch, .. } = request;
    let precision = match (request.work, request.dtype.as_str()) {
        (Work::Stream, _) | (_, "f32") => Precision::F32,
        (_, "bf16") => Precision::Bf16,
        (_, other) => bail!("unknown type of operands {other}: expected f32 or bf16"),
    };
    let plain = SequenceOptions::default().with_precision(precision);
    Ok(match request.option.as_str() {
        "" => plain,
        // Alternately T and T − 1 steps.
        "lengths" => {
            let length = |b: usize| (steps - b % 2).max(1);
            plain.with_lengths((0..batch).map(length).collect::<Vec<_>>())
        }
        // Evenly spaced from the shortest to the longest: half of T on average.
        "half-lengths" => {
            let length = |b: usize| (b * steps / batch).max(1);
            plain.with_lengths((1..=batch).map(length).collect::<Vec<_>>())
        }
        // A reset at about one step in twenty.
        "resets" => {
            let draws = numbers(8, 1.0, steps * batch);
            let resets = draws.iter().map(|&x| u8::from(x > 0.9)).collect::<Vec<_>>();
            let resets = Tensor::from_vec(resets, (steps, batch), &Device::Cpu)?;
            plain.with_resets(resets)
        }
        "zoneout" => plain.with_zoneout(vec![0.1, 0.1]).with_seed(1),
        "dropout" => {
            let hidden_dropout = HiddenDropout { rate: 0.25, per_step: false };
            plain.with_hidden_dropout(hidden_dropout).with_seed(1)
        }
        "norm-pre" => plain.with_norm(Norm { pre: true, memory: false }),
        "norm" => plain.with_norm(Norm { pre: true, memory: true }),
        other => bail!("unknown option {other}"),
    })
}

fn ours(request: &Request, threads: usize) -> Result<(Vec<f64>, Run)> {
    let Layer { cell, layout, weights, x, states } = Layer::new(request)?;
    let &Request { steps, batch, input, hidden, .. } = request;
    let device = &Device::Cpu;
    let count = cell.spec().states.len();
    let weights = Tensor::new(weights, device)?;
    if request.work == Work::Stream {
        let precision = match request.dtype.as_str() {
            "f32" => Precision::F32,
            "bf16" => Precision::Bf16,
            "int8" => Precision::Int8,
            other => bail!("unknown type of weights {other}: expected f32, bf16 or int8"),
        };
        let weights = LayerStreamWeights::new(
            cell,
            &weights,
            [input, hidden],
            precision,
            &SequenceOptions::default(),
        )?;
        let mut stream = weights.stream(batch, threads)?;
        stream.set_states(.., &states)?;
        let mut output = vec![0.0; batch * hidden];
        stream.step(&x, &mut output)?;
        let check = output.iter().map(|&number| f64::from(number)).collect();
        return Ok((check, run(move || stream.step(&x, &mut output))));
    }
    let x = Tensor::from_vec(x, (steps, batch, input), device)?;
    let states = Tensor::from_vec(states, (count, batch, hidden), device)?;
    let options = options(request)?;
    if request.work == Work::Infer {
        let weights = PackedWeights::new(cell, &weights, [input, hidden], &options)?;
        let forward = move || weights.sequence(&x, &states, &options).map(|run| run.output);
        let check = last(&forward()?)?;
        return Ok((check, run(forward)));
    }
    let packed = Var::from_tensor(&weights)?.into_inner();
    let variable = packed.clone();
    let forward = move || sequence(cell, &x, &packed, &states, &options).map(|run| run.output);
    let gradients = forward()?.sum_all()?.backward()?;
    let gradient = of(&gradients, &variable)?;
    let matrices = ["weight_ih", "weight_hh"].iter().filter_map(|name| layout.tensor(name));
    let parts = matrices.map(|slot| gradient.narrow(0, slot.offset, slot.len()));
    let check = norm(parts.collect::<candle_core::Result<Vec<_>>>()?)?;
    Ok((check, run(move || forward()?.sum_all()?.backward())))
}

fn candle_nn(request: &Request) -> Result<(Vec<f64>, Run)> {
    let Layer { layout, weights, x, states, .. } = Layer::new(request)?;
    let &Request { steps, batch, input, hidden, .. } = request;
    let device = &Device::Cpu;
    let train = request.work == Work::Train;
    let mut tensors = std::collections::HashMap::new();
    let mut matrices = Vec::new();
    for slot in layout.tensors() {
        let tensor = Tensor::from_slice(&weights[slot.range()], slot.shape.as_slice(), device)?;
        let tensor = if train { Var::from_tensor(&tensor)?.into_inner() } else { tensor };
        if slot.name.starts_with("weight") {
            matrices.push(tensor.clone());
        }
        tensors.insert(format!("{}_l0", slot.name), tensor);
    }
    let tensors = VarBuilder::from_tensors(tensors, DType::F32, device);
    let lstm = LSTM::new(input, hidden, LSTMConfig::default(), tensors)?;
    let states = Tensor::from_vec(states, (2, batch, hidden), device)?;
    let state = LSTMState::new(states.get(0)?, states.get(1)?);
    if request.work == Work::Stream {
        let x = Tensor::from_vec(x, (batch, input), device)?;
        let check = last(&lstm.step(&x, &state)?.h.unsqueeze(0)?)?;
        return Ok((check, run(move || lstm.step(&x, &state))));
    }
    let x = Tensor::from_vec(x, (steps, batch, input), device)?.transpose(0, 1)?.contiguous()?;
    let forward = move || lstm.states_to_tensor(&lstm.seq_init(&x, &state)?);
    if !train {
        let check = last(&forward()?.transpose(0, 1)?)?;
        return Ok((check, run(forward)));
    }
    let gradients = forward()?.sum_all()?.backward()?;
    let parts = matrices.iter().map(|matrix| of(&gradients, matrix).cloned());
    let check = norm(parts.collect::<Result<Vec<_>>>()?)?;
    Ok((check, run(move || forward()?.sum_all()?.backward())))
}

fn of<'a>(gradients: &'a GradStore, variable: &Tensor) -> Result<&'a Tensor> {
    gradients
        .get(variable)
        .ok_or_else(|| anyhow!("there is no gradient with respect to the weights"))
}

/// From outputs `[T, B, H]`: those of the last sequence at the last step.
fn last(outputs: &Tensor) -> Result<Vec<f64>> {
    let (steps, batch, _) = outputs.dims3()?;
    Ok(outputs.get(steps - 1)?.get(batch - 1)?.to_dtype(DType::F64)?.to_vec1()?)
}

fn norm(tensors: Vec<Tensor>) -> Result<Vec<f64>> {
    let mut sum = 0.0;
    for tensor in tensors {
        sum += tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
    }
    Ok(vec![sum.sqrt()])
}
