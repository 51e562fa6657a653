//! From sound to the features that a model reads: WAV files, sample rate conversion, spectral features. Everything
//! works on whole sounds, and on sounds that come in chunk by chunk, with the same result to the last bit.
//!
//! - [`files`]: sound files and raw samples, whole or in chunks.
//! - [`resampling`]: sample rate conversion.
//! - [`features`]: frames, STFT, mel filter banks, logarithm or PCEN, MFCC and deltas.
//!
//! The crate uses slices of `f32` and knows no tensors, so that it can be used alone:
//!
//! ```
//! use fgn_audio::features::{Features, FeaturesConfig};
//! use fgn_audio::{files, resampling};
//!
//! // A second of a tone at 8 kHz, as a WAV file.
//! let tone: Vec<f32> = (0..8_000).map(|at| (0.3 * at as f32).sin()).collect();
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("tone.wav");
//! std::fs::write(&path, files::to_wav(&tone, 8_000)?)?;
//!
//! // Files of up to 60 seconds are read; this one is brought to 16 kHz.
//! let sound = files::read(&path, 60.0)?;
//! let samples = resampling::resample(&sound.samples, sound.sample_rate, 16_000)?;
//! assert_eq!(samples.len(), 16_000);
//!
//! // 40 log mel bands every 10 ms, row by row.
//! let features = Features::new(&FeaturesConfig::default(), 16_000)?;
//! let values = features.compute(&samples)?;
//! assert_eq!(values.len(), features.steps(16_000) * 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
pub mod features;
pub mod files;
mod rates;
pub mod resampling;

pub use error::{Error, Result};
pub use rates::{SAMPLE_RATES, check_rate};
