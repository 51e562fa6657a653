//! Which samples, and in what order. Both follow from the seed alone, on every machine.

use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::error::{Error, Result};

/// In what order a pass goes through its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// From the first to the last.
    AsGiven,
    /// Shuffled anew in each epoch. Depends on these two numbers alone, so that any epoch can be
    /// repeated without those before it.
    Shuffled {
        /// The seed of the run.
        seed: u64,
        /// Counts the passes.
        epoch: u64,
    },
    /// As many streams side by side as a batch has samples, for samples that follow each other as the
    /// pieces of a text do: row `b` of each batch continues row `b` of the previous batch, so that the
    /// state of a model can be passed from one batch to the next. The samples that would make a last,
    /// smaller batch are left out.
    Streams,
}

impl Order {
    /// The indices `0..count` in this order, for batches of `batch_size`, which is at least 1.
    pub(crate) fn of(self, count: u32, batch_size: usize) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..count).collect();
        match self {
            Order::AsGiven => indices,
            Order::Shuffled { seed, epoch } => {
                indices.shuffle(&mut generator(*b"shuffle.", seed, epoch));
                indices
            }
            Order::Streams => {
                let steps = indices.len() / batch_size;
                let step = |step: usize| (0..batch_size).map(move |row| row * steps + step);
                (0..steps).flat_map(step).map(|at| indices[at]).collect()
            }
        }
    }
}

/// Holds out `valid` of the indices `0..count`, drawn by `seed`, for validation. Gives `(train, valid)`,
/// each ascending; together they hold every index once.
///
/// # Errors
/// [`Error::HeldOut`] when `valid` is not less than `count`, [`Error::TooMany`] when `count` is above
/// `u32::MAX`.
///
/// ```
/// let (train, valid) = fgn_data::split(60_000, 5_000, 1)?;
/// assert_eq!((train.len(), valid.len()), (55_000, 5_000));
/// # Ok::<(), fgn_data::Error>(())
/// ```
pub fn split(count: usize, valid: usize, seed: u64) -> Result<(Vec<u32>, Vec<u32>)> {
    if valid >= count {
        return Err(Error::HeldOut { held_out: valid, count });
    }
    let end = u32::try_from(count).map_err(|_| Error::TooMany { count })?;
    Ok(draw(end, valid, *b"validate", seed))
}

/// Draws `held_out` of `0..end` for a purpose. Gives `(left, held out)`, each ascending.
pub(crate) fn draw(end: u32, held_out: usize, purpose: [u8; 8], seed: u64) -> (Vec<u32>, Vec<u32>) {
    let mut drawn: Vec<u32> = (0..end).collect();
    drawn.shuffle(&mut generator(purpose, seed, 0));
    let mut left = drawn.split_off(held_out);
    left.sort_unstable();
    drawn.sort_unstable();
    (left, drawn)
}

/// A generator of its own for each purpose, so that two that share a seed share nothing else.
pub(crate) fn generator(purpose: [u8; 8], seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&purpose);
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&epoch.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(count: u32, seed: u64, epoch: u64) -> Vec<u32> {
        Order::Shuffled { seed, epoch }.of(count, 1)
    }

    #[test]
    fn streams_continue_row_by_row() {
        assert_eq!(Order::Streams.of(7, 3), [0, 2, 4, 1, 3, 5]);
        assert_eq!(Order::Streams.of(4, 1), [0, 1, 2, 3]);
        for (count, rows) in [(100, 7), (64, 64), (65, 8)] {
            let indices = Order::Streams.of(count, rows);
            let batches: Vec<_> = indices.chunks(rows).collect();
            assert_eq!(batches.len(), count as usize / rows);
            for pair in batches.windows(2) {
                let continues = |(before, after): (&u32, &u32)| *after == before + 1;
                assert!(pair[0].iter().zip(pair[1]).all(continues), "{pair:?}");
            }
        }
    }

    #[test]
    fn every_seed_and_epoch_has_its_own_order() {
        let orders = [(1, 0), (1, 1), (2, 0), (2, 1), (0, 1), (0, 2)]
            .map(|(seed, epoch)| shuffled(1013, seed, epoch));
        for (i, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1013), "not a permutation");
            assert!(orders[..i].iter().all(|other| other != order), "two orders are the same");
        }
    }

    /// An order that changed would silently change every run that is repeated or resumed.
    #[test]
    fn orders_stay_what_they_were() {
        assert_eq!(shuffled(10, 7, 3), GOLDEN_ORDER);
        assert_eq!(split(10, 4, 7).unwrap().1, GOLDEN_VALID);
    }
    const GOLDEN_ORDER: [u32; 10] = [6, 9, 2, 4, 7, 8, 1, 0, 5, 3];
    const GOLDEN_VALID: [u32; 4] = [1, 3, 5, 6];

    #[test]
    fn the_parts_of_a_split_are_ascending_and_whole() {
        for (count, valid) in [(1, 0), (2, 1), (997, 100), (1000, 999)] {
            let (train, held_out) = split(count, valid, 3).unwrap();
            assert_eq!(held_out.len(), valid);
            assert!(train.is_sorted() && held_out.is_sorted());
            let mut all = [train, held_out].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count as u32));
        }
        assert_eq!(split(997, 100, 3).unwrap(), split(997, 100, 3).unwrap());
        assert_ne!(split(997, 100, 3).unwrap(), split(997, 100, 4).unwrap());
    }

    #[test]
    fn a_split_that_leaves_nothing_is_refused() {
        for (count, valid) in [(0, 0), (5, 5), (5, 6), (5, usize::MAX)] {
            let error = split(count, valid, 1).unwrap_err();
            assert!(matches!(error, Error::HeldOut { .. }), "{error}");
        }
    }
}
