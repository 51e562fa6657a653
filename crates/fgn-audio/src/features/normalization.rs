//! Normalisation over time: each feature to mean 0 and standard deviation 1.

/// The smallest standard deviation that is divided by.
const MIN_STD: f64 = 1e-5;

/// Exponentially weighted means and variances of all rows so far, with weights that sum to 1 from the first row on
/// (Finch 2009, "Incremental calculation of weighted mean and variance").
#[derive(Debug)]
pub(super) struct Running {
    /// The weight of a row, relative to the next one's.
    decay: f64,
    /// The sum of the weights, the newest row's being 1.
    weight: f64,
    means: Vec<f64>,
    /// The weighted sums of squared differences from the mean.
    squares: Vec<f64>,
    output: Vec<f32>,
}

impl Running {
    pub(super) fn new(time_constant: f64, frames_per_second: f64, columns: usize) -> Self {
        Self {
            decay: (-1.0 / (time_constant * frames_per_second)).exp(),
            weight: 0.0,
            means: vec![0.0; columns],
            squares: vec![0.0; columns],
            output: vec![0.0; columns],
        }
    }

    /// Takes the next row and normalises it.
    pub(super) fn normalize(&mut self, row: &[f32]) -> &[f32] {
        self.weight = self.weight * self.decay + 1.0;
        let statistics = self.means.iter_mut().zip(&mut self.squares);
        for ((output, &value), (mean, squares)) in self.output.iter_mut().zip(row).zip(statistics) {
            let value = f64::from(value);
            let difference = value - *mean;
            *mean += difference / self.weight;
            *squares = self.decay * *squares + difference * (value - *mean);
            let std = (*squares / self.weight).sqrt();
            *output = ((value - *mean) / std.max(MIN_STD)) as f32;
        }
        &self.output
    }

    pub(super) fn reset(&mut self) {
        self.weight = 0.0;
        self.means.fill(0.0);
        self.squares.fill(0.0);
    }
}

/// Normalises `rows: [rows, columns]` by the mean and standard deviation of the first `count` rows. The others are
/// normalised alike.
pub(super) fn utterance(rows: &mut [f32], columns: usize, count: usize) {
    for column in 0..columns {
        let values = || {
            let rows = rows.chunks_exact(columns).take(count);
            rows.map(|row| f64::from(row[column]))
        };
        let mean = values().sum::<f64>() / count as f64;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
        let std = variance.sqrt().max(MIN_STD);
        for row in rows.chunks_exact_mut(columns) {
            row[column] = ((f64::from(row[column]) - mean) / std) as f32;
        }
    }
}
