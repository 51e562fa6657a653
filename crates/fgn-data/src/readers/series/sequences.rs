//! Sequences of rows as samples.

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, Padded, Schema};

use super::store::Store;
use super::windows::Windows;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Forecast, Samples, check_indices};

/// Sequences, or windows of sequences, with a target each.
///
/// Beside the store of numbers there are, in memory, a few words for each sequence and for each piece of one:
/// the rows of a sequence need not follow each other, but should.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// The option that bounds the memory.
    pub(crate) memory: &'static str,
    pub(crate) schema: Schema,
    pub(crate) features: Vec<String>,
    pub(crate) store: Store,
    pub(crate) sequences: Vec<Sequence>,
    /// Of a forecast, whose samples are windows; else each sequence is a sample.
    pub(crate) windows: Option<Windows>,
    pub(crate) targets: Targets,
}

/// The rows of one id.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    pub(crate) id: Box<str>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) rows: usize,
}

/// Rows that follow each other in the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) first: u64,
    pub(crate) rows: usize,
}

/// What is to be predicted.
#[derive(Debug)]
pub(crate) enum Targets {
    /// Nothing is known.
    None,
    /// A class for each sequence.
    Classes(Vec<u32>),
    /// `width` values for each sequence.
    Values { width: usize, values: Vec<f64> },
    /// What follows each window.
    Ahead,
}

impl Series {
    /// The sequence of a sample, and its first row and number of rows there.
    fn rows_of(&self, index: usize) -> (usize, usize, usize) {
        match &self.windows {
            Some(windows) => {
                let (sequence, first) = windows.find(index);
                (sequence, first, windows.window)
            }
            None => (index, 0, self.sequences[index].rows),
        }
    }

    /// Appends the numbers of some rows of a sequence.
    fn numbers(
        &self,
        sequence: usize,
        first: usize,
        rows: usize,
        into: &mut Vec<f64>,
    ) -> Result<()> {
        let (mut skip, mut left) = (first, rows);
        for piece in &self.sequences[sequence].pieces {
            let here = piece.rows.saturating_sub(skip).min(left);
            if here > 0 {
                let read = self.store.read(piece.first + skip as u64, here, into);
                read.map_err(|source| spill_error(&self.name, self.memory, source))?;
            }
            skip = skip.saturating_sub(piece.rows);
            left -= here;
        }
        Ok(())
    }
}

impl Samples for Series {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.windows.as_ref().map_or(self.sequences.len(), Windows::count)
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn features(&self) -> &[String] {
        &self.features
    }

    fn title(&self, index: u32) -> String {
        let index = index as usize;
        if index >= self.len() {
            return index.to_string();
        }
        let (sequence, first, _) = self.rows_of(index);
        match (&self.windows, &*self.sequences[sequence].id) {
            (Some(_), "") => format!("rows from {}", first + 1),
            (Some(_), id) => format!("{id}, rows from {}", first + 1),
            (None, id) => id.to_owned(),
        }
    }

    fn forecast(&self) -> Option<Forecast> {
        let windows = self.windows.as_ref().filter(|windows| windows.ahead > 0)?;
        let (ahead, stride) = (windows.ahead, windows.stride);
        Some(Forecast { ahead, stride, features: windows.columns.clone() })
    }

    fn group(&self, index: u32) -> u32 {
        self.windows.as_ref().map_or(index, |windows| windows.find(index as usize).0 as u32)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let (batch, width) = (indices.len(), self.features.len());
        let samples: Vec<_> = indices.iter().map(|&index| self.rows_of(index as usize)).collect();
        let lengths: Vec<usize> = samples.iter().map(|&(_, _, rows)| rows).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let mut input = Vec::with_capacity(batch * steps * width);
        for (sample, &(sequence, first, rows)) in samples.iter().enumerate() {
            self.numbers(sequence, first, rows, &mut input)?;
            input.resize((sample + 1) * steps * width, 0.0);
        }
        let input = Tensor::from_vec(input, (batch, steps, width), device)?;
        let input = match self.windows {
            Some(_) => Padded::new(input),
            None => Padded::with_lengths(input, lengths)?,
        };
        let target = match (&self.targets, &self.windows) {
            (Targets::Classes(classes), _) => {
                let target: Vec<u32> = indices.iter().map(|&at| classes[at as usize]).collect();
                Tensor::from_vec(target, batch, device)?
            }
            (Targets::Values { width, values }, _) => {
                let row = |&at: &u32| values[at as usize * width..][..*width].iter().copied();
                let target: Vec<f64> = indices.iter().flat_map(row).collect();
                Tensor::from_vec(target, (batch, *width), device)?
            }
            (Targets::Ahead, Some(windows)) => {
                let (mut target, mut row) = (Vec::new(), Vec::with_capacity(width));
                for &(sequence, first, rows) in &samples {
                    row.clear();
                    let last = first + rows - 1;
                    self.numbers(sequence, last + windows.ahead, 1, &mut row)?;
                    target.extend(windows.columns.iter().map(|&column| row[column]));
                }
                Tensor::from_vec(target, (batch, windows.columns.len()), device)?
            }
            (Targets::None | Targets::Ahead, _) => Tensor::zeros(batch, DType::U32, device)?,
        };
        Ok(Batch::new(input, target))
    }

    /// The numbers were hashed while they were read; the rest is in memory.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(self.schema.target.names());
        content.names(&self.features);
        content.fingerprint(self.store.fingerprint());
        for Sequence { id, pieces, .. } in &self.sequences {
            content.names(&[id.to_string()]);
            content.number(pieces.len() as u64);
            for piece in pieces {
                content.number(piece.first);
                content.number(piece.rows as u64);
            }
        }
        match &self.targets {
            Targets::Classes(classes) => classes.iter().for_each(|&at| content.number(at.into())),
            Targets::Values { values, .. } => {
                values.iter().for_each(|value| content.bytes(&value.to_le_bytes()));
            }
            Targets::None | Targets::Ahead => {}
        }
        content.number(self.len() as u64);
        Ok(content.finish())
    }
}

/// What the temporary file's error means to people.
pub(crate) fn spill_error(name: &str, option: &'static str, source: std::io::Error) -> Error {
    let (file, folder) = (name.to_owned(), std::env::temp_dir());
    Error::Spill { file, option, folder, source }
}
