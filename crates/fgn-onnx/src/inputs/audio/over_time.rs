//! What depends on earlier frames, or on all: levels and normalisation.

use fgn_nn::fgn_audio::features::PcenConfig;

use super::frames::Frames;
use crate::attribute;
use crate::graph::{Dim, Graph, Value};
use crate::proto::DataType;

/// The smallest standard deviation that is divided by, in `fgn-audio`.
const MIN_STD: f64 = 1e-5;

/// The level of a band before the first frame, in `fgn-audio`.
const INITIAL_LEVEL: f64 = 1.0;

/// Per-channel energy normalisation of `bands: [B, T, n_mels]`.
pub(super) fn pcen(
    graph: &mut Graph,
    dtype: DataType,
    config: &PcenConfig,
    frames_per_second: f64,
    bands: &Value,
) -> Value {
    let PcenConfig { time_constant, gain, bias, power, eps } = *config;
    let frames = time_constant * frames_per_second;
    let smoothing = 2.0 / ((1.0 + 4.0 * frames * frames).sqrt() + 1.0);
    let [smoothing, gain, first, eps, subtracted] =
        [smoothing, -gain, INITIAL_LEVEL, eps, bias.powf(power)]
            .map(|number| graph.number(number, dtype));
    let [bias, power] = [bias, power].map(|number| graph.number(number, dtype));
    let first = of_each_band(graph, bands, &first);
    let levels = scan(graph, "pcen", dtype, bands, &[first], |body, states, band| {
        let [level] = states;
        let difference = body.node("Sub", [band, level], vec![]);
        let change = body.mul(&difference, &smoothing);
        let level = body.add(level, &change);
        ([level.clone()], level)
    });
    let levels = graph.add(&levels, &eps);
    let factors = graph.node("Pow", [&levels, &gain], vec![]);
    let normalized = graph.mul(bands, &factors);
    let sums = graph.add(&normalized, &bias);
    let compressed = graph.node("Pow", [&sums, &power], vec![]);
    graph.node("Sub", [&compressed, &subtracted], vec![])
}

/// Each value by the mean and the standard deviation of all of its sound.
pub(super) fn by_utterance(graph: &mut Graph, frames: &Frames) -> Value {
    let is_within = frames.is_within(graph);
    let count = graph.cast(&frames.lengths, frames.dtype);
    let count = graph.reshape(&count, &[-1, 1, 1]);
    let zero = graph.number(0.0, frames.dtype);
    let mean = |graph: &mut Graph, values: &Value| {
        let own = graph.node("Where", [&is_within, values, &zero], vec![]);
        let time = graph.ints(&[1]);
        let sum = graph.node("ReduceSum", [&own, &time], vec![attribute::int("keepdims", 1)]);
        graph.node("Div", [&sum, &count], vec![])
    };
    let means = mean(graph, &frames.x);
    let centred = graph.node("Sub", [&frames.x, &means], vec![]);
    let squares = graph.mul(&centred, &centred);
    let variances = mean(graph, &squares);
    let least = graph.number(MIN_STD, frames.dtype);
    let stds = graph.node("Sqrt", [&variances], vec![]);
    let stds = graph.node("Max", [&stds, &least], vec![]);
    graph.node("Div", [&centred, &stds], vec![])
}

/// Each value by the mean and the standard deviation of all so far, where each frame has `decay` times the weight of
/// the next.
pub(super) fn running(graph: &mut Graph, frames: &Frames, decay: f64) -> Value {
    let dtype = frames.dtype;
    let [zero, one, decay] = [0.0, 1.0, decay].map(|number| graph.number(number, dtype));
    let zeros = of_each_band(graph, &frames.x, &zero);
    let initial = [zeros.clone(), zeros.clone(), zeros];
    let least = graph.number(MIN_STD, dtype);
    scan(graph, "normalization", dtype, &frames.x, &initial, |body, states, x| {
        let [mean, squares, weight] = states;
        let weight = body.mul(weight, &decay);
        let weight = body.add(&weight, &one);
        let difference = body.node("Sub", [x, mean], vec![]);
        let change = body.node("Div", [&difference, &weight], vec![]);
        let mean = body.add(mean, &change);
        let centred = body.node("Sub", [x, &mean], vec![]);
        let added = body.mul(&difference, &centred);
        let kept = body.mul(squares, &decay);
        let squares = body.add(&kept, &added);
        let variance = body.node("Div", [&squares, &weight], vec![]);
        let std = body.node("Sqrt", [&variance], vec![]);
        let std = body.node("Max", [&std, &least], vec![]);
        let normalized = body.node("Div", [&centred, &std], vec![]);
        ([mean, squares, weight], normalized)
    })
}

/// A number for each sound and band of `x: [B, T, bands]`, `[B, bands]`.
fn of_each_band(graph: &mut Graph, x: &Value, number: &Value) -> Value {
    let [batch, bands] = [0, 2].map(|axis| graph.size(x, axis));
    let shape = graph.concat(&[batch, bands], 0);
    graph.node("Expand", [number, &shape], vec![])
}

/// The results of `step` for each frame of `x: [B, T, bands]`, one after the other. It takes the states and the frame
/// `[B, bands]`, and returns the next states and its result.
fn scan<const S: usize>(
    graph: &mut Graph,
    name: &str,
    dtype: DataType,
    x: &Value,
    initial: &[Value; S],
    step: impl FnOnce(&mut Graph, &[Value; S], &Value) -> ([Value; S], Value),
) -> Value {
    let mut body = graph.inner(&format!("input.{name}"));
    let rows = [Dim::Any, Dim::Any];
    let states: [Value; S] =
        std::array::from_fn(|at| body.input(&format!("state_{at}"), dtype, &rows));
    let frame = body.input("frame", dtype, &rows);
    let (next, result) = step(&mut body, &states, &frame);
    for (at, state) in next.iter().enumerate() {
        body.output(&format!("next_state_{at}"), state, dtype, &rows);
    }
    body.output("result", &result, dtype, &rows);
    let body = body.finish(&format!("input.{name}"));
    let time_first = graph.transpose(x, &[1, 0, 2]);
    let inputs: Vec<&Value> = initial.iter().chain([&time_first]).collect();
    let attributes = vec![attribute::graph("body", body), attribute::int("num_scan_inputs", 1)];
    let mut results = graph.many("Scan", &inputs, attributes, S + 1);
    let results = results.pop().unwrap_or(Value::NONE);
    graph.transpose(&results, &[1, 0, 2])
}
