//! The equations of gated recurrent cells, as pure functions over numbers.
//!
//! A recurrent cell reads one step of a sequence, updates its state, and outputs a vector. This crate defines *what*
//! each cell computes and nothing else: no tensors, no devices, no threads. The crates above it run a cell over a
//! sequence (`fgn-kernels`) and build models from cells (`fgn-nn`).
//!
//! A [`Cell`] consists of
//! - its [`Spec`]: the pre-activation blocks of width `H`, the states that pass from step to step, and the trained
//!   per-unit vectors;
//! - two pure functions for one unit at one step: [`Cell::step`] and its gradient [`Cell::grad`].
//!
//! ```
//! use fgn_core::{Cell, StepInput, cells::Lstm};
//!
//! // One unit, one step: the pre-activations of the gates i, f, g, o, and the states h and c.
//! let input = StepInput::new(&[0.3, 1.0, -0.7, 0.2], &[0.0, 0.5], &[]);
//! let step = Lstm.step(&input);
//! let [h, c] = [step.next[0], step.next[1]];
//! assert_eq!(step.output, h);
//! assert!(h.abs() < 1.0 && c.abs() < 1.5);
//! ```
//!
//! Both functions are written once, over any [`Lane`]. The lane decides what the text becomes:
//!
//! | lane | becomes |
//! |---|---|
//! | `f64` | the oracle (feature `oracle`), which all kernels are tested against |
//! | [`Dual`] | the exact derivative of a step, which checks the hand-written gradient |
//! | a SIMD vector | a CPU kernel, in `fgn-kernels` |
//! | an expression ([`recording`]) | a list of operations, for ONNX in `fgn-onnx`; C source by [`print`](mod@print) |
//!
//! [`AnyCell`] is a cell that is chosen at run time, by a configuration file, say. A cell of one's own implements
//! [`Cell`], whose documentation has an example. Registered by `fgn_kernels::register`, it is an [`AnyCell`] too.
#![forbid(unsafe_code)]

mod cell;
pub mod cells;
mod dual;
mod lane;
mod layout;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod print;
pub mod recording;
mod register;
mod sequence_shape;
mod spec;

pub use cell::{Cell, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, StepInput, StepOutput};
pub use cells::{AnyCell, CellVisitor};
pub use dual::Dual;
pub use lane::Lane;
pub use layout::{LayerShape, Layout, Norm, TensorSlot};
pub use register::{RegisterError, register};
pub use sequence_shape::SequenceShape;
pub use spec::{Activation, Block, Feed, Role, Spec};
