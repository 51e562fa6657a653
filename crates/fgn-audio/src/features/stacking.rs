//! Successive rows as one step.

/// The step that is being filled.
#[derive(Debug)]
pub(super) struct Stack {
    step: Vec<f32>,
    /// How many of its values are there.
    filled: usize,
    /// The number of values of a row.
    columns: usize,
}

impl Stack {
    /// Steps of `count` rows.
    pub(super) fn new(columns: usize, count: usize) -> Self {
        Self { step: vec![0.0; columns * count], filled: 0, columns }
    }

    /// Takes the next row. Gives the step that it completes, if it does.
    pub(super) fn push(&mut self, row: &[f32]) -> Option<&[f32]> {
        self.step[self.filled..][..self.columns].copy_from_slice(row);
        self.filled = (self.filled + self.columns) % self.step.len();
        (self.filled == 0).then_some(&self.step[..])
    }

    /// Completes a step that has begun: its last row is repeated.
    pub(super) fn finish(&mut self) -> Option<&[f32]> {
        if self.filled == 0 {
            return None;
        }
        let last = self.filled - self.columns..self.filled;
        for start in (self.filled..self.step.len()).step_by(self.columns) {
            self.step.copy_within(last.clone(), start);
        }
        self.filled = 0;
        Some(&self.step)
    }

    pub(super) fn reset(&mut self) {
        self.filled = 0;
    }
}
