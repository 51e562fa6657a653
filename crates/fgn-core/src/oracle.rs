//! A cell over a whole sequence, written as plainly as can be: what every kernel is tested against.
//!
//! Run over `f64` it gives the values, over [`Dual`](crate::Dual) numbers their exact derivatives in
//! one direction. It keeps every step's arguments and is slow.

mod options;

pub use options::{Options, Real, Run, run};

use crate::{At, Cell, Form, Lane, Layout, Spec, Step};

/// The sizes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `T`: time steps.
    pub steps: usize,
    /// `B`: sequences in the batch.
    pub batch: usize,
    /// `I`: input features.
    pub input: usize,
    /// `H`: hidden units.
    pub hidden: usize,
}

/// What [`forward`] gives.
pub struct Forward<L> {
    /// `[T, B, H]`: the cell's output.
    pub output: Vec<L>,
    /// `[S, B, H]`: the states after the last step.
    pub states: Vec<L>,
    /// `[T, B, H]`: the arguments of every unit's every step.
    pub at: Vec<At<L>>,
}

/// What [`backward`] gives: the loss's derivatives.
pub struct Gradients {
    /// `[T, B, I]`: by the input.
    pub x: Vec<f64>,
    /// By the packed parameters, see [`Layout`].
    pub weights: Vec<f64>,
    /// `[S, B, H]`: by the initial states.
    pub states: Vec<f64>,
}

/// Runs `cell` over `x: [T, B, I]` with packed `weights` (see [`Layout`]) from the initial `states:
/// [S, B, H]`.
///
/// # Panics
/// If a slice has another length than the shape says.
pub fn forward<L: Lane, C: Cell>(
    cell: C,
    shape: Shape,
    x: &[L],
    weights: &[L],
    states: &[L],
) -> Forward<L> {
    let Shape { steps, batch, input, hidden } = shape;
    let form = Form::new(input, hidden);
    let rows = Rows::new(&C::SPEC, form);
    let vectors = vector_ranges(&C::SPEC, form);
    let mut states = states.to_vec();
    let mut run = Forward { output: Vec::new(), states: Vec::new(), at: Vec::new() };
    for t in 0..steps {
        let previous = states.clone();
        for b in 0..batch {
            let x = &x[(t * batch + b) * input..][..input];
            let h = previous.get(b * hidden..(b + 1) * hidden).unwrap_or(&[]);
            for unit in 0..hidden {
                let mut at = At::zero();
                for (pre, row) in at.pre.iter_mut().zip(rows.of_unit(unit)) {
                    for (place, value) in row.terms(x, h, true) {
                        *pre = value.mul_add(weights[place], *pre);
                    }
                }
                for (s, prev) in at.prev.iter_mut().take(C::SPEC.states.len()).enumerate() {
                    *prev = previous[(s * batch + b) * hidden + unit];
                }
                for (vector, range) in at.vectors.iter_mut().zip(&vectors) {
                    *vector = weights[range.start + unit];
                }
                let step = cell.step(&at);
                for (s, next) in step.next.iter().take(C::SPEC.states.len()).enumerate() {
                    states[(s * batch + b) * hidden + unit] = *next;
                }
                run.output.push(step.output);
                run.at.push(at);
            }
        }
    }
    run.states = states;
    run
}

/// The gradients of [`forward`], given the loss's derivatives by its output (`[T, B, H]`) and by its
/// final states (`[S, B, H]`): back-propagation through time.
///
/// # Panics
/// If a slice has another length than the shape says.
pub fn backward<C: Cell>(
    cell: C,
    shape: Shape,
    x: &[f64],
    weights: &[f64],
    run: &Forward<f64>,
    d_output: &[f64],
    d_states: &[f64],
) -> Gradients {
    let Shape { steps, batch, input, hidden } = shape;
    let form = Form::new(input, hidden);
    let rows = Rows::new(&C::SPEC, form);
    let vectors = vector_ranges(&C::SPEC, form);
    let mut d = Gradients {
        x: vec![0.0; x.len()],
        weights: vec![0.0; weights.len()],
        states: d_states.to_vec(),
    };
    for t in (0..steps).rev() {
        let d_next = std::mem::replace(&mut d.states, vec![0.0; d_states.len()]);
        for b in 0..batch {
            let first = (t * batch + b) * hidden;
            let x = &x[(t * batch + b) * input..][..input];
            let h: Vec<f64> = run.at[first..first + hidden].iter().map(|at| at.prev[0]).collect();
            for unit in 0..hidden {
                let mut d_step = Step { output: d_output[first + unit], next: At::zero().prev };
                for (s, next) in d_step.next.iter_mut().take(C::SPEC.states.len()).enumerate() {
                    *next = d_next[(s * batch + b) * hidden + unit];
                }
                let by = cell.grad(&run.at[first + unit], &d_step);
                for (&d_pre, row) in by.pre.iter().zip(rows.of_unit(unit)) {
                    for (place, value) in row.terms(x, &h, true) {
                        d.weights[place] += d_pre * value;
                    }
                    for (k, place) in row.input_weights().enumerate() {
                        d.x[(t * batch + b) * input + k] += d_pre * weights[place];
                    }
                    for (k, place) in row.hidden_weights().enumerate() {
                        d.states[b * hidden + k] += d_pre * weights[place];
                    }
                }
                for (s, &d_prev) in by.prev.iter().take(C::SPEC.states.len()).enumerate() {
                    d.states[(s * batch + b) * hidden + unit] += d_prev;
                }
                for (&d_vector, range) in by.vectors.iter().zip(&vectors) {
                    d.weights[range.start + unit] += d_vector;
                }
            }
        }
    }
    d
}

/// Where each block's rows of each tensor lie.
struct Rows {
    form: Form,
    /// For each block: its first number in weight_ih, weight_hh, bias_ih and bias_hh.
    blocks: Vec<[Option<usize>; 4]>,
}

/// The weights that one pre-activation of one unit is computed with.
struct Row {
    form: Form,
    unit: usize,
    places: [Option<usize>; 4],
}

impl Rows {
    fn new(spec: &Spec, form: Form) -> Self {
        let layout = Layout::of(spec, form);
        let find = |name, g, width| {
            let slot = layout.tensor(name)?;
            let place = slot.blocks.iter().position(|&block| block == g)?;
            Some(slot.offset + place * form.hidden * width)
        };
        let blocks = (0..spec.blocks.len())
            .map(|g| {
                [
                    find("weight_ih", g, form.input),
                    find("weight_hh", g, form.output()),
                    find("bias_ih", g, 1),
                    find("bias_hh", g, 1),
                ]
            })
            .collect();
        Self { form, blocks }
    }

    fn of_unit(&self, unit: usize) -> impl Iterator<Item = Row> {
        self.blocks.iter().map(move |&places| Row { form: self.form, unit, places })
    }
}

impl Row {
    fn input_weights(&self) -> std::ops::Range<usize> {
        Self::row(self.places[0], self.unit, self.form.input)
    }

    fn hidden_weights(&self) -> std::ops::Range<usize> {
        Self::row(self.places[1], self.unit, self.form.output())
    }

    /// Every parameter of the row, its biases among them if asked for, with what it is multiplied by.
    fn terms<L: Lane>(&self, x: &[L], h: &[L], biases: bool) -> impl Iterator<Item = (usize, L)> {
        let places = if biases { &self.places[2..] } else { &[] };
        let biases = places.iter().flatten().map(|place| (place + self.unit, L::one()));
        let input = self.input_weights().zip(x.iter().copied());
        biases.chain(input).chain(self.hidden_weights().zip(h.iter().copied()))
    }

    fn row(block: Option<usize>, unit: usize, width: usize) -> std::ops::Range<usize> {
        block.map_or(0..0, |first| first + unit * width..first + (unit + 1) * width)
    }
}

fn vector_ranges(spec: &Spec, form: Form) -> Vec<std::ops::Range<usize>> {
    let layout = Layout::of(spec, form);
    spec.vectors.iter().filter_map(|name| Some(layout.tensor(name)?.range())).collect()
}
