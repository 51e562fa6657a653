//! Mean and deviation of the numbers of a set, to scale them by.

use candle_core::Device;

use crate::{Batches, Input, Order, Result, Samples, Target};

/// The mean and standard deviation of several numbers over all samples of a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations; 1 of a number that never changes, so that one can divide by it.
    pub deviation: Vec<f64>,
}

/// The moments of what a set holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Of the numbers of a step, over all steps, where the samples are [`Input::Series`].
    pub input: Option<Moments>,
    /// Of the numbers to be told, where they are [`Target::Numbers`].
    pub target: Option<Moments>,
}

impl Statistics {
    /// Goes through all of `samples` once.
    ///
    /// # Errors
    /// Data that cannot be read.
    ///
    /// ```
    /// use fgn_data::{Series, SeriesOptions, Statistics, Task};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let file = folder.path().join("steps.csv");
    /// std::fs::write(&file, "id,x,kind\na,1,k\na,5,k\nb,3,l\n")?;
    /// let (id, target) = (Some("id".into()), vec!["kind".into()]);
    /// let options = SeriesOptions { id, target, ..SeriesOptions::default() };
    /// let series = Series::read(&file, &options, None, &mut |_| ())?;
    ///
    /// let found = Statistics::of(&series)?.input.expect("they are series");
    /// assert_eq!(found.mean, [3.0]);
    /// assert!((found.deviation[0] - (8.0f64 / 3.0).sqrt()).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(samples: &dyn Samples) -> Result<Statistics> {
        let form = samples.form();
        let mut input = match form.input {
            Input::Series { features } => Some(Sums::new(features)),
            Input::Image { .. } | Input::Symbols { .. } => None,
        };
        let mut target = match &form.target {
            Target::Numbers(names) => Some(Sums::new(names.len())),
            Target::Classes(_) => None,
        };
        if input.is_none() && target.is_none() {
            return Ok(Statistics::default());
        }
        let size = samples.len().min(64);
        for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
            let batch = batch?;
            let lengths = batch.lengths.as_deref();
            if let Some(input) = &mut input {
                input.add(&batch.input.flatten_to(1)?.to_vec2()?, size_of(&batch.input)?, lengths);
            }
            if let Some(target) = &mut target {
                let steps = if form.each_step { size_of(&batch.target)? } else { 1 };
                let lengths = lengths.filter(|_| form.each_step);
                let rows = batch.target.flatten_to(batch.target.rank() - 2)?;
                target.add(&rows.to_vec2()?, steps, lengths);
            }
        }
        Ok(Statistics { input: input.map(Sums::moments), target: target.map(Sums::moments) })
    }
}

/// The steps of a batch.
fn size_of(tensor: &candle_core::Tensor) -> Result<usize> {
    Ok(tensor.dim(1)?)
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

    /// `rows`: `steps` of each sample, of which the first `lengths` count.
    fn add(&mut self, rows: &[Vec<f32>], steps: usize, lengths: Option<&[usize]>) {
        for (sample, rows) in rows.chunks(steps).enumerate() {
            let length = lengths.map_or(steps, |lengths| lengths[sample]);
            for row in &rows[..length] {
                self.count += 1.0;
                let all = self.mean.iter_mut().zip(&mut self.squares).zip(row);
                for ((mean, squares), &number) in all {
                    let before = f64::from(number) - *mean;
                    *mean += before / self.count;
                    *squares += before * (f64::from(number) - *mean);
                }
            }
        }
    }

    fn moments(self) -> Moments {
        let deviation = self.squares.iter().map(|squares| (squares / self.count).sqrt());
        let usable = |deviation: f64| if deviation > 0.0 { deviation } else { 1.0 };
        Moments { mean: self.mean, deviation: deviation.map(usable).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_rows_that_count() {
        let rows: Vec<Vec<f32>> =
            (0..12).map(|row| vec![row as f32, 1e6 + (row % 2) as f32, 5.0]).collect();
        let lengths = [3, 1, 4];
        let mut sums = Sums::new(3);
        sums.add(&rows[..8], 4, Some(&lengths[..2]));
        sums.add(&rows[8..], 4, Some(&lengths[2..]));
        let found = sums.moments();
        let counted: Vec<usize> = vec![0, 1, 2, 4, 8, 9, 10, 11];
        for (column, &deviation) in found.deviation.iter().enumerate() {
            let numbers = || counted.iter().map(|&row| f64::from(rows[row][column]));
            let mean = numbers().sum::<f64>() / 8.0;
            let variance = numbers().map(|number| (number - mean).powi(2)).sum::<f64>() / 8.0;
            let expected = if column == 2 { 1.0 } else { variance.sqrt() };
            assert!((found.mean[column] - mean).abs() < 1e-9, "{found:?}");
            assert!((deviation - expected).abs() < 1e-9, "{found:?}");
        }
    }
}
