//! Sample rate conversion.
//!
//! Blocks of the sound are filtered and resampled in the frequency domain. The filter passes what both rates can
//! represent, up to about 0.94 of the lower Nyquist frequency, and stops what only one of them can. It delays the
//! sound; the delay is cut off, so that an event stays at its time.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::error::{Error, Result};
use crate::rates::check_rate;

/// The fewest samples of a block, at the lower of both rates: the more, the sharper the filter, and the later the
/// output.
const BLOCK: usize = 512;

/// The same sound at another sample rate: `ceil(n * to / from)` samples for `n`.
///
/// # Errors
/// [`Error::Setting`] for a sample rate out of [`SAMPLE_RATES`](crate::SAMPLE_RATES).
///
/// ```
/// let tone = |rate: u32| {
///     let sample = move |at: u32| (at as f32 / rate as f32 * 440.0 * std::f32::consts::TAU).sin();
///     (0..rate).map(sample).collect::<Vec<f32>>()
/// };
/// let resampled = fgn_audio::resampling::resample(&tone(44_100), 44_100, 16_000)?;
/// assert_eq!(resampled.len(), 16_000);
/// for (found, expected) in resampled.iter().zip(tone(16_000)).skip(1_000).take(14_000) {
///     assert!((found - expected).abs() < 1e-3);
/// }
/// # Ok::<(), fgn_audio::Error>(())
/// ```
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    let mut resampler = Resampler::new(from, to)?;
    let mut resampled = resampler.push(samples)?;
    resampled.extend(resampler.flush()?);
    Ok(resampled)
}

/// Resamples a sound that comes in chunks. The output is the same, to the bit, whatever the chunks are.
///
/// ```
/// use fgn_audio::resampling::{Resampler, resample};
///
/// let samples: Vec<f32> = (0..5_000).map(|at| (at as f32 * 0.1).sin()).collect();
/// let mut resampler = Resampler::new(16_000, 8_000)?;
/// let mut found = Vec::new();
/// for chunk in samples.chunks(160) {
///     found.extend(resampler.push(chunk)?);
/// }
/// found.extend(resampler.flush()?);
/// assert_eq!(found, resample(&samples, 16_000, 8_000)?);
/// # Ok::<(), fgn_audio::Error>(())
/// ```
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where both rates are one.
    blocks: Option<Fft<f32>>,
    /// The samples of a block that is not whole yet.
    pending: Vec<f32>,
    /// Where a block's output is computed.
    output: Vec<f32>,
    /// How many samples of the delay are still to be cut off.
    delay: usize,
    /// How many samples came in, and how many were given.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From a sample rate to another.
    ///
    /// # Errors
    /// [`Error::Setting`] for one out of [`SAMPLE_RATES`](crate::SAMPLE_RATES).
    pub fn new(from: u32, to: u32) -> Result<Resampler> {
        check_rate("from", from)?;
        check_rate("to", to)?;
        let blocks = (from != to).then(|| blocks(from, to)).transpose()?;
        let output = blocks.as_ref().map_or(0, |blocks| blocks.output_frames_max());
        let delay = blocks.as_ref().map_or(0, |blocks| blocks.output_delay());
        let (pending, output) = (Vec::new(), vec![0.0; output]);
        Ok(Resampler { from, to, blocks, pending, output, delay, taken: 0, given: 0 })
    }

    /// Takes the next samples, and gives what is complete with them.
    ///
    /// # Errors
    /// None for a resampler that was made; [`Error::Sound`] names what the implementation says.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        self.taken += samples.len() as u64;
        let Some(block) = self.blocks.as_ref().map(|blocks| blocks.input_frames_next()) else {
            return Ok(samples.to_vec());
        };
        let mut resampled = Vec::new();
        let mut rest = samples;
        while self.pending.len() + rest.len() >= block {
            let (now, later) = rest.split_at(block - self.pending.len());
            self.pending.extend_from_slice(now);
            self.block(&mut resampled)?;
            rest = later;
        }
        self.pending.extend_from_slice(rest);
        Ok(resampled)
    }

    /// Ends the sound: gives the rest of it, as if silence followed. What is pushed then is another sound.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn flush(&mut self) -> Result<Vec<f32>> {
        let mut resampled = Vec::new();
        let whole = (self.taken * u64::from(self.to)).div_ceil(self.from.into());
        if let Some(block) = self.blocks.as_ref().map(|blocks| blocks.input_frames_next()) {
            while self.given < whole {
                self.pending.resize(block, 0.0);
                self.block(&mut resampled)?;
            }
            let excess = (self.given - whole) as usize;
            resampled.truncate(resampled.len().saturating_sub(excess));
        }
        self.pending.clear();
        if let Some(blocks) = &mut self.blocks {
            blocks.reset();
            self.delay = blocks.output_delay();
        }
        (self.taken, self.given) = (0, 0);
        Ok(resampled)
    }

    /// Resamples the pending block.
    fn block(&mut self, resampled: &mut Vec<f32>) -> Result<()> {
        let Some(blocks) = &mut self.blocks else { return Ok(()) };
        let wrong = |found: String| Error::Sound {
            name: "resampling".into(),
            found,
            expected: "whole blocks".into(),
        };
        let (frames, room) = (self.pending.len(), self.output.len());
        let input = InterleavedSlice::new(&self.pending, 1, frames);
        let input = input.map_err(|error| wrong(error.to_string()))?;
        let output = InterleavedSlice::new_mut(&mut self.output, 1, room);
        let mut output = output.map_err(|error| wrong(error.to_string()))?;
        let (_, count) = blocks
            .process_into_buffer(&input, &mut output, None)
            .map_err(|error| wrong(error.to_string()))?;
        let cut = self.delay.min(count);
        self.delay -= cut;
        resampled.extend_from_slice(&self.output[cut..count]);
        self.given += (count - cut) as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Blocks of an even number of samples at both rates, so that the delay, half a block, is a whole number at both.
fn blocks(from: u32, to: u32) -> Result<Fft<f32>> {
    let unit = greatest_common_divisor(from, to);
    let [from_unit, to_unit] = [from / unit, to / unit].map(|rate| rate as usize);
    let units = BLOCK.div_ceil(from_unit.min(to_unit)).next_multiple_of(2);
    Fft::new(from as usize, to as usize, units * from_unit, 1, FixedSync::Both).map_err(|error| {
        Error::Sound {
            name: "resampling".into(),
            found: error.to_string(),
            expected: "two sample rates".into(),
        }
    })
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
