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
//! output from `memory` ([`StepInput::normalized_memory`]). Only this pair reads `memory` and writes `d_memory`.

mod expression;

use std::fmt::Write as _;

use crate::cell::{Cell, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, StepInput, StepOutput};
use crate::cells::{AnyCell, CellVisitor};
use expression::{Arena, Expression};

/// The definitions that the printed functions need, to stand once before them: the type `real` (`float`, or `double`
/// if `FGN_DOUBLE` is defined) and the functions of a [`Lane`](crate::Lane).
///
/// A host compiler needs `#include <math.h>` before it.
pub const PRELUDE: &str = include_str!("print/prelude.h");

/// The C source of `cell`'s step and gradient, in functions whose names begin with `prefix`.
pub fn functions(cell: AnyCell, prefix: &str) -> String {
    cell.visit(Functions(prefix))
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
    cell.visit(StepBody { normalized })
}

struct StepBody {
    normalized: bool,
}

impl CellVisitor for StepBody {
    type Output = String;

    fn visit<C: Cell>(self, cell: C) -> String {
        step(cell, self.normalized && C::SPEC.memory.is_some())
    }
}

struct Functions<'a>(&'a str);

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
    let arena = Arena::default();
    let step = cell.step(&arguments::<C>(&arena, normalized));
    let mut results = vec![("*output".to_owned(), step.output)];
    results.extend(named("next", &step.next[..C::SPEC.states.len()]));
    arena.body(&results)
}

fn gradient<C: Cell>(cell: C, normalized: bool) -> String {
    let arena = Arena::default();
    let mut d =
        StepOutput { output: arena.argument("d_output"), next: [Expression::ZERO; MAX_STATES] };
    fill(&arena, "d_next", &mut d.next[..C::SPEC.states.len()]);
    let grad = cell.grad(&arguments::<C>(&arena, normalized), &d);
    let mut results = named("d_pre", &grad.pre[..C::SPEC.blocks.len()]);
    results.extend(named("d_prev", &grad.prev[..C::SPEC.states.len()]));
    results.extend(named("d_vectors", &grad.vectors[..C::SPEC.vectors.len()]));
    results.extend(grad.normalized_memory.map(|d_memory| ("*d_memory".to_owned(), d_memory)));
    arena.body(&results)
}

/// The names of a step's arguments.
fn arguments<C: Cell>(arena: &Arena, normalized: bool) -> StepInput<Expression<'_>> {
    let mut input = StepInput {
        pre: [Expression::ZERO; MAX_BLOCKS],
        activated: false,
        prev: [Expression::ZERO; MAX_STATES],
        vectors: [Expression::ZERO; MAX_VECTORS],
        normalized_memory: normalized.then(|| arena.argument("*memory")),
    };
    fill(arena, "pre", &mut input.pre[..C::SPEC.blocks.len()]);
    fill(arena, "prev", &mut input.prev[..C::SPEC.states.len()]);
    fill(arena, "vectors", &mut input.vectors[..C::SPEC.vectors.len()]);
    input
}

fn fill<'a>(arena: &'a Arena, array: &str, entries: &mut [Expression<'a>]) {
    for (n, entry) in entries.iter_mut().enumerate() {
        *entry = arena.argument(&format!("{array}[{n}]"));
    }
}

fn named<'a>(array: &str, numbers: &[Expression<'a>]) -> Vec<(String, Expression<'a>)> {
    numbers.iter().enumerate().map(|(n, &number)| (format!("{array}[{n}]"), number)).collect()
}
