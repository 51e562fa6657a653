//! All processes of one `mpirun`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fgn_train::{Error, Group, Result};
use mpi::collective::CommunicatorCollectives as _;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::{Communicator as _, SimpleCommunicator};
use mpi::{Count, Threading};

/// MPI, from its start to the end of this value: dropping it waits for the other processes.
pub struct Mpi {
    world: Arc<World>,
    _universe: Universe,
}

/// Starts MPI; none where it has been started before. Call it once, on the main thread, and use the group there alone.
pub fn start() -> Option<Mpi> {
    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
    let world = SimpleCommunicator::world();
    let local = world.split_shared(world.rank());
    let count = |count: i32| usize::try_from(count).unwrap_or(0);
    let world = World {
        rank: count(world.rank()),
        size: count(world.size()),
        local_size: count(local.size()),
        sent: AtomicU64::new(0),
    };
    Some(Mpi { world: Arc::new(world), _universe: universe })
}

/// Ends all processes of the `mpirun` at once, with that exit code. Nothing is waited for.
pub fn abort(code: i32) -> ! {
    SimpleCommunicator::world().abort(code)
}

impl Mpi {
    /// The processes, as a trainer joins them.
    pub fn group(&self) -> Arc<dyn Group> {
        self.world.clone()
    }
}

/// Whoever holds it was given it by an [`Mpi`], whose life is that of the program's `main`.
struct World {
    rank: usize,
    size: usize,
    local_size: usize,
    sent: AtomicU64,
}

impl World {
    /// Counts what goes to other processes: of `lengths`, all but that of this one.
    fn count(&self, lengths: impl Iterator<Item = usize>) {
        let others = lengths.enumerate().filter(|(to, _)| *to != self.rank);
        let sent = others.map(|(_, length)| length as u64).sum::<u64>();
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }
}

impl Group for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn local_size(&self) -> usize {
        self.local_size
    }

    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        if parts.len() != self.size {
            let found = parts.len();
            return Err(Error::Group(format!(
                "{found} messages, expected one for each of {} processes",
                self.size
            )));
        }
        let world = SimpleCommunicator::world();
        let (counts, offsets) = packed(parts.iter().map(Vec::len))?;
        let mut counts_here = vec![0 as Count; self.size];
        world.all_to_all_into(&counts[..], &mut counts_here[..]);
        let lengths = counts_here.iter().map(|&count| usize::try_from(count).unwrap_or(0));
        let (counts_here, offsets_here) = packed(lengths)?;
        let sent = parts.concat();
        let (sent, length) = (allocated(sent), total(&counts_here));
        let mut received = allocated(vec![0u8; length]);
        {
            let from = Partition::new(&sent[..total(&counts)], &counts[..], &offsets[..]);
            let into = &mut received[..length];
            let mut into = PartitionMut::new(into, &counts_here[..], &offsets_here[..]);
            world.all_to_all_varcount_into(&from, &mut into);
        }
        self.count(parts.iter().map(|part| part.len() + size_of::<Count>()));
        Ok(cut(&received, &counts_here))
    }

    fn gather(&self, part: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let world = SimpleCommunicator::world();
        let length = Count::try_from(part.len()).map_err(|_| too_long(part.len()))?;
        let mut counts = vec![0 as Count; self.size];
        world.all_gather_into(&length, &mut counts[..]);
        let lengths = counts.iter().map(|&count| usize::try_from(count).unwrap_or(0));
        let (counts, offsets) = packed(lengths)?;
        let (bytes, own, all) = (part.len(), allocated(part), total(&counts));
        let mut received = allocated(vec![0u8; all]);
        {
            let into = &mut received[..all];
            let mut into = PartitionMut::new(into, &counts[..], &offsets[..]);
            world.all_gather_varcount_into(&own[..bytes], &mut into);
        }
        self.count((0..self.size).map(|_| bytes + size_of::<Count>()));
        Ok(cut(&received, &counts))
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The lengths and the offsets of messages that lie one behind the other.
fn packed(lengths: impl Iterator<Item = usize>) -> Result<(Vec<Count>, Vec<Count>)> {
    let (mut counts, mut offsets, mut end) = (Vec::new(), Vec::new(), 0usize);
    for length in lengths {
        offsets.push(Count::try_from(end).map_err(|_| too_long(end))?);
        counts.push(Count::try_from(length).map_err(|_| too_long(length))?);
        end += length;
    }
    Count::try_from(end).map_err(|_| too_long(end))?;
    Ok((counts, offsets))
}

fn too_long(length: usize) -> Error {
    Error::Group(format!(
        "messages of {length} bytes, expected at most {}: MPI's limit",
        Count::MAX
    ))
}

/// The bytes, and one more: an empty vector has the address 1, which is that of `MPI_IN_PLACE`.
fn allocated(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(0);
    bytes
}

fn total(counts: &[Count]) -> usize {
    counts.iter().map(|&count| usize::try_from(count).unwrap_or(0)).sum()
}

fn cut(bytes: &[u8], counts: &[Count]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let one = |&count: &Count| {
        let (part, after) = rest.split_at(usize::try_from(count).unwrap_or(0).min(rest.len()));
        rest = after;
        part.to_vec()
    };
    counts.iter().map(one).collect()
}
