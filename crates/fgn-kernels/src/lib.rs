//! Gated recurrent cells over whole sequences: one Candle operation, with its own backward pass.
//!
//! A recurrent layer written with tensor operations makes some twenty graph nodes per time step: it is slow, and the
//! graph overflows the stack for long sequences. Here [`sequence`] is **one node for a sequence of any length**, for
//! any cell of `fgn-core`: input projection, recurrence and bias inside, with gradients with respect to the input, the
//! parameters and the initial states.
//!
//! ```
//! use candle_core::{DType, Device, Tensor, Var};
//! use fgn_core::{AnyCell, Layout};
//! use fgn_kernels::{SequenceOptions, sequence};
//!
//! # fn main() -> candle_core::Result<()> {
//! let (steps, batch, input, hidden) = (50, 4, 3, 8);
//! let cell = AnyCell::LSTM;
//! // All parameters of the layer are one flat vector; `Layout` has the offset of each tensor in it.
//! let parameters = Layout::new(cell.spec(), input, hidden).len();
//! let weights = Var::from_tensor(&Tensor::full(0.01_f32, parameters, &Device::Cpu)?)?;
//! let x = Tensor::ones((steps, batch, input), DType::F32, &Device::Cpu)?;
//! let states = Tensor::zeros((cell.spec().states.len(), batch, hidden), DType::F32, &Device::Cpu)?;
//!
//! let run = sequence(cell, &x, &weights, &states, &SequenceOptions::default())?;
//! assert_eq!(run.output.dims(), [steps, batch, hidden]);
//! let gradients = run.output.sum_all()?.backward()?;
//! assert_eq!(gradients.get(&weights).unwrap().dims(), [parameters]);
//! # Ok(())
//! # }
//! ```
//!
//! | for | use |
//! |---|---|
//! | training, and forward passes over whole sequences | [`sequence`] with [`SequenceOptions`] |
//! | many forward passes with the same weights | [`PackedWeights`], packed once |
//! | tensors of your own, or of another library | [`sequence_slices`]: the same run on slices, with its backward pass |
//! | a cell of your own | [`register`] |
//! | inputs that arrive one by one | [`LayerStreamWeights`] and [`LayerStream`]: single steps without a graph |
//! | the values of gates at every step | [`trace`](fn@trace) |
//! | a 3x3 convolution, ReLU and max-pooling as one operation | [`conv_relu_pool`] |
//! | what lies between the layers of a deep stack | [`rms_norm`], [`layer_norm`], [`gated`], [`causal_conv`], [`add_residual`], [`residual_block`] |
//! | one vector for a whole sequence | [`pool_mean`], [`pool_max`], [`pool_attention`] |
//! | the scores of very many items or tokens for one output | [`ScoreTable`] |
//! | the losses of targets against sampled items, with their gradients | [`sampled_losses`] |
//!
//! # Speed
//! A binary for x86-64 contains kernels for AVX-512, for AVX2 with FMA, and a scalar fallback. A binary for AArch64
//! contains kernels for NEON, and the fallback. The widest instruction set of the machine is selected at run time; the
//! environment variable `FGN_ISA` (`avx512`, `avx2`, `neon`, `portable`) forces one. Work is shared among as many
//! threads as rayon has. They are Candle's own threads if Candle has as many, otherwise those of the caller's rayon pool
//! or of the global one. Results do not depend on the number of threads.
//!
//! # bf16
//! With [`SequenceOptions::precision`], or tensors in `bf16`, operands of products are rounded to bf16. Machines with AMX
//! or AVX512-BF16 multiply such numbers faster; [`Bf16Engine`] says what this machine has, and `FGN_BF16` forces one.
//!
//! # GPU
//! With the feature `cuda`, tensors may be on an NVIDIA GPU, in `f32`, `f64` or `bf16`: the same [`sequence`] with all
//! its options, from the same equations. See [`cuda`].
//!
//! # Candle
//! Tensors are those of [`candle_core`], which is re-exported: your program must use the same version.
//!
//! # Unsafe code
//! This is the only crate of the workspace with unsafe code: SIMD loads and stores, and memory that threads write in
//! disjoint rows, and products by the crate `gemm`; with `cuda`, launches on a device; with `mimalloc`, an option of that allocator; and the instructions of AMX. Each block states
//! why it is sound.
#![allow(unsafe_code)]

#[cfg(feature = "mimalloc")]
mod allocator;
mod conv;
mod cpu;
pub mod cuda;
mod op;
mod packed_weights;
pub mod probe;
mod register;
mod rows;
mod run;
mod sampled;
mod scores;
mod simd;
mod slices;
mod storage;
mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trace;

#[cfg(feature = "mimalloc")]
pub use allocator::keep_freed_memory;
pub use candle_core;
pub use conv::conv_relu_pool;
pub use op::{SequenceOutput, sequence};
pub use packed_weights::PackedWeights;
pub use register::register;
pub use rows::{
    CausalConvOutput, GatedMlp, LinearMap, add_bias, add_residual, causal_conv, gated, layer_norm,
    pool_attention, pool_max, pool_mean, residual_block, rms_norm, zero_past,
};
pub use run::gate_statistics::GateStatistics;
pub use run::options::{Emit, HiddenDropout, SequenceOptions};
pub use run::precision::Precision;
pub use run::sampled_loss::SampledLoss;
pub use sampled::{SampledColumns, sampled_losses};
pub use scores::ScoreTable;
pub use simd::bf16::engine::Bf16Engine;
pub use simd::isa::Isa;
pub use slices::{
    SavedRun, SliceArguments, SliceDerivatives, SliceElement, SliceGradients, SliceRun,
    sequence_slices,
};
pub use stream::{LayerStream, LayerStreamWeights};
pub use trace::{GateTrace, Trace, trace};
