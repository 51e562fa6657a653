//! Which part of a batch is whose.

use std::ops::Range;

use super::Group;
use crate::error::{Error, Result};

/// A batch is divided into groups of samples, and each process computes some of them, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// How many groups a batch has.
    pub(crate) groups: usize,
    /// The groups of this process, at least one.
    pub(crate) own: Range<usize>,
}

impl Share {
    /// The share of this process of so many groups; one for each process if not given.
    ///
    /// # Errors
    /// [`Error::Value`] for fewer groups than processes.
    pub(crate) fn new(group: &dyn Group, groups: Option<usize>) -> Result<Share> {
        let (rank, size) = (group.rank(), group.size());
        let groups = groups.unwrap_or(size);
        if groups < size {
            return Err(Error::Value {
                key: "training.groups",
                found: groups.to_string(),
                expected: format!("at least {size}, the number of processes"),
            });
        }
        Ok(Share { groups, own: part(groups, size, rank) })
    }

    /// The name under which the state of a group is saved: without the group's number where there is one alone.
    pub(crate) fn key(&self, group: usize, name: &str) -> String {
        match self.groups {
            1 => name.to_owned(),
            _ => format!("{group}/{name}"),
        }
    }
}

/// Part `nth` of `count` things that are divided into `parts`, as equal as they can be.
pub(crate) fn part(count: usize, parts: usize, nth: usize) -> Range<usize> {
    let end = |nth: usize| (count as u128 * nth as u128 / parts as u128) as usize;
    end(nth)..end(nth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Alone;

    #[test]
    fn parts_follow_each_other_and_are_as_equal_as_can_be() {
        for (count, parts) in [(10, 3), (2, 8), (8, 8), (0, 2), (100, 7)] {
            let all: Vec<_> = (0..parts).map(|nth| part(count, parts, nth)).collect();
            assert_eq!((all[0].start, all[parts - 1].end), (0, count));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
            let most = all.iter().map(Range::len).max().unwrap();
            assert!(all.iter().all(|part| part.len() + 1 >= most));
        }
        assert_eq!(part(10, 3, 1), 3..6);
    }

    #[test]
    fn one_process_has_all_groups() {
        assert_eq!(Share::new(&Alone, None).unwrap(), Share { groups: 1, own: 0..1 });
        assert_eq!(Share::new(&Alone, Some(8)).unwrap(), Share { groups: 8, own: 0..8 });
        assert!(Share::new(&Alone, Some(0)).is_err());
    }
}
