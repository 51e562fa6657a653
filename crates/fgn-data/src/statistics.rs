//! Means and standard deviations of the numbers of a data set, by which a model scales them.

use candle_core::{DType, Device};
use fgn_schema::{InputSchema, Moments, Padded, Statistics, TargetSchema};

use crate::batches::Batches;
use crate::error::{Error, Result};
use crate::samples::Samples;
use crate::sampling::Order;

/// The statistics of `samples`, in one pass over all of them: of the features where they are
/// [`InputSchema::Series`], of the targets where they are [`TargetSchema::Value`]s. Padding does not count. Of
/// [`InputSchema::Audio`] there is one number, whose mean is 0: its standard deviation is the root mean square. They
/// are computed in `f64` by Welford's update, which large offsets do not hurt. The standard deviation of a number
/// that never changes is given as 1, so that one can divide by it, and the number is named among the
/// [constants](Statistics::constant).
///
/// # Errors
/// Whatever [`Samples::batch`] gives; [`Error::Table`] for numbers whose squared differences leave the range of
/// an `f64`.
///
/// ```
/// use fgn_data::{Reader, SeriesOptions, Tables, statistics};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("steps.csv");
/// std::fs::write(&file, "id,x,kind\na,1,k\na,5,k\nb,3,l\n")?;
/// let (id, target) = (Some("id".into()), vec!["kind".into()]);
/// let options = SeriesOptions { id, target, ..SeriesOptions::default() };
/// let series = Tables::read(&file, &options, None, &mut |_| ())?;
///
/// let found = statistics(&*series)?.input.expect("they are series");
/// assert_eq!(found.mean, [3.0]);
/// assert!((found.std[0] - (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn statistics(samples: &dyn Samples) -> Result<Statistics> {
    let schema = samples.schema();
    if let InputSchema::Audio { .. } = schema.input {
        return loudness(samples);
    }
    let mut input = match schema.input {
        InputSchema::Series { features } => Some(Sums::new(features)),
        _ => None,
    };
    let mut target = match &schema.target {
        TargetSchema::Value { names, .. } => Some(Sums::new(names.len())),
        _ => None,
    };
    if input.is_none() && target.is_none() {
        return Ok(Statistics::default());
    }
    let size = samples.len().min(64);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        let batch = batch?;
        if let Some(input) = &mut input {
            input.add(batch.input(), true)?;
        }
        if let Some(target) = &mut target {
            target.add(batch.target(), schema.target.is_per_step())?;
        }
    }
    let mut constant = Vec::new();
    let mut moments = |sums: Option<Sums>, what: &str, names: &[String]| {
        let moments = sums.map(|sums| {
            constant.extend(sums.constants().map(|at| name(names, at, what)));
            sums.moments().map_err(|at| Error::Table {
                at: format!("{}, {:?}", samples.name(), name(names, at, what)),
                found: format!("numbers from {:e} to {:e}", sums.least[at], sums.largest[at]),
                expected: "numbers whose differences are between 1e-150 and 1e150".into(),
            })
        });
        moments.transpose()
    };
    let input = moments(input, "feature", samples.features())?;
    let target = moments(target, "target", schema.target.names())?;
    Ok(Statistics::new(input, target).with_constant(constant))
}

/// The root mean square of all samples of sounds.
fn loudness(sounds: &dyn Samples) -> Result<Statistics> {
    let (mut squares, mut count) = (0.0, 0);
    let size = sounds.len().min(64);
    for batch in Batches::new(sounds, Order::AsGiven, size, &Device::Cpu)? {
        let batch = batch?;
        // Padding is zeros: it adds nothing to the squares.
        let input = batch.input();
        let samples = input.tensor().flatten_all()?.to_vec1::<f32>()?;
        squares += samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>();
        count += input.lengths().map_or(samples.len(), |lengths| lengths.iter().sum());
    }
    let constant = if squares > 0.0 { Vec::new() } else { vec!["samples".into()] };
    let std = if squares > 0.0 { (squares / count as f64).sqrt() } else { 1.0 };
    let input = Moments { mean: vec![0.0], std: vec![std] };
    Ok(Statistics::new(Some(input), None).with_constant(constant))
}

/// The names of the features whose numbers an `f32` hardly distinguishes once they are standardised by `scale`:
/// where they change from one step to the next, most changes are lost. A scale that is not theirs does that, and so
/// do a few numbers that are far from all others. It makes one pass over `samples`.
///
/// # Errors
/// Whatever [`Samples::batch`] gives.
///
/// ```
/// use fgn_data::{Moments, Reader, SeriesOptions, Tables, indistinct, statistics};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("steps.csv");
/// std::fs::write(&file, "id,t,kind\na,1700000000,k\na,1700000001,k\nb,1700000002,l\n")?;
/// let (id, target) = (Some("id".into()), vec!["kind".into()]);
/// let options = SeriesOptions { id, target, ..SeriesOptions::default() };
/// let series = Tables::read(&file, &options, None, &mut |_| ())?;
///
/// assert_eq!(indistinct(&*series, None)?, ["t"]);
/// assert!(indistinct(&*series, statistics(&*series)?.input.as_ref())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn indistinct(samples: &dyn Samples, scale: Option<&Moments>) -> Result<Vec<String>> {
    let InputSchema::Series { features } = samples.schema().input else {
        return Ok(Vec::new());
    };
    let scaled = |at: usize, number: f64| {
        let moments = scale.and_then(|scale| Some((scale.mean.get(at)?, scale.std.get(at)?)));
        moments.map_or(number, |(mean, std)| (number - mean) / std)
    };
    let mut columns = vec![Changes::default(); features];
    let size = samples.len().min(64);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        for row in batch?.input().steps()?.to_dtype(DType::F64)?.to_vec2::<f64>()? {
            for (at, (column, &number)) in columns.iter_mut().zip(&row).enumerate() {
                column.add(number, scaled(at, number) as f32);
            }
        }
    }
    let lost = columns.iter().enumerate().filter(|(_, column)| 2 * column.kept < column.all);
    Ok(lost.map(|(at, _)| name(samples.features(), at, "feature")).collect())
}

/// How often a number changes from one step to the next, and how often an `f32` of it does.
#[derive(Clone, Default)]
struct Changes {
    last: Option<(f64, f32)>,
    all: u64,
    kept: u64,
}

impl Changes {
    fn add(&mut self, number: f64, narrow: f32) {
        if let Some((last, last_narrow)) = self.last.replace((number, narrow)) {
            self.all += u64::from(number != last);
            self.kept += u64::from(narrow != last_narrow);
        }
    }
}

/// The name at an index, or what stands for it.
fn name(names: &[String], at: usize, what: &str) -> String {
    names.get(at).cloned().unwrap_or_else(|| format!("{what} {at}"))
}

/// Running means and sums of squared differences from them (Welford 1962).
struct Sums {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
    least: Vec<f64>,
    largest: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Sums {
        Sums {
            count: 0.0,
            mean: vec![0.0; width],
            squares: vec![0.0; width],
            least: vec![f64::INFINITY; width],
            largest: vec![f64::NEG_INFINITY; width],
        }
    }

    /// Adds `[B, N]`, or the steps of `[B, T, N]` that are not padding.
    fn add(&mut self, numbers: &Padded, per_step: bool) -> Result<()> {
        let rows = if per_step { numbers.steps()? } else { numbers.tensor().clone() };
        for row in rows.to_dtype(DType::F64)?.to_vec2::<f64>()? {
            self.count += 1.0;
            for (at, &number) in row.iter().enumerate() {
                let before = number - self.mean[at];
                self.mean[at] += before / self.count;
                self.squares[at] += before * (number - self.mean[at]);
                self.least[at] = self.least[at].min(number);
                self.largest[at] = self.largest[at].max(number);
            }
        }
        Ok(())
    }

    /// The indices of the numbers that never change.
    fn constants(&self) -> impl Iterator<Item = usize> {
        (0..self.mean.len()).filter(|&at| self.least[at] == self.largest[at])
    }

    /// The moments.
    ///
    /// # Errors
    /// The index of a number whose standard deviation is not an `f64`.
    fn moments(&self) -> std::result::Result<Moments, usize> {
        let std = |at: usize| match (self.squares[at] / self.count).sqrt() {
            _ if self.least[at] == self.largest[at] => Ok(1.0),
            std if std > 0.0 && std.is_finite() => Ok(std),
            _ => Err(at),
        };
        let std = (0..self.mean.len()).map(std).collect::<std::result::Result<_, _>>()?;
        Ok(Moments { mean: self.mean.clone(), std })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;

    #[test]
    fn moments_are_those_of_the_rows_that_count() {
        let rows: Vec<[f32; 3]> =
            (0..12).map(|row| [row as f32, 1e6 + (row % 2) as f32, 5.0]).collect();
        let padded = |rows: &[[f32; 3]], lengths: Vec<usize>| {
            let shape = (lengths.len(), 4, 3);
            let tensor = Tensor::from_vec(rows.concat(), shape, &Device::Cpu).unwrap();
            Padded::with_lengths(tensor, lengths).unwrap()
        };
        let mut sums = Sums::new(3);
        sums.add(&padded(&rows[..8], vec![3, 1]), true).unwrap();
        sums.add(&padded(&rows[8..], vec![4]), true).unwrap();
        assert_eq!(sums.constants().collect::<Vec<_>>(), [2]);
        let found = sums.moments().unwrap();
        let counted: Vec<usize> = vec![0, 1, 2, 4, 8, 9, 10, 11];
        for (column, &std) in found.std.iter().enumerate() {
            let numbers = || counted.iter().map(|&row| f64::from(rows[row][column]));
            let mean = numbers().sum::<f64>() / 8.0;
            let variance = numbers().map(|number| (number - mean).powi(2)).sum::<f64>() / 8.0;
            let expected = if column == 2 { 1.0 } else { variance.sqrt() };
            assert!((found.mean[column] - mean).abs() < 1e-9, "{found:?}");
            assert!((std - expected).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn an_offset_does_not_hurt_and_a_spread_out_of_range_is_found() {
        let of = |numbers: &[f64]| {
            let tensor = Tensor::from_slice(numbers, (numbers.len(), 1), &Device::Cpu).unwrap();
            let mut sums = Sums::new(1);
            sums.add(&tensor.into(), false).unwrap();
            sums.moments()
        };
        let found = of(&[1.7e9, 1.7e9 + 1.0, 1.7e9 + 2.0, 1.7e9 + 3.0]).unwrap();
        assert_eq!((found.mean[0], found.std[0]), (1.7e9 + 1.5, 1.25_f64.sqrt()));
        let tiny = of(&[1e-46, 3e-46]).unwrap();
        assert!((tiny.std[0] / 1e-46 - 1.0).abs() < 1e-12, "{tiny:?}");
        assert_eq!(of(&[1e200; 3]).unwrap().std, [1.0]);
        assert_eq!(of(&[1e200, -1e200]), Err(0));
        assert_eq!(of(&[1e-200, 2e-200]), Err(0));
    }
}
