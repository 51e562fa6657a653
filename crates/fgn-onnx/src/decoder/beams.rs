//! Beam search over the answers to all samples of a batch at once.
//!
//! Each sample has `K` rows in every step. A row is an unfinished answer, or nothing: then its logarithm is −∞, and it
//! never is among the likeliest. A sample whose search has ended is computed for nothing until all have.

use std::slice;

use fgn_nn::Decoder;

use crate::attribute;
use crate::graph::{Dim, Graph, Value};
use crate::proto::DataType;

/// What is the same in all steps, in the graph around the loop.
pub(super) struct Search {
    /// `K`
    width: usize,
    vocabulary: usize,
    length_penalty: f64,
    /// The type of logarithms.
    dtype: DataType,
    /// The number of samples, `[1]`.
    batch: Value,
    /// The number of rows of all samples, `[1]`.
    rows: Value,
    /// The sample of each row, `[B · K]`.
    samples: Value,
    /// The first row of each sample, `[B, 1]`.
    first_rows: Value,
    /// `M`: the most tokens of an answer, without dimensions.
    pub(super) max_length: Value,
    /// 0 to `M − 1`.
    positions: Value,
}

impl Search {
    /// With an input for the most tokens of an answer.
    pub(super) fn new(graph: &mut Graph, config: &Decoder, dtype: DataType, batch: &Value) -> Self {
        let max_length = graph.input("max_length", DataType::Int64, &[]);
        graph.int_constant("max_length", &[], &[config.max_length as i64]);
        let length = graph.unsqueeze(&max_length, 0);
        let positions = graph.range(&length);
        let width = graph.int(config.beam_size as i64);
        let rows = graph.mul(batch, &width);
        let all = graph.range(&rows);
        let samples = graph.node("Div", [&all, &width], vec![]);
        let each = graph.range(batch);
        let first_rows = graph.mul(&each, &width);
        Self {
            width: config.beam_size,
            vocabulary: config.vocabulary,
            length_penalty: config.length_penalty,
            dtype,
            batch: batch.clone(),
            rows,
            samples,
            first_rows: graph.unsqueeze(&first_rows, 1),
            max_length,
            positions,
        }
    }

    /// `states: [S, B, H]` of the samples for each row, `[S, B · K, H]`.
    pub(super) fn for_each_row(&self, graph: &mut Graph, states: &Value) -> Value {
        graph.node("Gather", [states, &self.samples], vec![attribute::int("axis", 1)])
    }

    /// `[1, B · K, size]`
    pub(super) fn zeros(&self, graph: &mut Graph, size: usize) -> Value {
        let [one, size] = [1, size].map(|size| graph.ints(&[size as i64]));
        let shape = graph.concat(&[one, self.rows.clone(), size], 0);
        let zero = graph.float(0.0);
        graph.node("Expand", [&zero, &shape], vec![])
    }

    /// The end token, which every answer begins after.
    fn end(&self) -> i64 {
        self.vocabulary as i64 - 1
    }

    /// The score of finished answers of that `length`: the logarithm of the probability divided by this.
    fn divisor(&self, graph: &mut Graph, length: &Value) -> Value {
        let length = graph.cast(length, self.dtype);
        let power = graph.number(self.length_penalty, self.dtype);
        graph.node("Pow", [&length, &power], vec![])
    }
}

/// What a step leaves to the next.
pub(super) struct Beams {
    /// The token that each row reads, `[B · K]`.
    pub(super) read: Value,
    /// The tokens of each unfinished answer, `[B, K, M]`, with zeros after them.
    tokens: Value,
    /// The logarithm of the probability of each, `[B, K]`.
    logarithms: Value,
    /// How many answers to each sample are finished, `[B]`.
    finished: Value,
    /// Whether the search of a sample has ended, `bool [B]`.
    is_done: Value,
    /// The best finished answer to each sample, `[B, M]`, with zeros after it.
    best: Value,
    /// Its length, `[B]`.
    best_length: Value,
    /// Its score, `[B]`; −∞ where there is none.
    best_score: Value,
}

/// The answers to all samples.
pub(super) struct Answers {
    /// `[B, U]`, with zeros after the tokens of each.
    pub(super) tokens: Value,
    /// `[B]`
    pub(super) lengths: Value,
    /// `[B]`
    pub(super) log_probabilities: Value,
}

/// The name and the number of dimensions of each part of [`Beams`], in the order of its fields.
const PARTS: [(&str, usize); 8] = [
    ("read", 1),
    ("tokens", 3),
    ("logarithms", 2),
    ("finished", 1),
    ("is_done", 1),
    ("best", 2),
    ("best_length", 1),
    ("best_score", 1),
];

impl Beams {
    /// Before the first step: one unfinished answer to each sample, without tokens.
    pub(super) fn first(graph: &mut Graph, search: &Search) -> Self {
        let filled = |graph: &mut Graph, value: &Value, shape: &[Value]| {
            let shape = graph.concat(shape, 0);
            graph.node("Expand", [value, &shape], vec![])
        };
        let batch = search.batch.clone();
        let width = graph.ints(&[search.width as i64]);
        let length = graph.unsqueeze(&search.max_length, 0);
        let [zero, end] = [0, search.end()].map(|number| graph.int(number));
        let no = graph.cast(&zero, DataType::Bool);
        let never = graph.number(f64::NEG_INFINITY, search.dtype);
        Self {
            read: filled(graph, &end, slice::from_ref(&search.rows)),
            tokens: filled(graph, &zero, &[batch.clone(), width, length.clone()]),
            logarithms: first_logarithms(graph, search),
            finished: filled(graph, &zero, slice::from_ref(&batch)),
            is_done: filled(graph, &no, slice::from_ref(&batch)),
            best: filled(graph, &zero, &[batch.clone(), length]),
            best_length: filled(graph, &zero, slice::from_ref(&batch)),
            best_score: filled(graph, &never, &[batch]),
        }
    }

    /// The first results of a loop.
    pub(super) fn of(values: &[Value]) -> Self {
        let value = |at: usize| values.get(at).cloned().unwrap_or(Value::NONE);
        Self {
            read: value(0),
            tokens: value(1),
            logarithms: value(2),
            finished: value(3),
            is_done: value(4),
            best: value(5),
            best_length: value(6),
            best_score: value(7),
        }
    }

    pub(super) fn values(&self) -> [&Value; PARTS.len()] {
        let Self { read, tokens, logarithms, finished, is_done, best, best_length, best_score } =
            self;
        [read, tokens, logarithms, finished, is_done, best, best_length, best_score]
    }

    /// As inputs of the body of the loop.
    pub(super) fn inputs(graph: &mut Graph, search: &Search) -> Self {
        let input = |(name, rank): (&str, usize)| {
            graph.input(name, element(name, search), &vec![Dim::Any; rank])
        };
        Self::of(&PARTS.map(input))
    }

    /// As outputs of the body of the loop.
    pub(super) fn outputs(&self, graph: &mut Graph, search: &Search) {
        for ((name, rank), value) in PARTS.into_iter().zip(self.values()) {
            let shape = vec![Dim::Any; rank];
            graph.output(&format!("{name}_after"), value, element(name, search), &shape);
        }
    }

    /// After the step of that index, which has computed `logits: [B, K, V]`; and the row of this step that each row of
    /// the next continues, `[B · K]`.
    pub(super) fn next(
        &self,
        graph: &mut Graph,
        search: &Search,
        step: &Value,
        logits: &Value,
    ) -> (Self, Value) {
        let likeliest = self.likeliest(graph, search, logits);
        let tokens = self.continued(graph, search, step, &likeliest);
        let [one, end] = [1, search.end()].map(|number| graph.int(number));
        let never = graph.number(f64::NEG_INFINITY, search.dtype);
        let is_end = graph.node("Equal", [&likeliest.tokens, &end], vec![]);
        let is_answer = graph.node("Greater", [&likeliest.logarithms, &never], vec![]);
        let is_end = graph.node("And", [&is_end, &is_answer], vec![]);
        let logarithms = graph.node("Where", [&is_end, &never, &likeliest.logarithms], vec![]);

        let ended = graph.cast(&is_end, DataType::Int64);
        let ended = sum(graph, &ended);
        let finished = graph.add(&self.finished, &ended);
        let width = graph.int(search.width as i64);
        let is_full = graph.node("GreaterOrEqual", [&finished, &width], vec![]);
        let likeliest_left = largest(graph, &logarithms, 1);
        let is_left = graph.node("Greater", [&likeliest_left, &never], vec![]);
        let is_empty = graph.node("Not", [&is_left], vec![]);
        let is_over = graph.node("Or", [&is_full, &is_empty], vec![]);

        // All that end here are of one length, so that the likeliest of them has the best score.
        let length = graph.add(step, &one);
        let divisor = search.divisor(graph, &length);
        let logarithm = graph.node("Where", [&is_end, &likeliest.logarithms, &never], vec![]);
        let scores = graph.node("Div", [&logarithm, &divisor], vec![]);
        let score = largest(graph, &scores, 1);
        let is_better = graph.node("Greater", [&score, &self.best_score], vec![]);
        let is_running = graph.node("Not", [&self.is_done], vec![]);
        let is_better = graph.node("And", [&is_better, &is_running], vec![]);
        let row = likeliest_row(graph, &scores, &tokens);
        let column = graph.unsqueeze(&is_better, 1);
        let after = Self {
            read: flat(graph, &likeliest.tokens),
            tokens,
            logarithms,
            finished,
            is_done: graph.node("Or", [&self.is_done, &is_over], vec![]),
            best: graph.node("Where", [&column, &row, &self.best], vec![]),
            best_length: graph.node("Where", [&is_better, &length, &self.best_length], vec![]),
            best_score: graph.node("Where", [&is_better, &score, &self.best_score], vec![]),
        };
        (after, flat(graph, &likeliest.parents))
    }

    /// The `K` most likely continuations of all unfinished answers to a sample; of equals the one with the smaller
    /// token, then that of the more likely answer.
    fn likeliest(&self, graph: &mut Graph, search: &Search, logits: &Value) -> Likeliest {
        let dtype = search.dtype;
        let logits =
            if dtype == DataType::Float { logits.clone() } else { graph.cast(logits, dtype) };
        let of_token = graph.node("LogSoftmax", [&logits], vec![attribute::int("axis", -1)]);
        let before = graph.unsqueeze(&self.logarithms, 2);
        let sums = graph.add(&before, &of_token);
        let by_token = graph.transpose(&sums, &[0, 2, 1]);
        let all = graph.reshape(&by_token, &[-1, (search.vocabulary * search.width) as i64]);
        let count = graph.ints(&[search.width as i64]);
        let [logarithms, indices] = graph.nodes("TopK", &[&all, &count], vec![]);
        let width = graph.int(search.width as i64);
        let tokens = graph.node("Div", [&indices, &width], vec![]);
        let of_token = graph.mul(&tokens, &width);
        let within = graph.node("Sub", [&indices, &of_token], vec![]);
        Likeliest { logarithms, tokens, parents: graph.add(&within, &search.first_rows) }
    }

    /// The tokens of the answers that are continued, `[B, K, M]`.
    fn continued(
        &self,
        graph: &mut Graph,
        search: &Search,
        step: &Value,
        likeliest: &Likeliest,
    ) -> Value {
        let merged = graph.ints(&[-1]);
        let length = graph.unsqueeze(&search.max_length, 0);
        let shape = graph.concat(&[merged, length], 0);
        let all = graph.node("Reshape", [&self.tokens, &shape], vec![]);
        let axis = vec![attribute::int("axis", 0)];
        let before = graph.node("Gather", [&all, &likeliest.parents], axis);
        let is_next = graph.node("Equal", [&search.positions, step], vec![]);
        let next = graph.unsqueeze(&likeliest.tokens, 2);
        graph.node("Where", [&is_next, &next, &before], vec![])
    }

    /// Whether the search of any sample goes on, `bool` without dimensions.
    pub(super) fn is_any_running(&self, graph: &mut Graph) -> Value {
        let is_running = graph.node("Not", [&self.is_done], vec![]);
        let is_running = graph.cast(&is_running, DataType::Int64);
        let any = largest(graph, &is_running, 0);
        graph.cast(&any, DataType::Bool)
    }

    /// The best finished answer to each sample; if none is, the most likely one.
    pub(super) fn answers(&self, graph: &mut Graph, search: &Search) -> Answers {
        let never = graph.number(f64::NEG_INFINITY, search.dtype);
        let is_finished = graph.node("Greater", [&self.best_score, &never], vec![]);
        let length = &search.max_length;
        let lengths = graph.node("Where", [&is_finished, &self.best_length, length], vec![]);
        let divisor = search.divisor(graph, &self.best_length);
        let of_finished = graph.mul(&self.best_score, &divisor);
        let of_likeliest = largest(graph, &self.logarithms, 1);
        let log_probabilities =
            graph.node("Where", [&is_finished, &of_finished, &of_likeliest], vec![]);
        let likeliest = likeliest_row(graph, &self.logarithms, &self.tokens);
        let column = graph.unsqueeze(&is_finished, 1);
        let tokens = graph.node("Where", [&column, &self.best, &likeliest], vec![]);
        let keep = vec![attribute::ints("axes", &[0]), attribute::int("keepdims", 1)];
        let longest = graph.node("ReduceMax", [&lengths], keep);
        let (start, axis) = (graph.ints(&[0]), graph.ints(&[1]));
        let tokens = graph.node("Slice", [&tokens, &start, &longest, &axis], vec![]);
        Answers { tokens, lengths, log_probabilities }
    }
}

/// Continuations of unfinished answers, each `[B, K]`, the most likely first.
struct Likeliest {
    logarithms: Value,
    tokens: Value,
    /// The row that each continues, among those of all samples.
    parents: Value,
}

/// One unfinished answer to each sample has the probability 1, the others 0: `[B, K]`.
fn first_logarithms(graph: &mut Graph, search: &Search) -> Value {
    let width = graph.ints(&[search.width as i64]);
    let rows = graph.range(&width);
    let [zero, never] = [0.0, f64::NEG_INFINITY].map(|number| graph.number(number, search.dtype));
    let first = graph.int(0);
    let is_first = graph.node("Equal", [&rows, &first], vec![]);
    let of_sample = graph.node("Where", [&is_first, &zero, &never], vec![]);
    let shape = graph.concat(&[search.batch.clone(), width], 0);
    graph.node("Expand", [&of_sample, &shape], vec![])
}

/// The type of a part of [`Beams`].
fn element(name: &str, search: &Search) -> DataType {
    match name {
        "logarithms" | "best_score" => search.dtype,
        "is_done" => DataType::Bool,
        _ => DataType::Int64,
    }
}

/// Of `tokens: [B, K, M]` those of the row with the largest score, `[B, M]`.
fn likeliest_row(graph: &mut Graph, scores: &Value, tokens: &Value) -> Value {
    let row = graph.node("ArgMax", [scores], vec![attribute::int("axis", 1)]);
    graph.node("GatherND", [tokens, &row], vec![attribute::int("batch_dims", 1)])
}

fn largest(graph: &mut Graph, values: &Value, axis: i64) -> Value {
    let attributes = vec![attribute::ints("axes", &[axis]), attribute::int("keepdims", 0)];
    graph.node("ReduceMax", [values], attributes)
}

/// Of each row.
fn sum(graph: &mut Graph, values: &Value) -> Value {
    let axis = graph.ints(&[1]);
    graph.node("ReduceSum", [values, &axis], vec![attribute::int("keepdims", 0)])
}

fn flat(graph: &mut Graph, values: &Value) -> Value {
    graph.reshape(values, &[-1])
}
