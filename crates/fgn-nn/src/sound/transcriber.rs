//! Writing down a sound as it comes in.

use fgn_kernels::Precision;

use super::stream::{SoundStep, SoundStream};
use crate::ctc::CtcDecoder;
use crate::error::{Error, Result};
use crate::heads::HeadConfig;
use crate::model::Model;

/// Writes down a sound that comes in piece by piece, by a model with a [`Ctc`](crate::Ctc) head: the most likely label
/// of each step, without repetitions and blanks. What it has written stays as it is.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Audio, Ctc, Model, ModelConfig, Precision, RecurrentConfig};
///
/// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
/// let config = ModelConfig::new(Audio::new(8000), recurrent, Ctc::new(11));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut transcriber = model.transcriber(Precision::F32, 1)?;
/// let mut labels = Vec::new();
/// let mut each = |label| {
///     labels.push(label);
///     Ok(())
/// };
/// for piece in vec![0.1; 8000].chunks(160) {
///     transcriber.push(piece, &mut each)?;
/// }
/// transcriber.finish(&mut each)?;
/// assert!(labels.iter().all(|label: &fgn_nn::Label| label.token < 10 && label.time < 1.0));
/// # Ok::<(), fgn_nn::Error>(())
/// ```
pub struct Transcriber {
    stream: SoundStream,
    decoder: CtcDecoder,
}

/// A label that a [`Transcriber`] has written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Label {
    /// The label, a token of the model's answers.
    pub token: u32,
    /// The step at which the model wrote it, in seconds from the beginning of the sound. That is when it was sure: while
    /// the label is said, or shortly after.
    pub time: f64,
}

impl Model {
    /// A transcriber of one sound. The recurrent layer runs by `threads` threads on weights of that precision.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads sounds, in one direction, and has a head `ctc`; those of
    /// [`sound_stream`](Self::sound_stream).
    pub fn transcriber(&self, precision: Precision, threads: usize) -> Result<Transcriber> {
        let HeadConfig::Ctc(head) = &self.config().head else {
            let found = self.config().head.kind().to_owned();
            return Err(Error::Config { field: "head.kind", found, expected: "ctc".into() });
        };
        let stream = self.sound_stream(precision, threads)?;
        Ok(Transcriber { stream, decoder: CtcDecoder::new(head.vocabulary - 1) })
    }
}

impl Transcriber {
    /// Reads samples at the model's rate, from -1 to 1, and calls `each` for every label.
    ///
    /// # Errors
    /// As [`SoundStream::push`].
    pub fn push(
        &mut self,
        samples: &[f32],
        each: &mut dyn FnMut(Label) -> Result<()>,
    ) -> Result<()> {
        let (decoder, seconds) = (&mut self.decoder, self.stream.step_seconds());
        self.stream.push(samples, &mut |step| decode(decoder, step, seconds, each))
    }

    /// Ends the sound.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, each: &mut dyn FnMut(Label) -> Result<()>) -> Result<()> {
        let (decoder, seconds) = (&mut self.decoder, self.stream.step_seconds());
        self.stream.finish(&mut |step| decode(decoder, step, seconds, each))
    }

    /// Begins another sound.
    ///
    /// # Errors
    /// As [`SoundStream::reset`].
    pub fn reset(&mut self) -> Result<()> {
        self.decoder.reset();
        self.stream.reset()
    }
}

fn decode(
    decoder: &mut CtcDecoder,
    step: SoundStep<'_>,
    seconds: f64,
    each: &mut dyn FnMut(Label) -> Result<()>,
) -> Result<()> {
    match decoder.push(step.logits) {
        Some(token) => each(Label { token, time: step.index as f64 * seconds }),
        None => Ok(()),
    }
}
