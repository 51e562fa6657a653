//! The processes that `mpirun` starts, as a [`Group`](fgn_train::Group) that trains together.
//!
//! `start` starts MPI and gives this process's view of the group; a process that `mpirun` did not start is a group of its
//! own. Everything is behind the feature `mpi`, because building the bindings needs MPI's headers and libclang.
#![forbid(unsafe_code)]

#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use world::{Mpi, abort, start};
