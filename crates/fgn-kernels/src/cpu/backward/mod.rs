//! The backward pass over a whole sequence: [`pass::backward`].

mod block;
pub(crate) mod gradients;
mod input;
mod left;
pub(crate) mod pass;
mod projection;
mod rounded;
mod run;
mod step;
mod weight_gradient;
mod whole_rows;
