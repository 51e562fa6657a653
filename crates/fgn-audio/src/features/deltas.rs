//! Deltas: how features change over time, estimated from five frames (Furui 1986).
//!
//! `d[t] = Σ n · (x[t + n] − x[t − n]) / 10`, the sum over n = 1 and 2. Before the first frame and after the last one,
//! that frame is repeated. This is torchaudio's `compute_deltas` with its defaults. A frame is known two frames later.

/// How many later frames one order of deltas reads.
pub(super) const LOOK_AHEAD: usize = 2;

/// Appends the deltas of as many orders as there are stages.
#[derive(Debug)]
pub(super) struct Deltas {
    stages: Vec<Stage>,
}

/// Appends to each row the deltas of its last columns.
#[derive(Debug)]
struct Stage {
    /// The last rows, the newest at the end.
    rows: [Vec<f32>; 2 * LOOK_AHEAD + 1],
    /// How many rows have come, up to the number with which the first output is known.
    count: usize,
    /// How many of the columns have deltas.
    columns: usize,
    output: Vec<f32>,
}

impl Deltas {
    /// For rows of `columns` values.
    pub(super) fn new(columns: usize, orders: usize) -> Self {
        Self { stages: (1..=orders).map(|order| Stage::new(order * columns, columns)).collect() }
    }

    /// Takes the next row. Gives the row that is now known with all its deltas, if there is one.
    pub(super) fn push<'a>(&'a mut self, row: &'a [f32]) -> Option<&'a [f32]> {
        push_all(&mut self.stages, row)
    }

    /// Gives `each` the rows that wait for later ones, after the last row.
    pub(super) fn finish<E>(
        &mut self,
        mut each: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        for nth in 0..self.stages.len() {
            let (stages, later) = self.stages.split_at_mut(nth + 1);
            for _ in 0..LOOK_AHEAD {
                if let Some(row) = stages[nth].repeat()
                    && let Some(row) = push_all(later, row)
                {
                    each(row)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        self.stages.iter_mut().for_each(|stage| stage.count = 0);
    }
}

fn push_all<'a>(stages: &'a mut [Stage], row: &'a [f32]) -> Option<&'a [f32]> {
    stages.iter_mut().try_fold(row, |row, stage| stage.push(row))
}

impl Stage {
    /// For rows of `width` values, the last `columns` of which have deltas.
    fn new(width: usize, columns: usize) -> Self {
        let rows = std::array::from_fn(|_| vec![0.0; width]);
        Self { rows, count: 0, columns, output: vec![0.0; width + columns] }
    }

    fn push(&mut self, row: &[f32]) -> Option<&[f32]> {
        if self.count == 0 {
            self.rows.iter_mut().for_each(|earlier| earlier.copy_from_slice(row));
        } else {
            self.rows.rotate_left(1);
            self.rows[2 * LOOK_AHEAD].copy_from_slice(row);
        }
        self.next()
    }

    /// Pushes the last row once more, if there is one.
    fn repeat(&mut self) -> Option<&[f32]> {
        if self.count == 0 {
            return None;
        }
        self.rows.rotate_left(1);
        let [.., last, new] = &mut self.rows;
        new.copy_from_slice(last);
        self.next()
    }

    /// Counts the row that has come.
    fn next(&mut self) -> Option<&[f32]> {
        self.count = (self.count + 1).min(LOOK_AHEAD + 1);
        (self.count > LOOK_AHEAD).then(|| self.output())
    }

    /// The row in the middle and its deltas.
    fn output(&mut self) -> &[f32] {
        let width = self.output.len() - self.columns;
        let (row, deltas) = self.output.split_at_mut(width);
        row.copy_from_slice(&self.rows[LOOK_AHEAD]);
        let first = width - self.columns;
        let [x0, x1, _, x3, x4] = &self.rows;
        for (column, delta) in (first..width).zip(deltas) {
            *delta = (x3[column] - x1[column] + 2.0 * (x4[column] - x0[column])) / 10.0;
        }
        &self.output
    }
}
