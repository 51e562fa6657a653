//! A part of one long sequence of steps, cut into windows.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprinter;
use crate::samples::check_count;

/// Some steps of a long sequence, in windows. The last window may have fewer steps.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    steps: Range<u64>,
    window: usize,
    evaluation_window: usize,
}

impl Cut {
    /// These steps of the sequence called `name`.
    ///
    /// # Errors
    /// No step, and more windows than an index can name.
    pub(crate) fn new(
        name: &str,
        steps: Range<u64>,
        window: usize,
        evaluation_window: usize,
    ) -> Result<Cut> {
        let cut = Cut { steps, window, evaluation_window };
        let windows = cut.count().div_ceil(window as u64);
        check_count(name, usize::try_from(windows).unwrap_or(usize::MAX))?;
        Ok(cut)
    }

    /// Some of these steps, counted from the first of them, in windows of another size.
    ///
    /// # Errors
    /// As [`new`](Self::new), and a window of 0 steps.
    pub(crate) fn part(&self, name: &str, range: Range<u64>, window: usize) -> Result<Cut> {
        if window == 0 {
            let expected = "1 or more steps".to_owned();
            return Err(Error::Option { option: "a window", found: "0".into(), expected });
        }
        let within = |step: u64| self.steps.end.min(self.steps.start.saturating_add(step));
        Cut::new(name, within(range.start)..within(range.end), window, self.evaluation_window)
    }

    /// Which steps of the whole sequence they are.
    pub(crate) fn steps(&self) -> Range<u64> {
        self.steps.clone()
    }

    /// How many steps there are.
    pub(crate) fn count(&self) -> u64 {
        self.steps.end.saturating_sub(self.steps.start)
    }

    /// How many windows there are.
    pub(crate) fn len(&self) -> usize {
        // Checked when it was made.
        self.count().div_ceil(self.window as u64) as usize
    }

    /// The steps of the window at `index`.
    pub(crate) fn range(&self, index: u32) -> Range<u64> {
        let start = self.steps.start + u64::from(index) * self.window as u64;
        start..self.steps.end.min(start + self.window as u64)
    }

    pub(crate) fn window(&self) -> usize {
        self.window
    }

    pub(crate) fn evaluation_window(&self) -> usize {
        self.evaluation_window
    }

    /// Adds the steps and the size of the windows to a fingerprint.
    pub(crate) fn fingerprint(&self, content: &mut Fingerprinter) {
        for number in [self.steps.start, self.steps.end, self.window as u64] {
            content.number(number);
        }
    }
}
