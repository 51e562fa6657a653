//! Time series from a table: sequences of rows, told apart by an id column.

mod options;
mod read;
mod store;

use std::path::Path;

use candle_core::{Device, Tensor};

pub use options::{Missing, SeriesOptions, Task};

use self::store::Store;
use crate::samples::check_places;
use crate::{Batch, Error, Form, Progress, Result, Samples, Target};

/// Sequences of numbers with a target each, from a table of rows: a CSV file, or a Parquet file with
/// the feature `parquet`.
///
/// The table is read once, row by row, and every field checked. Its numbers are held in memory as long
/// as they fit ([`SeriesOptions::memory`]), else in a temporary file, from which a batch's rows are
/// read when they are asked for. Beside them stand, in memory, a few words for each sequence and for
/// each piece of one: the rows of a sequence need not follow each other, but should.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Samples, Series, SeriesOptions};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("steps.csv");
/// std::fs::write(&file, "who,x,y,kind\na,1,2,slow\na,3,4,slow\nb,5,6,fast\n")?;
///
/// let options = SeriesOptions {
///     id: Some("who".into()),
///     target: vec!["kind".into()],
///     ..SeriesOptions::default()
/// };
/// let series = Series::read(&file, &options, None, &mut |_| ())?;
/// assert_eq!(series.features(), ["x", "y"]);
/// let batch = series.batch(&[0, 1], &Device::Cpu)?;
/// assert_eq!(batch.lengths, Some(vec![2, 1]));
/// assert_eq!(batch.input.to_vec3::<f32>()?, [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]]);
/// assert_eq!(batch.target.to_vec1::<u32>()?, [1, 0]); // of the classes "fast" and "slow"
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Series {
    name: String,
    form: Form,
    features: Vec<String>,
    store: Store,
    sequences: Vec<Sequence>,
    targets: Targets,
}

/// What is known of a table before it is read, from the one that a model learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The columns that the numbers of a step come from, in their order.
    pub features: Vec<String>,
    /// What is told of a sample; without it, the table need not hold it, and [`Batch::target`] is empty
    /// of meaning: zeros. A window to forecast from then needs no row ahead of it.
    pub target: Option<Target>,
}

/// Some rows under one id.
#[derive(Debug, Default)]
struct Sequence {
    id: Box<str>,
    pieces: Vec<Piece>,
    rows: usize,
}

/// Rows that follow each other in the store.
#[derive(Clone, Copy, Debug)]
struct Piece {
    first: u64,
    rows: usize,
}

#[derive(Debug)]
enum Targets {
    /// Of each sequence.
    Classes(Vec<u32>),
    /// Of each sequence, `width` numbers each.
    Numbers {
        width: usize,
        numbers: Vec<f32>,
    },
    Windows(Windows),
}

/// Windows of the sequences, and the columns to forecast.
#[derive(Debug)]
struct Windows {
    window: usize,
    ahead: usize,
    stride: usize,
    columns: Vec<usize>,
    /// How many windows there are up to the end of each sequence.
    ends: Vec<usize>,
}

impl Series {
    /// Reads the table in `file` and checks every field, calling `progress` now and then. With `known`,
    /// the features and classes are those of the set that a model learned from.
    ///
    /// # Errors
    /// Options that fit no file; a file that cannot be read; a column that is missing; a row or field
    /// that is not as it should be, with its line and what was expected there.
    pub fn read(
        file: &Path,
        options: &SeriesOptions,
        known: Option<&Known>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Series> {
        read::read(file, options, known, progress)
    }

    /// What another table must have, to be told by a model that learned from this one.
    pub fn known(&self) -> Known {
        Known { features: self.features.clone(), target: Some(self.form.target.clone()) }
    }

    /// The sequence of a sample, and its first row and number of rows there.
    fn rows_of(&self, place: usize) -> (usize, usize, usize) {
        match &self.targets {
            Targets::Windows(windows) => {
                let (sequence, first) = windows.find(place);
                (sequence, first, windows.window)
            }
            _ => (place, 0, self.sequences[place].rows),
        }
    }

    /// Appends the numbers of some rows of a sequence.
    fn numbers(
        &self,
        sequence: usize,
        first: usize,
        rows: usize,
        into: &mut Vec<f32>,
    ) -> Result<()> {
        let (mut skip, mut left) = (first, rows);
        for piece in &self.sequences[sequence].pieces {
            let here = piece.rows.saturating_sub(skip).min(left);
            if here > 0 {
                let read = self.store.read(piece.first + skip as u64, here, into);
                read.map_err(|source| spilled(&self.name, source))?;
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
        match &self.targets {
            Targets::Windows(windows) => windows.ends.last().copied().unwrap_or(0),
            _ => self.sequences.len(),
        }
    }

    fn form(&self) -> &Form {
        &self.form
    }

    fn features(&self) -> &[String] {
        &self.features
    }

    fn title(&self, place: u32) -> String {
        let place = place as usize;
        if place >= self.len() {
            return place.to_string();
        }
        let (sequence, first, _) = self.rows_of(place);
        match (&self.targets, &*self.sequences[sequence].id) {
            (Targets::Windows(_), "") => format!("rows from {}", first + 1),
            (Targets::Windows(_), id) => format!("{id}, rows from {}", first + 1),
            (_, id) => id.to_owned(),
        }
    }

    fn group(&self, place: u32) -> u32 {
        match &self.targets {
            Targets::Windows(windows) => windows.find(place as usize).0 as u32,
            _ => place,
        }
    }

    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
        check_places(places, self.len())?;
        let (batch, width) = (places.len(), self.features.len());
        let samples: Vec<_> = places.iter().map(|&place| self.rows_of(place as usize)).collect();
        let lengths: Vec<usize> = samples.iter().map(|&(_, _, rows)| rows).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let mut input = Vec::with_capacity(batch * steps * width);
        for (sample, &(sequence, first, rows)) in samples.iter().enumerate() {
            self.numbers(sequence, first, rows, &mut input)?;
            input.resize((sample + 1) * steps * width, 0.0);
        }
        let input = Tensor::from_vec(input, (batch, steps, width), device)?;
        let target = match &self.targets {
            Targets::Classes(classes) => {
                let target: Vec<u32> = places.iter().map(|&at| classes[at as usize]).collect();
                Tensor::from_vec(target, batch, device)?
            }
            Targets::Numbers { width, numbers } => {
                let row = |&at: &u32| numbers[at as usize * width..][..*width].iter().copied();
                let target: Vec<f32> = places.iter().flat_map(row).collect();
                Tensor::from_vec(target, (batch, *width), device)?
            }
            Targets::Windows(windows) => {
                let (mut target, mut row) = (Vec::new(), Vec::with_capacity(width));
                for &(sequence, first, rows) in &samples {
                    row.clear();
                    let last = first + rows - 1;
                    self.numbers(sequence, last + windows.ahead, 1, &mut row)?;
                    target.extend(windows.columns.iter().map(|&column| row[column]));
                }
                Tensor::from_vec(target, (batch, windows.columns.len()), device)?
            }
        };
        let varies = !matches!(self.targets, Targets::Windows(_));
        Ok(Batch { input, lengths: varies.then_some(lengths), target })
    }
}

impl Windows {
    /// How many windows a sequence of that many rows has.
    fn of(&self, rows: usize) -> usize {
        match rows.checked_sub(self.window + self.ahead) {
            Some(last) => last / self.stride + 1,
            None => 0,
        }
    }

    /// The sequence of a window, and its first row there.
    fn find(&self, place: usize) -> (usize, usize) {
        let sequence = self.ends.partition_point(|&end| end <= place);
        let before = sequence.checked_sub(1).map_or(0, |before| self.ends[before]);
        (sequence, (place - before) * self.stride)
    }
}

fn spilled(name: &str, source: std::io::Error) -> Error {
    Error::Spill { file: name.to_owned(), folder: std::env::temp_dir(), source }
}
