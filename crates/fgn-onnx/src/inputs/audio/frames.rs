//! Frames of sounds: their deltas, and several of them as one step.

use crate::attribute;
use crate::graph::{Graph, Value};
use crate::proto::DataType;

/// Values for each frame of each sound.
pub(super) struct Frames {
    /// `[B, T, size]`
    pub(super) x: Value,
    pub(super) size: usize,
    /// How many frames each sound has, `int64 [B]`; the longest has `T`.
    pub(super) lengths: Value,
    /// The type of `x`.
    pub(super) dtype: DataType,
}

impl Frames {
    /// Appends to each frame so many orders of deltas: `d[t] = Σ n · (x[t + n] − x[t − n]) / 10`, the sum over n = 1
    /// and 2.
    pub(super) fn append_deltas(&mut self, graph: &mut Graph, orders: usize) {
        let mut all = vec![self.x.clone()];
        for _ in 0..orders {
            let mut later = |shift: i64| {
                let moved = self.moved(graph, all.last().unwrap_or(&self.x), shift);
                let back = self.moved(graph, all.last().unwrap_or(&self.x), -shift);
                graph.node("Sub", [&moved, &back], vec![])
            };
            let [near, far] = [1, 2].map(&mut later);
            let [two, ten] = [2.0, 10.0].map(|number| graph.number(number, self.dtype));
            let far = graph.mul(&far, &two);
            let sum = graph.add(&near, &far);
            all.push(graph.node("Div", [&sum, &ten], vec![]));
        }
        self.x = graph.concat(&all, 2);
        self.size *= all.len();
    }

    /// `x: [B, T, ..]` with each frame replaced by the one `shift` later; before the first one and after the last one
    /// of a sound these are repeated.
    fn moved(&self, graph: &mut Graph, x: &Value, shift: i64) -> Value {
        let frames = indices(graph, x);
        let shift = graph.int(shift);
        let moved = graph.add(&frames, &shift);
        let zero = graph.int(0);
        let moved = graph.node("Max", [&moved, &zero], vec![]);
        self.picked(graph, x, &moved)
    }

    /// The frames of `x: [B, T, ..]` at `indices: [U]` of each sound, `[B, U, ..]`; its last one in place of later ones.
    fn picked(&self, graph: &mut Graph, x: &Value, indices: &Value) -> Value {
        let one = graph.int(1);
        let last = graph.node("Sub", [&self.lengths, &one], vec![]);
        let last = graph.unsqueeze(&last, 1);
        let within = graph.node("Min", [indices, &last], vec![]);
        let within = graph.unsqueeze(&within, 2);
        graph.node("GatherND", [x, &within], vec![attribute::int("batch_dims", 1)])
    }

    /// Makes one step of `count` successive frames; the last step repeats the last frame.
    pub(super) fn stack(&mut self, graph: &mut Graph, count: usize) {
        if count == 1 {
            return;
        }
        let longest = graph.size(&self.x, 1);
        let steps = quotient_up(graph, &longest, count);
        let size = graph.ints(&[count as i64]);
        let frames = graph.mul(&steps, &size);
        let frames = graph.range(&frames);
        let frames = self.picked(graph, &self.x, &frames);
        self.size *= count;
        self.x = graph.reshape(&frames, &[0, -1, self.size as i64]);
        self.lengths = quotient_up(graph, &self.lengths, count);
    }

    /// Sets what is past the length of each sound to zero, in `float32`.
    pub(super) fn clear_padding(&mut self, graph: &mut Graph) {
        let is_within = self.is_within(graph);
        let zero = graph.float(0.0);
        self.x = graph.node("Where", [&is_within, &self.x, &zero], vec![]);
    }

    /// Which frames a sound has, `bool [B, T, 1]`.
    pub(super) fn is_within(&self, graph: &mut Graph) -> Value {
        let is_within = is_within(graph, &self.x, &self.lengths);
        graph.unsqueeze(&is_within, 2)
    }
}

/// Which steps of `x: [B, T, ..]` are less than the length of their sequence, `bool [B, T]`.
pub(super) fn is_within(graph: &mut Graph, x: &Value, lengths: &Value) -> Value {
    let steps = indices(graph, x);
    let lengths = graph.unsqueeze(lengths, 1);
    graph.node("Less", [&steps, &lengths], vec![])
}

/// 0 to `T − 1` for `x: [B, T, ..]`.
fn indices(graph: &mut Graph, x: &Value) -> Value {
    let steps = graph.size(x, 1);
    graph.range(&steps)
}

/// Whole numbers divided by `divisor`, rounded up.
fn quotient_up(graph: &mut Graph, numbers: &Value, divisor: usize) -> Value {
    let [more, divisor] = [divisor - 1, divisor].map(|number| graph.ints(&[number as i64]));
    let sums = graph.add(numbers, &more);
    graph.node("Div", [&sums, &divisor], vec![])
}
