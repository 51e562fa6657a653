//! Image files as samples, decoded when a batch asks for them.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use fgn_schema::{Batch, Schema};
use rayon::prelude::*;

use super::picture::Picture;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Samples, check_indices};

/// Image files of one size.
#[derive(Debug)]
pub(super) struct ImageFiles {
    pub(super) name: String,
    pub(super) schema: Schema,
    pub(super) picture: Picture,
    pub(super) files: Vec<PathBuf>,
    pub(super) titles: Vec<String>,
    pub(super) labels: Vec<u32>,
    /// The decoded images, where all fit in memory; else empty.
    pub(super) decoded: Vec<OnceLock<Box<[u8]>>>,
    /// Computed when it is first asked for.
    pub(super) fingerprint: OnceLock<Fingerprint>,
}

impl ImageFiles {
    fn pixels(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let decode = || self.picture.read(&self.files[index]);
        let Some(decoded) = self.decoded.get(index) else {
            return Ok(Cow::Owned(decode()?));
        };
        if let Some(pixels) = decoded.get() {
            return Ok(Cow::Borrowed(pixels));
        }
        let pixels = decode()?;
        Ok(Cow::Borrowed(decoded.get_or_init(|| pixels.into())))
    }
}

impl Samples for ImageFiles {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        self.titles.get(index as usize).cloned().unwrap_or_else(|| index.to_string())
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let all = indices.par_iter().map(|&index| self.pixels(index as usize));
        let all = all.collect::<Result<Vec<_>>>()?;
        let labels: Vec<u32> = indices.iter().map(|&index| self.labels[index as usize]).collect();
        let target = Tensor::from_vec(labels, indices.len(), device)?;
        Ok(Batch::new(self.picture.input(&all, device)?, target))
    }

    /// Of the files' bytes, so that nothing is decoded.
    fn fingerprint(&self) -> Result<Fingerprint> {
        if let Some(&known) = self.fingerprint.get() {
            return Ok(known);
        }
        let files = self.files.par_iter().map(|file| {
            let unreadable = |source| Error::Read { file: file.display().to_string(), source };
            let mut content = Fingerprinter::new();
            content.bytes(&fs::read(file).map_err(unreadable)?);
            Ok(content.finish())
        });
        let mut content = Fingerprinter::new();
        content.names(self.schema.target.names());
        for (file, &label) in files.collect::<Result<Vec<_>>>()?.into_iter().zip(&self.labels) {
            content.fingerprint(file);
            content.number(label.into());
        }
        Ok(*self.fingerprint.get_or_init(|| content.finish()))
    }
}
