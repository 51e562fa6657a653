//! Windows of sequences, and how they are counted.

/// Windows of sequences, and the columns to forecast.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) window: usize,
    /// How many rows after the window the target is; 0 where there is none.
    pub(crate) ahead: usize,
    pub(crate) stride: usize,
    /// The columns to forecast, as indices of features.
    pub(crate) columns: Vec<usize>,
    /// How many windows there are up to the end of each sequence.
    ends: Vec<usize>,
}

impl Windows {
    /// The windows of sequences of that many rows each.
    pub(crate) fn new(
        (window, ahead, stride): (usize, usize, usize),
        columns: Vec<usize>,
        rows: impl Iterator<Item = usize>,
    ) -> Windows {
        let mut windows = Windows { window, ahead, stride, columns, ends: Vec::new() };
        let mut end = 0;
        for rows in rows {
            end += windows.of(rows);
            windows.ends.push(end);
        }
        windows
    }

    /// How many windows there are in all.
    pub(crate) fn count(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The sequence of a window, and its first row there.
    pub(crate) fn find(&self, index: usize) -> (usize, usize) {
        let sequence = self.ends.partition_point(|&end| end <= index);
        let before = sequence.checked_sub(1).map_or(0, |before| self.ends[before]);
        (sequence, (index - before) * self.stride)
    }

    /// How many windows a sequence of that many rows has.
    fn of(&self, rows: usize) -> usize {
        match rows.checked_sub(self.window + self.ahead) {
            Some(last) => last / self.stride + 1,
            None => 0,
        }
    }
}
