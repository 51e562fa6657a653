//! From samples to overlapping frames.

/// The frame that is being filled.
#[derive(Debug)]
pub(super) struct Frames {
    frame: Vec<f32>,
    /// How many samples it has.
    filled: usize,
    hop_length: usize,
    /// Whether the signal has had a frame.
    has_begun: bool,
}

impl Frames {
    /// Takes `hop_length <= n_fft`, neither zero.
    pub(super) fn new(n_fft: usize, hop_length: usize) -> Self {
        Self { frame: vec![0.0; n_fft], filled: 0, hop_length, has_begun: false }
    }

    /// Removes samples from the front of `samples`, until a frame is full. Gives the frame if it is.
    pub(super) fn fill(&mut self, samples: &mut &[f32]) -> Option<&[f32]> {
        if self.filled == self.frame.len() {
            self.frame.copy_within(self.hop_length.., 0);
            self.filled -= self.hop_length;
        }
        let missing = self.frame.len() - self.filled;
        let (taken, rest) = samples.split_at(missing.min(samples.len()));
        self.frame[self.filled..][..taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        *samples = rest;
        let is_full = taken.len() == missing;
        self.has_begun |= is_full;
        is_full.then_some(&self.frame[..])
    }

    /// Of a signal that is shorter than a frame, the only one, which ends with zeros. Gives none at the end of a signal
    /// that has had frames, or has no samples.
    pub(super) fn pad(&mut self) -> Option<&[f32]> {
        if self.has_begun || self.filled == 0 {
            return None;
        }
        self.frame[self.filled..].fill(0.0);
        Some(&self.frame)
    }

    pub(super) fn reset(&mut self) {
        (self.filled, self.has_begun) = (0, false);
    }
}
