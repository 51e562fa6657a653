//! Gated recurrent cells run over whole sequences: one Candle operation, with its own backward.
//!
//! A recurrent layer written with tensor operations makes some twenty nodes a time step: slow, and a
//! graph that overflows the stack on long streams. Here [`sequence`] is **one node for a sequence of
//! any length**, for any cell of `fgn-core`: input projection, recurrence and bias inside, with
//! gradients by input, parameters and initial states.
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use fgn_core::{AnyCell, Layout};
//! use fgn_kernels::{Options, sequence};
//!
//! # fn main() -> candle_core::Result<()> {
//! let (steps, batch, input, hidden) = (50, 4, 3, 8);
//! let cell = AnyCell::FGN;
//! let parameters = Layout::new(cell.spec(), input, hidden).len();
//! let weights = Var::from_tensor(&Tensor::full(0.01_f32, parameters, &Device::Cpu)?)?;
//! let x = Tensor::ones((steps, batch, input), DType::F32, &Device::Cpu)?;
//! let states = Tensor::zeros((cell.spec().states.len(), batch, hidden), DType::F32, &Device::Cpu)?;
//!
//! let run = sequence(cell, &x, &weights, &states, &Options::default())?;
//! assert_eq!(run.output.dims(), [steps, batch, hidden]);
//! let gradients = run.output.sum_all()?.backward()?;
//! assert_eq!(gradients.get(&weights).unwrap().dims(), [parameters]);
//! # Ok(())
//! # }
//! ```
//!
//! For weights that stay as they are there is [`SequenceWeights`], which lays them out once for many calls.
//!
//! For streams whose inputs come in one by one there is [`Stream`]: single steps without a graph, from
//! weights packed once.
//!
//! [`trace`] runs a sequence to see what its gates do at every step.
//!
//! Beside them stands [`conv_relu_pool`], the image block of the article's network.
//!
//! # Speed
//! A binary for x86-64 holds kernels for AVX-512, for AVX2 with FMA and for any machine, one for AArch64
//! those for NEON and for any machine. It picks the widest that the machine has; the environment
//! variable `FGN_ISA` (`avx512`, `avx2`, `neon`, `portable`) forces one. Work is shared among as many
//! threads as rayon has: those that Candle keeps for its own operations, if they are as many, else those
//! of the rayon pool that the caller is in, or of the global one. Results do not depend on how many there
//! are.
//!
//! # On a GPU
//! With the feature `cuda` tensors may be on an NVIDIA GPU, in `f32`, `f64` or `bf16`: the same
//! [`sequence`], with all its options, from the same equations. See [`cuda`].
//!
//! # Unsafe
//! This is the only crate of the workspace with unsafe code: registers, and memory that threads write
//! in disjoint rows; with `cuda`, launches on a device; with `mimalloc`, an option of that allocator. Each
//! use says why it is sound.
#![allow(unsafe_code)]

mod checked;
mod conv;
mod cpu;
pub mod cuda;
#[cfg(feature = "mimalloc")]
mod memory;
mod options;
mod sequence;
mod sequence_weights;
#[cfg(test)]
mod settings;
mod stream;
mod trace;

pub use conv::conv_relu_pool;
pub use cpu::isa::Isa;
#[cfg(feature = "mimalloc")]
pub use memory::keep_freed_memory;
pub use options::{Dropout, Emit, Options};
pub use sequence::{Gate, Sequence, sequence};
pub use sequence_weights::SequenceWeights;
pub use stream::{Precision, Stream, StreamWeights};
pub use trace::{GateTrace, Trace, trace};

/// The machine's own ceilings, in the registers that the kernels use.
pub mod probe {
    pub use crate::cpu::probe::{multiply_adds, read};
}
