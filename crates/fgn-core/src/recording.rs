//! A cell's step as a list of operations, for programs that write it in another language.
//!
//! ```
//! use fgn_core::AnyCell;
//! use fgn_core::recording::{Node, Operand, RecordedStep, Source};
//!
//! // h = tanh(pre): the step of a plain recurrent network.
//! let step = RecordedStep::new(AnyCell::RNN, false);
//! assert_eq!(step.nodes[0], Node::Source(Source::Pre(0)));
//! assert_eq!(step.nodes.len(), 2);
//! assert_eq!(step.output, Operand::Node(1));
//! assert_eq!(step.next, [Operand::Node(1)]);
//! ```

mod arena;
pub(crate) mod node;

pub use node::{Function, Node, Operand, RecordedStep, Source};

use crate::cell::{Cell, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, StepInput, StepOutput};
use crate::cells::{AnyCell, CellVisitor};
use arena::{Arena, Expression};

impl RecordedStep {
    /// The step of `cell`. If it is `normalized` and the cell has a memory, the output is computed from
    /// [`Source::NormalizedMemory`]. The memory itself, an entry of [`next`](Self::next), comes before that source.
    pub fn new(cell: AnyCell, normalized: bool) -> Self {
        cell.visit_or(Record { normalized }, |cell| cell.recorded(normalized))
    }
}

/// Records a cell's step, see [`RecordedStep::new`].
pub(crate) struct Record {
    pub(crate) normalized: bool,
}

impl CellVisitor for Record {
    type Output = RecordedStep;

    fn visit<C: Cell>(self, cell: C) -> RecordedStep {
        let arena = Arena::default();
        let mut input = input::<C>(&arena);
        let mut step = cell.step(&input);
        if self.normalized && C::SPEC.memory.is_some() {
            // The second step shares what it has in common with the first.
            input.normalized_memory = Some(arena.source(Source::NormalizedMemory));
            step = cell.step(&input);
        }
        let mut results = vec![step.output];
        results.extend(&step.next[..C::SPEC.states.len()]);
        let (nodes, mut results) = arena.finish(&results);
        let next = results.split_off(1);
        // There is one result before the states.
        let output = results.first().copied().unwrap_or(Operand::Constant(0.0));
        RecordedStep { nodes, output, next }
    }
}

/// The nodes of `cell`'s step, its output and then its states.
pub(crate) fn step<C: Cell>(cell: C, normalized: bool) -> (Vec<Node>, Vec<Operand>) {
    let arena = Arena::default();
    let step = cell.step(&arguments::<C>(&arena, normalized));
    let mut results = vec![step.output];
    results.extend(&step.next[..C::SPEC.states.len()]);
    arena.finish(&results)
}

/// The nodes of `cell`'s gradient, and its parts: with respect to the blocks, the states and the vectors, and to the
/// normalised memory if there is one.
pub(crate) fn gradient<C: Cell>(cell: C, normalized: bool) -> (Vec<Node>, Vec<Operand>) {
    let arena = Arena::default();
    let mut d = StepOutput {
        output: arena.source(Source::OutputGradient),
        next: [Expression::ZERO; MAX_STATES],
    };
    fill(&arena, Source::NextGradient, &mut d.next[..C::SPEC.states.len()]);
    let grad = cell.grad(&arguments::<C>(&arena, normalized), &d);
    let mut results = grad.pre[..C::SPEC.blocks.len()].to_vec();
    results.extend(&grad.prev[..C::SPEC.states.len()]);
    results.extend(&grad.vectors[..C::SPEC.vectors.len()]);
    results.extend(grad.normalized_memory);
    arena.finish(&results)
}

fn arguments<C: Cell>(arena: &Arena, normalized: bool) -> StepInput<Expression<'_>> {
    let normalized_memory = normalized.then(|| arena.source(Source::NormalizedMemory));
    StepInput { normalized_memory, ..input::<C>(arena) }
}

fn input<C: Cell>(arena: &Arena) -> StepInput<Expression<'_>> {
    let mut input = StepInput {
        pre: [Expression::ZERO; MAX_BLOCKS],
        activated: false,
        prev: [Expression::ZERO; MAX_STATES],
        vectors: [Expression::ZERO; MAX_VECTORS],
        normalized_memory: None,
    };
    fill(arena, Source::Pre, &mut input.pre[..C::SPEC.blocks.len()]);
    fill(arena, Source::Prev, &mut input.prev[..C::SPEC.states.len()]);
    fill(arena, Source::Vector, &mut input.vectors[..C::SPEC.vectors.len()]);
    input
}

fn fill<'a>(arena: &'a Arena, source: fn(usize) -> Source, entries: &mut [Expression<'a>]) {
    for (n, entry) in entries.iter_mut().enumerate() {
        *entry = arena.source(source(n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;

    /// The values of the output and the states, by the operations as they are listed.
    fn evaluate(step: &RecordedStep, source: impl Fn(Source, &[f64]) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = Vec::new();
        for node in &step.nodes {
            let value = match node {
                Node::Source(of) => source(*of, &values),
                Node::Call(function, operands) => {
                    let at = |index: usize| of(operands[index], &values);
                    match function {
                        Function::Add => at(0) + at(1),
                        Function::Sub => at(0) - at(1),
                        Function::Mul => at(0) * at(1),
                        Function::Div => at(0) / at(1),
                        Function::Neg => -at(0),
                        Function::MulAdd => at(0) * at(1) + at(2),
                        Function::Tanh => at(0).tanh(),
                        Function::Sigmoid => at(0).sigmoid(),
                        Function::Exp => at(0).exp(),
                        Function::LogSigmoid => at(0).log_sigmoid(),
                        Function::Binary => at(0).binary(),
                        Function::MinOr => at(0).min_or(at(1)),
                        Function::MaxOr => at(0).max_or(at(1)),
                    }
                }
            };
            values.push(value);
        }
        [step.output].iter().chain(&step.next).map(|&result| of(result, &values)).collect()
    }

    fn of(operand: Operand, values: &[f64]) -> f64 {
        match operand {
            Operand::Constant(number) => number,
            Operand::Node(index) => values[index],
        }
    }

    const PRE: [f64; MAX_BLOCKS] = [0.3, -1.1, 0.7, 0.2, -0.4, 0.9];
    const PREV: [f64; MAX_STATES] = [0.5, -0.6, 0.8, 0.1];
    const VECTORS: [f64; MAX_VECTORS] = [0.4, -0.2, 1.3];

    struct Check {
        recorded: RecordedStep,
        normalized: bool,
    }

    impl CellVisitor for Check {
        type Output = ();

        fn visit<C: Cell>(self, cell: C) {
            let spec = &C::SPEC;
            let mut input = StepInput::new(
                &PRE[..spec.blocks.len()],
                &PREV[..spec.states.len()],
                &VECTORS[..spec.vectors.len()],
            );
            let mut expected = cell.step(&input);
            // Twice the memory stands for its normalisation.
            if let Some(memory) = spec.memory.filter(|_| self.normalized) {
                input.normalized_memory = Some(2.0 * expected.next[memory]);
                expected = cell.step(&input);
            }
            let found = evaluate(&self.recorded, |source, values| match source {
                Source::Pre(n) => PRE[n],
                Source::Prev(n) => PREV[n],
                Source::Vector(n) => VECTORS[n],
                Source::NormalizedMemory => {
                    2.0 * of(self.recorded.next[spec.memory.unwrap()], values)
                }
                _ => panic!("{source:?} in a step"),
            });
            let states = &expected.next[..spec.states.len()];
            for (found, expected) in found.iter().zip([expected.output].iter().chain(states)) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
            assert_eq!(found.len(), 1 + states.len());
        }
    }

    #[test]
    fn the_operations_compute_what_the_step_does() {
        for cell in AnyCell::all() {
            for normalized in [false, true] {
                let recorded = RecordedStep::new(cell, normalized);
                cell.visit(Check { recorded, normalized });
            }
        }
    }

    #[test]
    fn operations_that_nothing_needs_are_left_out() {
        for cell in AnyCell::all() {
            let step = RecordedStep::new(cell, true);
            let mut read = vec![false; step.nodes.len()];
            let calls = step.nodes.iter().filter_map(|node| match node {
                Node::Call(_, operands) => Some(operands),
                Node::Source(_) => None,
            });
            let results = [step.output].into_iter().chain(step.next.iter().copied());
            for operand in calls.flatten().copied().chain(results) {
                if let Operand::Node(index) = operand {
                    read[index] = true;
                }
            }
            assert!(read.iter().all(|&read| read), "{cell}");
        }
    }
}
