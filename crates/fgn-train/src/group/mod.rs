//! Processes that train one model together.
//!
//! All that a training needs of other processes are two exchanges of bytes, of which everything else is made here and
//! in the trainer: sums of gradients, agreement, broadcasts. So an implementation is short, and a sum is in the same order
//! whatever implements the exchange.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

pub(crate) mod share;
#[cfg(test)]
pub(crate) mod threads;
pub(crate) mod tree;

/// Processes that train together, as one of them sees it.
///
/// Each calls the same methods in the same order. A call waits for the others: a process that stops must end the others,
/// or make their calls fail. [`Alone`] is the group of one; the crate `fgn-mpi` implements it by MPI.
pub trait Group: Send + Sync {
    /// Which of the processes this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// How many of them run on this machine.
    fn local_size(&self) -> usize;

    /// Sends `parts[to]` to each process `to`, itself included, and gives what each has sent here, in the order of ranks.
    ///
    /// # Errors
    /// [`Error::Group`] if there is not one part for each, or if the others cannot be reached.
    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>>;

    /// Gives the parts of all processes to all of them, in the order of ranks.
    ///
    /// # Errors
    /// [`Error::Group`] if the others cannot be reached.
    fn gather(&self, part: Vec<u8>) -> Result<Vec<Vec<u8>>>;

    /// How many bytes this process has sent to others so far.
    fn sent(&self) -> u64;
}

/// A process that trains by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn local_size(&self) -> usize {
        1
    }

    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        Ok(parts)
    }

    fn gather(&self, part: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        Ok(vec![part])
    }

    fn sent(&self) -> u64 {
        0
    }
}

/// The values of all processes, in the order of ranks.
///
/// # Errors
/// Those of [`Group::gather`], and a value of another version of fgn.
pub(crate) fn gather_all<T: Serialize + DeserializeOwned>(
    group: &dyn Group,
    value: &T,
) -> Result<Vec<T>> {
    let bytes = serde_json::to_vec(value).map_err(unreadable)?;
    group
        .gather(bytes)?
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).map_err(unreadable))
        .collect()
}

/// The bytes of the first process, for all of them; those of the others are not used.
///
/// # Errors
/// Those of [`Group::gather`].
pub(crate) fn broadcast(group: &dyn Group, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let part = if group.rank() == 0 { bytes } else { Vec::new() };
    Ok(group.gather(part)?.into_iter().next().unwrap_or_default())
}

/// Sends `part` to the first process: gives it those of all, in the order of ranks, and the others nothing.
///
/// # Errors
/// Those of [`Group::exchange`].
pub(crate) fn send_to_first(group: &dyn Group, part: Vec<u8>) -> Result<Vec<Vec<u8>>> {
    let mut parts = vec![Vec::new(); group.size()];
    parts[0] = part;
    let received = group.exchange(parts)?;
    Ok(if group.rank() == 0 { received } else { Vec::new() })
}

/// What another process sent cannot be understood.
pub(crate) fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Group(format!(
        "a message that cannot be read ({error}), expected one of this version of fgn"
    ))
}
