//! A cell's equations as text: functions in C, which a host compiler and CUDA's read alike.
//!
//! ```
//! use fgn_core::{AnyCell, print};
//!
//! let source = print::functions(AnyCell::LSTM, "lstm");
//! assert!(source.contains("lstm_step("));
//! ```
//!
//! [`functions`] gives, for a prefix `p`, what follows; each array has the places of the cell's
//! [`Spec`](crate::Spec), in its order, and a pointer of no place may be null.
//!
//! ```c
//! void p_step(const real *pre, const real *prev, const real *vectors, const real *seen,
//!             real *output, real *next);
//! void p_grad(const real *pre, const real *prev, const real *vectors, const real *seen,
//!             real d_output, const real *d_next,
//!             real *d_pre, real *d_prev, real *d_vectors, real *d_seen);
//! ```
//!
//! and the same with `_seen` behind the name for a cell with a memory, which reads the memory from `seen`
//! ([`At::seen`]); only these touch `seen` and `d_seen`.

mod expression;

use std::fmt::Write as _;

use crate::{AnyCell, At, Cell, CellVisitor, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, Step};
use expression::{Arena, Expression};

/// What the functions of [`functions`] call, to stand once before them: the type `real`, which is `float`,
/// or `double` where `FGN_DOUBLE` is defined, and a lane's functions.
///
/// A host's compiler needs `math.h` before it.
pub const PRELUDE: &str = include_str!("print/prelude.h");

/// The source of `cell`'s step and gradient as functions in C whose names begin with `prefix`.
pub fn functions(cell: AnyCell, prefix: &str) -> String {
    cell.visit(Functions(prefix))
}

struct Functions<'a>(&'a str);

impl CellVisitor for Functions<'_> {
    type Output = String;

    fn visit<C: Cell>(self, cell: C) -> String {
        let Self(prefix) = self;
        let mut source = String::new();
        let forms: &[_] = if C::SPEC.memory.is_some() { &[false, true] } else { &[false] };
        for &seen in forms {
            let suffix = if seen { "_seen" } else { "" };
            // Writing to a string does not fail.
            let _ = write!(
                source,
                "FGN_FUNCTION void {prefix}_step{suffix}(const real *pre, const real *prev, const real *vectors,\n    \
                 const real *seen, real *output, real *next) {{\n{}}}\n\n\
                 FGN_FUNCTION void {prefix}_grad{suffix}(const real *pre, const real *prev, const real *vectors,\n    \
                 const real *seen, real d_output, const real *d_next,\n    \
                 real *d_pre, real *d_prev, real *d_vectors, real *d_seen) {{\n{}}}\n\n",
                step(cell, seen),
                gradient(cell, seen),
            );
        }
        source
    }
}

fn step<C: Cell>(cell: C, seen: bool) -> String {
    let arena = Arena::default();
    let step = cell.step(&arguments::<C>(&arena, seen));
    let mut results = vec![("*output".to_owned(), step.output)];
    results.extend(named("next", &step.next[..C::SPEC.states.len()]));
    arena.body(&results)
}

fn gradient<C: Cell>(cell: C, seen: bool) -> String {
    let arena = Arena::default();
    let mut d = Step { output: arena.argument("d_output"), next: [Expression::ZERO; MAX_STATES] };
    fill(&arena, "d_next", &mut d.next[..C::SPEC.states.len()]);
    let by = cell.grad(&arguments::<C>(&arena, seen), &d);
    let mut results = named("d_pre", &by.pre[..C::SPEC.blocks.len()]);
    results.extend(named("d_prev", &by.prev[..C::SPEC.states.len()]));
    results.extend(named("d_vectors", &by.vectors[..C::SPEC.vectors.len()]));
    results.extend(by.seen.map(|d_seen| ("*d_seen".to_owned(), d_seen)));
    arena.body(&results)
}

/// The names of a step's arguments.
fn arguments<C: Cell>(arena: &Arena, seen: bool) -> At<Expression<'_>> {
    let mut at = At {
        pre: [Expression::ZERO; MAX_BLOCKS],
        squashed: false,
        prev: [Expression::ZERO; MAX_STATES],
        vectors: [Expression::ZERO; MAX_VECTORS],
        seen: seen.then(|| arena.argument("*seen")),
    };
    fill(arena, "pre", &mut at.pre[..C::SPEC.blocks.len()]);
    fill(arena, "prev", &mut at.prev[..C::SPEC.states.len()]);
    fill(arena, "vectors", &mut at.vectors[..C::SPEC.vectors.len()]);
    at
}

fn fill<'a>(arena: &'a Arena, array: &str, places: &mut [Expression<'a>]) {
    for (n, place) in places.iter_mut().enumerate() {
        *place = arena.argument(&format!("{array}[{n}]"));
    }
}

fn named<'a>(array: &str, numbers: &[Expression<'a>]) -> Vec<(String, Expression<'a>)> {
    numbers.iter().enumerate().map(|(n, &number)| (format!("{array}[{n}]"), number)).collect()
}
