//! The forward pass over a whole sequence: [`pass::forward`].

mod block;
mod input;
pub(crate) mod output;
pub(crate) mod pass;
mod projection;
mod run;
mod step;
mod telemetry;
mod whole_rows;
