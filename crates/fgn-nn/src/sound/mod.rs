//! Models that read sounds as they come in.

mod detector;
mod stream;
mod transcriber;

pub use detector::{Detection, Detector, DetectorOptions};
pub use stream::{SoundStep, SoundStream};
pub use transcriber::{Label, Transcriber};

#[cfg(test)]
mod tests;
