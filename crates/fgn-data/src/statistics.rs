//! Means and standard deviations of the numbers of a data set, by which a model scales them.

use candle_core::Device;
use fgn_schema::{InputSchema, Moments, Padded, Statistics, TargetSchema};

use crate::batches::Batches;
use crate::error::Result;
use crate::samples::Samples;
use crate::sampling::Order;

/// The statistics of `samples`, in one pass over all of them: of the features where they are
/// [`InputSchema::Series`], of the targets where they are [`TargetSchema::Value`]s. Padding does not count. The
/// standard deviation of a number that never changes is given as 1, so that one can divide by it.
///
/// # Errors
/// Whatever [`Samples::batch`] gives.
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
    Ok(Statistics::new(input.map(Sums::moments), target.map(Sums::moments)))
}

/// Running means and sums of squared differences from them (Welford 1962).
struct Sums {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Sums {
        Sums { count: 0.0, mean: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Adds `[B, N]`, or the steps of `[B, T, N]` that are not padding.
    fn add(&mut self, numbers: &Padded, per_step: bool) -> Result<()> {
        let rows = if per_step { numbers.steps()? } else { numbers.tensor().clone() };
        for row in rows.to_vec2::<f32>()? {
            self.count += 1.0;
            let all = self.mean.iter_mut().zip(&mut self.squares).zip(row);
            for ((mean, squares), number) in all {
                let before = f64::from(number) - *mean;
                *mean += before / self.count;
                *squares += before * (f64::from(number) - *mean);
            }
        }
        Ok(())
    }

    fn moments(self) -> Moments {
        let std = self.squares.iter().map(|squares| (squares / self.count).sqrt());
        let usable = |std: f64| if std > 0.0 { std } else { 1.0 };
        Moments { mean: self.mean, std: std.map(usable).collect() }
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
        let found = sums.moments();
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
}
