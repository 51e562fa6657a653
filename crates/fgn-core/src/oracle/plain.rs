use super::bf16::bf16;
use super::rows::{Rows, vector_ranges};
use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::layout::LayerShape;
use crate::sequence_shape::SequenceShape;

/// The result of [`forward`].
pub struct OracleForward<L> {
    /// `[T, B, H]`: the cell's output.
    pub output: Vec<L>,
    /// `[S, B, H]`: the states after the last step.
    pub states: Vec<L>,
    /// `[T, B, H]`: the input of every unit at every step.
    pub inputs: Vec<StepInput<L>>,
}

/// The result of [`backward`]: gradients of the loss.
pub struct OracleGradients {
    /// `[T, B, I]`: with respect to the input.
    pub x: Vec<f64>,
    /// With respect to the flat parameters, see [`Layout`](crate::Layout).
    pub weights: Vec<f64>,
    /// `[S, B, H]`: with respect to the initial states.
    pub states: Vec<f64>,
}

/// Runs `cell` over `x: [T, B, I]` with packed `weights` (see [`Layout`](crate::Layout)) from the initial `states:
/// [S, B, H]`.
///
/// # Panics
/// If a slice has a length other than that of the shape.
pub fn forward<L: Lane, C: Cell>(
    cell: C,
    shape: SequenceShape,
    x: &[L],
    weights: &[L],
    states: &[L],
) -> OracleForward<L> {
    let SequenceShape { steps, batch, input, hidden } = shape;
    let layer = LayerShape::new(input, hidden);
    let rows = Rows::new(&C::SPEC, layer);
    let vectors = vector_ranges(&C::SPEC, layer);
    let mut states = states.to_vec();
    let mut run = OracleForward { output: Vec::new(), states: Vec::new(), inputs: Vec::new() };
    for t in 0..steps {
        let previous = states.clone();
        for b in 0..batch {
            let x = &x[(t * batch + b) * input..][..input];
            let h = previous.get(b * hidden..(b + 1) * hidden).unwrap_or(&[]);
            for unit in 0..hidden {
                let mut unit_input = StepInput::zero();
                for (pre, row) in unit_input.pre.iter_mut().zip(rows.of_unit(unit)) {
                    for (index, value) in row.terms(x, h, true) {
                        *pre = value.mul_add(weights[index], *pre);
                    }
                }
                for (s, prev) in unit_input.prev.iter_mut().take(C::SPEC.states.len()).enumerate() {
                    *prev = previous[(s * batch + b) * hidden + unit];
                }
                for (vector, range) in unit_input.vectors.iter_mut().zip(&vectors) {
                    *vector = weights[range.start + unit];
                }
                let step = cell.step(&unit_input);
                for (s, next) in step.next.iter().take(C::SPEC.states.len()).enumerate() {
                    states[(s * batch + b) * hidden + unit] = *next;
                }
                run.output.push(step.output);
                run.inputs.push(unit_input);
            }
        }
    }
    run.states = states;
    run
}

/// The gradients of [`forward`] by back-propagation through time, given the gradients of the loss with respect to its
/// output, `d_output: [T, B, H]`, and to its final states, `d_states: [S, B, H]`.
///
/// # Panics
/// If a slice has a length other than that of the shape.
pub fn backward<C: Cell>(
    cell: C,
    shape: SequenceShape,
    x: &[f64],
    weights: &[f64],
    run: &OracleForward<f64>,
    d_output: &[f64],
    d_states: &[f64],
) -> OracleGradients {
    backward_rounded(cell, shape, [x, weights], run, [d_output, d_states], |number| number)
}

/// As [`backward`], of a run whose operands of products are rounded to bf16: so are those of the gradients' products,
/// with the derivatives of pre-activations among them. The gradients of biases have no product.
///
/// # Panics
/// If a slice has a length other than that of the shape.
pub fn backward_in_bf16<C: Cell>(
    cell: C,
    shape: SequenceShape,
    [x, weights]: [&[f64]; 2],
    run: &OracleForward<f64>,
    by: [&[f64]; 2],
) -> OracleGradients {
    backward_rounded(cell, shape, [x, weights], run, by, bf16)
}

/// The gradients, with `round` applied to every operand of a product.
fn backward_rounded<C: Cell>(
    cell: C,
    shape: SequenceShape,
    [x, weights]: [&[f64]; 2],
    run: &OracleForward<f64>,
    [d_output, d_states]: [&[f64]; 2],
    round: impl Fn(f64) -> f64,
) -> OracleGradients {
    let SequenceShape { steps, batch, input, hidden } = shape;
    let layer = LayerShape::new(input, hidden);
    let rows = Rows::new(&C::SPEC, layer);
    let vectors = vector_ranges(&C::SPEC, layer);
    let mut d = OracleGradients {
        x: vec![0.0; x.len()],
        weights: vec![0.0; weights.len()],
        states: d_states.to_vec(),
    };
    for t in (0..steps).rev() {
        let d_next = std::mem::replace(&mut d.states, vec![0.0; d_states.len()]);
        for b in 0..batch {
            let first = (t * batch + b) * hidden;
            let x: Vec<f64> =
                x[(t * batch + b) * input..][..input].iter().map(|&x| round(x)).collect();
            let inputs = &run.inputs[first..first + hidden];
            let h: Vec<f64> = inputs.iter().map(|input| round(input.prev[0])).collect();
            for unit in 0..hidden {
                let mut d_step =
                    StepOutput { output: d_output[first + unit], next: StepInput::zero().prev };
                for (s, next) in d_step.next.iter_mut().take(C::SPEC.states.len()).enumerate() {
                    *next = d_next[(s * batch + b) * hidden + unit];
                }
                let grad = cell.grad(&run.inputs[first + unit], &d_step);
                for (&d_pre, row) in grad.pre.iter().zip(rows.of_unit(unit)) {
                    for index in row.biases() {
                        d.weights[index] += d_pre;
                    }
                    let d_pre = round(d_pre);
                    for (index, value) in row.terms(&x, &h, false) {
                        d.weights[index] += d_pre * value;
                    }
                    for (k, index) in row.input_weights().enumerate() {
                        d.x[(t * batch + b) * input + k] += d_pre * round(weights[index]);
                    }
                    for (k, index) in row.hidden_weights().enumerate() {
                        d.states[b * hidden + k] += d_pre * round(weights[index]);
                    }
                }
                for (s, &d_prev) in grad.prev.iter().take(C::SPEC.states.len()).enumerate() {
                    d.states[(s * batch + b) * hidden + unit] += d_prev;
                }
                for (&d_vector, range) in grad.vectors.iter().zip(&vectors) {
                    d.weights[range.start + unit] += d_vector;
                }
            }
        }
    }
    d
}
