//! How tokens are chosen and computed, for the commands that generate text.

use clap::{Args, ValueEnum};
use fgn_nn::{Precision, Sampler, SamplerOptions};

use crate::error::Result;

/// The temperature where none is given. Images are samples of the model's own distribution.
const OF_TEXTS: f64 = 0.8;
const OF_IMAGES: f64 = 1.0;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SamplingArgs {
    /// Divides the logits: below 1 for what is likely, above 1 for variety; 0 takes the most likely token
    /// [default: 0.8; of images 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Choose among the K most likely tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Choose among the most likely tokens whose probabilities sum to P only
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Choose among tokens at least P times as likely as the most likely one only
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Make the last 64 tokens less likely: above 1; 1 changes nothing
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    repetition_penalty: f64,
    /// Decides what is random: the same seed gives the same text or image
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The numbers that the recurrent weights are stored in: fewer bytes are read faster
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Weights::F32)]
    precision: Weights,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Weights {
    F32,
    Bf16,
    Int8,
}

impl Weights {
    pub(crate) fn precision(self) -> Precision {
        match self {
            Weights::F32 => Precision::F32,
            Weights::Bf16 => Precision::Bf16,
            Weights::Int8 => Precision::Int8,
        }
    }
}

impl SamplingArgs {
    /// A sampler of the text with that number, counted from 0.
    pub(crate) fn sampler(&self, text: u64) -> Result<Sampler> {
        self.sampler_with(self.temperature.unwrap_or(OF_TEXTS), text)
    }

    /// A sampler of the pixels of the image with that number, counted from 0.
    pub(crate) fn image_sampler(&self, image: u64) -> Result<Sampler> {
        self.sampler_with(self.temperature.unwrap_or(OF_IMAGES), image)
    }

    /// Whether the last tokens are made less likely.
    pub(crate) fn penalizes_repetition(&self) -> bool {
        self.repetition_penalty != 1.0
    }

    fn sampler_with(&self, temperature: f64, text: u64) -> Result<Sampler> {
        let Self { top_k, top_p, min_p, repetition_penalty, seed, .. } = *self;
        let options = SamplerOptions { repetition_penalty, temperature, top_k, top_p, min_p };
        Ok(Sampler::new(options, seed.wrapping_add(text))?)
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision.precision()
    }
}
