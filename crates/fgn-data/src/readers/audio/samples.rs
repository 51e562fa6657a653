//! Sounds as samples, wherever they come from.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, Padded, Schema, TargetSchema};
use rayon::prelude::*;

use crate::error::Result;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Samples, check_indices};
use crate::text::samples::padded;

/// Where sounds come from: files, or a generator. Every index is one below [`len`](Source::len).
pub(crate) trait Source: Debug + Send + Sync {
    /// How many sounds there are.
    fn len(&self) -> usize;

    /// The samples of a sound, at least one.
    ///
    /// # Errors
    /// Whatever reading them gives.
    fn sound(&self, index: usize) -> Result<Vec<f32>>;

    /// The class of a sound, or the tokens of its text; where the schema has a target.
    ///
    /// # Errors
    /// Whatever reading them gives.
    fn target(&self, index: usize) -> Result<Vec<u32>>;

    /// What a sound is called.
    fn title(&self, index: usize) -> String;

    /// The group of a sound: by default each is a group of its own.
    fn group(&self, index: usize) -> u32 {
        index as u32
    }

    /// Adds all sounds and targets to a fingerprint.
    fn fingerprint(&self, content: &mut Fingerprinter);
}

/// Sounds as samples.
#[derive(Debug)]
pub(crate) struct SoundSamples {
    name: String,
    schema: Schema,
    source: Arc<dyn Source>,
}

impl SoundSamples {
    /// The sounds of `source`, which are at least one and at most `u32::MAX`.
    pub(crate) fn new(name: &str, schema: Schema, source: Arc<dyn Source>) -> SoundSamples {
        SoundSamples { name: name.to_owned(), schema, source }
    }
}

impl Samples for SoundSamples {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        match (index as usize) < self.len() {
            true => self.source.title(index as usize),
            false => index.to_string(),
        }
    }

    fn group(&self, index: u32) -> u32 {
        match (index as usize) < self.len() {
            true => self.source.group(index as usize),
            false => index,
        }
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let sounds = indices.par_iter().map(|&index| self.source.sound(index as usize));
        let sounds = sounds.collect::<Result<Vec<_>>>()?;
        let lengths: Vec<usize> = sounds.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut all = Vec::with_capacity(sounds.len() * longest);
        for (at, sound) in (1..).zip(sounds) {
            all.extend(sound);
            all.resize(at * longest, 0.0);
        }
        let input = Tensor::from_vec(all, (indices.len(), longest), device)?;
        let input = Padded::with_lengths(input, lengths)?;
        let targets = || indices.iter().map(|&index| self.source.target(index as usize));
        let target = match self.schema.target {
            TargetSchema::Class { .. } => {
                let classes = targets().collect::<Result<Vec<_>>>()?.concat();
                Tensor::from_vec(classes, indices.len(), device)?.into()
            }
            TargetSchema::Sequence { .. } => {
                padded(&targets().collect::<Result<Vec<_>>>()?, device)?
            }
            _ => Tensor::zeros(indices.len(), DType::U32, device)?.into(),
        };
        Ok(Batch::new(input, target))
    }

    /// The sounds were hashed while they were read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(self.schema.target.names());
        content.names(&[self.schema.input.to_string()]);
        self.source.fingerprint(&mut content);
        Ok(content.finish())
    }
}
