//! The sessions of samples whose targets are next items.

use candle_core::Device;
use fgn_data::{Batches, Order, Samples};
use fgn_schema::{Batch, IGNORED, TargetSchema};

use crate::error::{Error, Result};
use crate::evaluation::EVALUATION_BATCH;

/// Sessions, one after the other: the items of each, and what followed each of them.
///
/// A row of a batch is a session, or several where it has resets. Of a stream a session goes on from one row to the
/// next, until a reset.
#[derive(Debug, Default)]
pub(super) struct Histories {
    items: Vec<u32>,
    /// As many as items; [`IGNORED`] is one that does not count, since it was counted before, or is unknown.
    targets: Vec<u32>,
    /// The index of the first item of each session.
    begins: Vec<usize>,
}

/// A session: its items, and what followed each of them, or [`IGNORED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session<'a> {
    pub(super) items: &'a [u32],
    pub(super) targets: &'a [u32],
}

/// How many items the catalogue of some samples has.
///
/// # Errors
/// [`Error::Sessions`] for other targets than next items.
pub(super) fn catalogue_size(samples: &dyn Samples) -> Result<usize> {
    match &samples.schema().target {
        TargetSchema::NextItem { catalogue } => Ok(catalogue.len()),
        other => Err(Error::Sessions {
            samples: samples.name().to_owned(),
            found: format!("{other} as targets"),
            expected: "the next item per step".into(),
        }),
    }
}

impl Histories {
    /// All sessions of some samples, in their order.
    ///
    /// # Errors
    /// Samples that are no sessions of items, or cannot be read.
    pub(super) fn read(samples: &dyn Samples) -> Result<Histories> {
        let mut histories = Histories::default();
        let whole = match samples.windows() {
            Some(windows) => Some(windows.cut(0..windows.steps(), windows.window())?),
            None => None,
        };
        let is_stream = whole.is_some();
        let samples = whole.as_deref().unwrap_or(samples);
        let size = EVALUATION_BATCH.min(samples.len());
        for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
            histories.push(&batch?, is_stream, samples)?;
        }
        Ok(histories)
    }

    /// Appends the rows of a batch of `samples`. Those of a stream go on where the last row ended.
    ///
    /// # Errors
    /// Steps without a target each, and items that the catalogue lacks.
    pub(super) fn push(
        &mut self,
        batch: &Batch,
        is_stream: bool,
        samples: &dyn Samples,
    ) -> Result<()> {
        let wrong = |found: String, expected: String| {
            Err(Error::Sessions { samples: samples.name().to_owned(), found, expected })
        };
        let count = catalogue_size(samples)?;
        let (input, target) = (batch.input(), batch.target());
        let (shape, of_targets) = (input.tensor().dims(), target.tensor().dims());
        if shape != of_targets || input.lengths() != target.lengths() {
            let expected = format!("as many as items, {shape:?}");
            return wrong(format!("targets {of_targets:?} in a batch"), expected);
        }
        let rows = input.tensor().to_vec2::<u32>()?;
        let targets = target.tensor().to_vec2::<u32>()?;
        let resets = batch.resets().map(|resets| resets.to_vec2::<u8>()).transpose()?;
        for (row, (items, targets)) in rows.iter().zip(&targets).enumerate() {
            let length = input.lengths().map_or(items.len(), |lengths| lengths[row]);
            let steps = items.iter().zip(targets).take(length).enumerate();
            for (step, (&item, &target)) in steps {
                let is_known = |item: u32| (item as usize) < count;
                if !is_known(item) || (target != IGNORED && !is_known(target)) {
                    let index = if is_known(item) { target } else { item };
                    return wrong(format!("the item {index}"), format!("indices below {count}"));
                }
                let is_reset = resets.as_ref().is_some_and(|resets| resets[row][step] != 0);
                let goes_on = step > 0 || (is_stream && !self.begins.is_empty());
                if is_reset || !goes_on {
                    self.begins.push(self.items.len());
                }
                self.items.push(item);
                self.targets.push(target);
            }
        }
        Ok(())
    }

    /// How many items there are in all sessions.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The sessions, in their order.
    pub(super) fn sessions(&self) -> impl Iterator<Item = Session<'_>> {
        let ends = self.begins.iter().skip(1).copied().chain([self.items.len()]);
        self.begins.iter().zip(ends).map(|(&begin, end)| Session {
            items: &self.items[begin..end],
            targets: &self.targets[begin..end],
        })
    }

    /// Each target that counts, in order from that of the item at index `first` on, with the items of its session up to
    /// then.
    pub(super) fn steps(&self, first: usize) -> impl Iterator<Item = (&[u32], u32)> {
        let steps = (first..self.items.len()).filter(|&at| self.targets[at] != IGNORED);
        steps.map(|at| {
            let session = self.begins.partition_point(|&begin| begin <= at);
            let begin = session.checked_sub(1).map_or(0, |session| self.begins[session]);
            (&self.items[begin..=at], self.targets[at])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{IGN, Rows, Stream};
    use super::*;

    fn sessions(samples: &dyn Samples) -> Vec<(Vec<u32>, Vec<u32>)> {
        let histories = Histories::read(samples).unwrap();
        let owned = |session: Session<'_>| (session.items.to_vec(), session.targets.to_vec());
        histories.sessions().map(owned).collect()
    }

    #[test]
    fn streams_and_rows_give_the_same_sessions() {
        let all = [vec![0, 1, 2, 3], vec![4, 0], vec![1, 1, 1, 2, 2, 0, 3], vec![2, 3]];
        let expected: Vec<_> = all
            .iter()
            .map(|items| (items[..items.len() - 1].to_vec(), items[1..].to_vec()))
            .collect();
        assert_eq!(sessions(&Rows::new(5, &all)), expected);
        for window in [1, 2, 3, 4, 7, 100] {
            assert_eq!(sessions(&Stream::new(5, &all, window)), expected, "{window}");
        }
        let stream = Stream::new(5, &all, 3);
        let histories = Histories::read(&stream).unwrap();
        let steps: Vec<_> =
            histories.steps(0).map(|(items, next)| (items.to_vec(), next)).collect();
        let defined = all
            .iter()
            .flat_map(|items| (1..items.len()).map(|at| (items[..at].to_vec(), items[at])));
        assert_eq!(steps, defined.collect::<Vec<_>>());
        assert_eq!(histories.steps(9).count(), histories.len() - 9);
    }

    #[test]
    fn what_does_not_count_is_context() {
        let rows =
            Rows::with_targets(9, vec![(vec![1, 2, 3], vec![IGN, 3, 4]), (vec![3], vec![IGN])]);
        let histories = Histories::read(&rows).unwrap();
        let steps: Vec<_> = histories.steps(0).collect();
        assert_eq!(steps, [(&[1, 2][..], 3), (&[1, 2, 3][..], 4)]);
    }

    #[test]
    fn items_that_the_catalogue_lacks_are_refused() {
        for (items, targets) in [(vec![0, 3], vec![3, 0]), (vec![0, 1], vec![1, 3])] {
            let rows = Rows::with_targets(3, vec![(items, targets)]);
            let error = Histories::read(&rows).unwrap_err().to_string();
            assert_eq!(error, "rows has the item 3, expected indices below 3");
        }
        let error = Histories::read(&crate::testing::dataset().train).unwrap_err().to_string();
        assert_eq!(error, "testing has 3 classes as targets, expected the next item per step");
    }
}
