//! Baselines of recommendation: what a model must be better than to be worth its training.
//!
//! Each is a small file of its own and learns from the training part alone. All are measured over the same steps and
//! with the same metrics as the model, over the full ranking of all items.

pub(crate) mod baseline;
mod best_possible;
pub(crate) mod evaluate;
mod histories;
mod knn;
mod markov;
pub(crate) mod popularity;
pub(crate) mod recorder;
pub(crate) mod result;
pub(crate) mod standard;
#[cfg(test)]
mod testing;
