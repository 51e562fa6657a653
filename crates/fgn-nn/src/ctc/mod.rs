//! Connectionist temporal classification (CTC): sequences of labels from longer sequences of steps, without an
//! alignment of the two (Graves, Fernández, Gomez & Schmidhuber 2006).
//!
//! At each step a model gives probabilities of the labels and of one class more, the blank. A path is one class for
//! each step; the labels that it stands for are what is left of it after runs of one class became one, and then the
//! blanks are removed. The probability of a sequence of labels is the sum over all its paths.

mod alignment;
mod beam;
mod decode;
mod loss;
mod ngram;
mod op;
mod prefixes;
mod wide;

pub use beam::CtcBeamSearch;
pub use decode::{CtcDecoder, CtcLabel, ctc_greedy};
pub use loss::{CtcOptions, ctc_loss};
pub use ngram::NGram;
pub use prefixes::CtcHypothesis;
