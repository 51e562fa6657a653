//! The power spectrum of a frame.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// A periodic Hann window in the middle of a frame, and the Fourier transform of the product, as in librosa and
/// torchaudio.
pub(super) struct Stft {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// Where in the frame the window begins.
    start: usize,
}

/// The memory of a transform.
#[derive(Debug)]
pub(super) struct Buffers {
    windowed: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Stft {
    /// Takes `win_length <= n_fft`, and an even `n_fft`.
    pub(super) fn new(win_length: usize, n_fft: usize) -> Self {
        let hann = |nth: usize| 0.5 - 0.5 * (TAU * nth as f64 / win_length as f64).cos();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            window: (0..win_length).map(|nth| hann(nth) as f32).collect(),
            start: (n_fft - win_length) / 2,
        }
    }

    pub(super) fn buffers(&self) -> Buffers {
        Buffers {
            windowed: self.fft.make_input_vec(),
            spectrum: self.fft.make_output_vec(),
            scratch: self.fft.make_scratch_vec(),
        }
    }

    /// Computes `power: [n_fft / 2 + 1]` of `frame: [n_fft]`.
    pub(super) fn power(&self, frame: &[f32], buffers: &mut Buffers, power: &mut [f32]) {
        let Buffers { windowed, spectrum, scratch } = buffers;
        let inside = self.start..self.start + self.window.len();
        windowed.fill(0.0);
        let products = windowed[inside.clone()].iter_mut().zip(&frame[inside]).zip(&self.window);
        for ((windowed, sample), weight) in products {
            *windowed = sample * weight;
        }
        if let Err(error) = self.fft.process_with_scratch(windowed, spectrum, scratch) {
            unreachable!("the buffers are made for this transform: {error}");
        }
        for (power, value) in power.iter_mut().zip(spectrum) {
            *power = value.norm_sqr();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of the transform, in double precision.
    fn naive(frame: &[f32], win_length: usize) -> Vec<f64> {
        let n_fft = frame.len();
        let start = (n_fft - win_length) / 2;
        let power = |frequency: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for nth in 0..win_length {
                let hann = (TAU / 2.0 * nth as f64 / win_length as f64).sin().powi(2);
                let value = hann * f64::from(frame[start + nth]);
                let angle = TAU * (frequency * (start + nth) % n_fft) as f64 / n_fft as f64;
                re += value * angle.cos();
                im -= value * angle.sin();
            }
            re * re + im * im
        };
        (0..=n_fft / 2).map(power).collect()
    }

    /// Samples that look random, in [-1, 1).
    fn noise(len: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn the_power_is_that_of_the_definition_for_any_even_length() {
        let sizes = [(2, 2), (2, 6), (5, 8), (6, 6), (7, 10), (22, 22), (25, 26), (200, 202)];
        let awkward = [(201, 256), (250, 250), (399, 400), (331, 334), (551, 1000), (1024, 1024)];
        for (win_length, n_fft) in sizes.into_iter().chain(awkward) {
            let stft = Stft::new(win_length, n_fft);
            let frame = noise(n_fft);
            let mut power = vec![f32::NAN; n_fft / 2 + 1];
            let mut buffers = stft.buffers();
            for _ in 0..2 {
                stft.power(&frame, &mut buffers, &mut power); // the second time over used buffers
                let expected = naive(&frame, win_length);
                let scale = expected.iter().copied().fold(0.0, f64::max);
                for (frequency, (&found, expected)) in power.iter().zip(expected).enumerate() {
                    let error = (f64::from(found) - expected).abs();
                    let at = format!("{win_length} of {n_fft}, frequency {frequency}");
                    assert!(error <= 1e-6 * scale, "{at}: {found}, expected {expected}");
                }
            }
        }
    }
}
