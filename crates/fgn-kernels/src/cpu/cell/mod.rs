//! A cell's equations on vectors: its step and its gradient, over plain views of rows.
//!
//! Only these are compiled once for each cell. They know no pass and no thread; the passes call them for a tile at a
//! time, through [`equations::Equations`].

pub(crate) mod backward_rows;
pub(crate) mod context;
pub(crate) mod equations;
pub(crate) mod forward_rows;
mod gradient;
pub(crate) mod norm;
mod rules;
mod step;
pub(crate) mod units;
