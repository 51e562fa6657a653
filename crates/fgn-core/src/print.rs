//! A cell's equations as C source, for a host compiler and for CUDA's.
//!
//! ```
//! use fgn_core::{AnyCell, print};
//!
//! let source = print::functions(AnyCell::LSTM, "lstm");
//! assert!(source.contains("lstm_step("));
//! ```
//!
//! For a prefix `p`, [`functions`] returns the functions below. Each array has the entries of the cell's
//! [`Spec`](crate::Spec), in its order; a pointer to an array without entries may be null.
//!
//! ```c
//! void p_step(const real *pre, const real *prev, const real *vectors, const real *memory,
//!             real *output, real *next);
//! void p_grad(const real *pre, const real *prev, const real *vectors, const real *memory,
//!             real d_output, const real *d_next,
//!             real *d_pre, real *d_prev, real *d_vectors, real *d_memory);
//! ```
//!
//! For a cell with a memory there is a second pair, `p_step_normalized` and `p_grad_normalized`, which computes the
//! output from `memory` ([`StepInput::normalized_memory`](crate::StepInput::normalized_memory)). Only this pair reads `memory` and writes `d_memory`.

use std::fmt::Write as _;

use crate::cell::Cell;
use crate::cells::{AnyCell, CellVisitor};
use crate::recording::{self, Function, Node, Operand, Source};

/// The definitions that the printed functions need, to stand once before them: the type `real` (`float`, or `double`
/// if `FGN_DOUBLE` is defined) and the functions of a [`Lane`](crate::Lane).
///
/// A host compiler needs `#include <math.h>` before it.
pub const PRELUDE: &str = include_str!("print/prelude.h");

/// The C source of `cell`'s step and gradient, in functions whose names begin with `prefix`.
pub fn functions(cell: AnyCell, prefix: &str) -> String {
    cell.visit_or(Functions(prefix), |cell| cell.functions(prefix))
}

/// The statements of `cell`'s step alone, for a function that has the arguments of `p_step`, or with `normalized`
/// those of `p_step_normalized`. It is what a program needs that runs the cell and does not
/// train it. Only the arguments whose entries the text names are read.
///
/// ```
/// use fgn_core::{AnyCell, print};
///
/// let body = print::step_body(AnyCell::LSTM, false);
/// assert!(body.contains("pre[3]") && body.contains("next[1] = "));
/// assert!(!body.contains("vectors[0]"), "an LSTM has none");
/// ```
///
/// For a cell without a memory, `normalized` changes nothing.
pub fn step_body(cell: AnyCell, normalized: bool) -> String {
    cell.visit_or(StepBody { normalized }, |cell| cell.step_body(normalized))
}

/// Prints what [`step_body`] does.
pub(crate) struct StepBody {
    pub(crate) normalized: bool,
}

impl CellVisitor for StepBody {
    type Output = String;

    fn visit<C: Cell>(self, cell: C) -> String {
        step(cell, self.normalized && C::SPEC.memory.is_some())
    }
}

/// Prints what [`functions`] does, with that prefix.
pub(crate) struct Functions<'a>(pub(crate) &'a str);

impl CellVisitor for Functions<'_> {
    type Output = String;

    fn visit<C: Cell>(self, cell: C) -> String {
        let Self(prefix) = self;
        let mut source = String::new();
        let forms: &[_] = if C::SPEC.memory.is_some() { &[false, true] } else { &[false] };
        for &normalized in forms {
            let suffix = if normalized { "_normalized" } else { "" };
            // Writing to a string does not fail.
            let _ = write!(
                source,
                "FGN_FUNCTION void {prefix}_step{suffix}(const real *pre, const real *prev, const real *vectors,\n    \
                 const real *memory, real *output, real *next) {{\n{}}}\n\n\
                 FGN_FUNCTION void {prefix}_grad{suffix}(const real *pre, const real *prev, const real *vectors,\n    \
                 const real *memory, real d_output, const real *d_next,\n    \
                 real *d_pre, real *d_prev, real *d_vectors, real *d_memory) {{\n{}}}\n\n",
                step(cell, normalized),
                gradient(cell, normalized),
            );
        }
        source
    }
}

fn step<C: Cell>(cell: C, normalized: bool) -> String {
    let mut places = vec!["*output".to_owned()];
    places.extend(entries("next", C::SPEC.states.len()));
    body(recording::step(cell, normalized), &places)
}

fn gradient<C: Cell>(cell: C, normalized: bool) -> String {
    let mut places = entries("d_pre", C::SPEC.blocks.len());
    places.extend(entries("d_prev", C::SPEC.states.len()));
    places.extend(entries("d_vectors", C::SPEC.vectors.len()));
    places.push("*d_memory".to_owned());
    body(recording::gradient(cell, normalized), &places)
}

/// The body of a function that writes the results to `places`: one temporary for each operation.
fn body((nodes, results): (Vec<Node>, Vec<Operand>), places: &[String]) -> String {
    let mut names: Vec<String> = Vec::with_capacity(nodes.len());
    let mut body = String::new();
    for (index, node) in nodes.iter().enumerate() {
        names.push(match node {
            Node::Source(source) => source_name(*source),
            Node::Call(function, operands) => {
                // Writing to a string does not fail.
                let _ = writeln!(
                    body,
                    "    const real t{index} = {};",
                    call(*function, operands, &names)
                );
                format!("t{index}")
            }
        });
    }
    for (place, result) in places.iter().zip(results) {
        let _ = writeln!(body, "    {place} = {};", name(result, &names));
    }
    body
}

fn source_name(source: Source) -> String {
    match source {
        Source::Pre(n) => format!("pre[{n}]"),
        Source::Prev(n) => format!("prev[{n}]"),
        Source::Vector(n) => format!("vectors[{n}]"),
        Source::NormalizedMemory => "*memory".to_owned(),
        Source::OutputGradient => "d_output".to_owned(),
        Source::NextGradient(n) => format!("d_next[{n}]"),
    }
}

/// The function of the operands, put for its pattern's `$`s in turn.
fn call(function: Function, operands: &[Operand], names: &[String]) -> String {
    let mut parts = pattern(function).split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (operand, part) in operands.iter().zip(parts) {
        text += &name(*operand, names);
        text += part;
    }
    text
}

fn pattern(function: Function) -> &'static str {
    match function {
        Function::Add => "$ + $",
        Function::Sub => "$ - $",
        Function::Mul => "$ * $",
        Function::Div => "$ / $",
        Function::Neg => "-$",
        Function::MulAdd => "fgn_mul_add($, $, $)",
        Function::Tanh => "fgn_tanh($)",
        Function::Sigmoid => "fgn_sigmoid($)",
        Function::Exp => "fgn_exp($)",
        Function::LogSigmoid => "fgn_log_sigmoid($)",
        Function::Binary => "fgn_binary($)",
        Function::MinOr => "fgn_min_or($, $)",
        Function::MaxOr => "fgn_max_or($, $)",
    }
}

fn name(operand: Operand, names: &[String]) -> String {
    match operand {
        Operand::Constant(number) => format!("(real){number:e}"),
        Operand::Node(index) => names[index].clone(),
    }
}

fn entries(array: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{array}[{n}]")).collect()
}
