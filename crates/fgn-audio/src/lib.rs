//! Sound to features.
//!
//! - [`files`]: sound files and raw samples, whole or in chunks.
//! - [`resampling`]: from one sample rate to another.
//! - [`features`]: frames, STFT, mel filter banks, logarithm or PCEN, MFCC, of whole signals and in streams.
#![forbid(unsafe_code)]

mod error;
pub mod features;
pub mod files;
mod rates;
pub mod resampling;

pub use error::{Error, Result};
pub use rates::{SAMPLE_RATES, check_rate};
