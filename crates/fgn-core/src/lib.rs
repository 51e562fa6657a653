//! The equations of gated recurrent cells, as pure functions over numbers.
//!
//! A recurrent cell reads one step of a stream, updates a memory, and puts out a vector. This crate
//! says *what* each cell computes, and nothing else: no tensors, no devices, no threads.
//! The crates above it decide how a cell is run over a sequence (`fgn-kernels`) and what a model
//! made of cells looks like (`fgn-nn`).
//!
//! A cell is described by
//! - its [`Spec`]: the pre-activation blocks of width `H` that it needs, the states it carries, and
//!   the per-unit vectors that it learns;
//! - two pure functions for one unit at one step: [`Cell::step`] and its gradient [`Cell::grad`].
//!
//! Both are written once, over any [`Lane`]: a plain `f64` makes them the [`oracle`] that all
//! kernels are tested against, a [`Dual`] number differentiates a step exactly, a SIMD
//! register makes them a kernel, an expression printer ([`print`](mod@print)) text for another compiler.
//!
//! ```
//! use fgn_core::{At, Cell, cells::Lstm};
//!
//! // One unit, one step: the pre-activations of the gates i, f, g, o, and the states m and c.
//! let at = At::new(&[0.3, 1.0, -0.7, 0.2], &[0.0, 0.5], &[]);
//! let step = Lstm.step(&at);
//! let [m, c] = [step.next[0], step.next[1]];
//! assert_eq!(step.output, m);
//! assert!(m.abs() < 1.0 && c.abs() < 1.5);
//! ```
//!
//! A cell chosen at run time, by a configuration file say, is an [`AnyCell`].
#![forbid(unsafe_code)]

mod cell;
pub mod cells;
mod dual;
mod lane;
mod layout;
pub mod oracle;
pub mod print;
mod spec;

pub use cell::{At, Cell, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, Step};
pub use cells::{AnyCell, CellVisitor};
pub use dual::Dual;
pub use lane::Lane;
pub use layout::{Form, Layout, Norm, TensorSlot};
pub use spec::{Block, Feed, Role, Spec, Squash};
