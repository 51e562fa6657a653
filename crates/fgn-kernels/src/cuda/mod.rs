//! The backend for NVIDIA's GPUs.
//!
//! The equations are those of `fgn-core`, printed as C; [`source`] puts them into the hand-written
//! kernels of `template/`, which are compiled for the device when they are first needed. `forward.rs` and
//! `backward.rs` order launches and products, over any `Gpu`: the device is `device.rs`; in tests the
//! same kernels, built by the host's C compiler, run in a process that emulates a device (`emulated.rs`).

#[cfg(any(test, feature = "cuda"))]
pub(crate) mod backward;
#[cfg(feature = "cuda")]
mod device;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod forward;
#[cfg(any(test, feature = "cuda"))]
mod gpu;
#[cfg(any(test, feature = "cuda"))]
mod job;
#[cfg(feature = "cuda")]
pub(crate) mod op;
mod sizes;
mod source;
#[cfg(any(test, feature = "cuda"))]
mod strategy;

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod tests;

pub use source::{Number, source};
