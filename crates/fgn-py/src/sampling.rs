//! How tokens and pixels are chosen, and by what weights they are computed.

use fgn_nn::{Precision, Sampler, SamplerOptions};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::errors::{error, wrong};

/// The options of a generation, as JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sampling {
    pub(crate) seed: u64,
    precision: String,
    pub(crate) threads: usize,
    options: SamplerOptions,
}

impl Sampling {
    pub(crate) fn parse(json: &str) -> PyResult<Sampling> {
        serde_json::from_str(json).map_err(error)
    }

    /// A sampler for the text or image of that number, counted from 0.
    pub(crate) fn sampler(&self, index: u64) -> PyResult<Sampler> {
        Sampler::new(self.options, self.seed.wrapping_add(index)).map_err(error)
    }

    pub(crate) fn precision(&self) -> PyResult<Precision> {
        precision(&self.precision)
    }
}

/// The numbers that weights are stored in, by their name.
pub(crate) fn precision(name: &str) -> PyResult<Precision> {
    match name {
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        "int8" => Ok(Precision::Int8),
        _ => Err(wrong("precision", format!("{name:?}"), "\"f32\", \"bf16\" or \"int8\"")),
    }
}
