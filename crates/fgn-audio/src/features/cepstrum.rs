//! Cepstral coefficients: the discrete cosine transform of the log mel bands.

use std::f64::consts::PI;

/// The first rows of the orthonormal DCT-II.
pub(super) struct Dct {
    /// `[n_mfcc, n_mels]`
    matrix: Vec<f32>,
    n_mels: usize,
}

impl Dct {
    pub(super) fn new(n_mfcc: usize, n_mels: usize) -> Self {
        let bands = n_mels as f64;
        let value = |row: usize, band: usize| {
            let scale = if row == 0 { 1.0 / bands } else { 2.0 / bands };
            scale.sqrt() * (PI / bands * (band as f64 + 0.5) * row as f64).cos()
        };
        let row = |row| (0..n_mels).map(move |band| value(row, band) as f32);
        Self { matrix: (0..n_mfcc).flat_map(row).collect(), n_mels }
    }

    /// Computes `coefficients: [n_mfcc]` of `log_mel: [n_mels]`.
    pub(super) fn apply(&self, log_mel: &[f32], coefficients: &mut [f32]) {
        for (row, coefficient) in self.matrix.chunks_exact(self.n_mels).zip(coefficients) {
            *coefficient = row.iter().zip(log_mel).map(|(weight, value)| weight * value).sum();
        }
    }
}
