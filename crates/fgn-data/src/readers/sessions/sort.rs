//! Events in the order of a key, however many there are: sorted in memory as long as they fit, else in runs in one
//! temporary file, which are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::vec::IntoIter;

use rayon::slice::ParallelSliceMut;

/// The fewest events that are sorted together, so that there are never many runs.
const FEWEST: usize = 1 << 16;

/// How many events of a run are read together.
const BLOCK: u64 = 1 << 11;

/// An event of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// What it is sorted by. Events of one key stay in the order in which they came.
    pub(super) key: [u64; 3],
    /// Where the name of its session is.
    pub(super) name: u64,
    pub(super) item: u32,
}

impl Event {
    /// The bytes of an event in a file.
    const BYTES: usize = 36;

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let [a, b, c] = self.key;
        [a, b, c, self.name].iter().try_for_each(|word| to.write_all(&word.to_le_bytes()))?;
        to.write_all(&self.item.to_le_bytes())
    }

    /// Of [`Self::BYTES`] bytes.
    fn read(bytes: &[u8]) -> Event {
        let word = |at: usize| {
            let bytes = bytes.iter().skip(8 * at).take(8).rev();
            bytes.fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        Event { key: [word(0), word(1), word(2)], name: word(3), item: word(4) as u32 }
    }
}

/// Takes events in any order.
pub(super) struct Sorter {
    /// How many may be in memory.
    most: usize,
    events: Vec<Event>,
    file: Option<BufWriter<File>>,
    /// The events in the file: the end of each run.
    ends: Vec<u64>,
}

impl Sorter {
    /// With about `bytes` bytes in memory; sorting takes half as much again as the events.
    pub(super) fn new(bytes: u64) -> Sorter {
        let most = bytes / (2 * size_of::<Event>() as u64);
        Sorter::with_most(usize::try_from(most).unwrap_or(usize::MAX).max(FEWEST))
    }

    fn with_most(most: usize) -> Sorter {
        Sorter { most, events: Vec::new(), file: None, ends: Vec::new() }
    }

    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn push(&mut self, event: Event) -> io::Result<()> {
        if self.events.len() >= self.most {
            self.write_run()?;
        }
        self.events.push(event);
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.events.par_sort_by_key(|event| event.key);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        self.events.iter().try_for_each(|event| event.write(file))?;
        let before = self.ends.last().copied().unwrap_or(0);
        self.ends.push(before + self.events.len() as u64);
        self.events.clear();
        Ok(())
    }

    /// All events in their order.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.events.par_sort_by_key(|event| event.key);
        let file = self.file.map(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut runs: Vec<Run> = starts
            .zip(&self.ends)
            .map(|(start, &end)| Run { left: start..end, events: Vec::new().into_iter() })
            .collect();
        runs.push(Run { left: 0..0, events: self.events.into_iter() });
        let mut sorted = Sorted { file: file.transpose()?, runs, heads: BinaryHeap::new() };
        (0..sorted.runs.len()).try_for_each(|run| sorted.take_head(run))?;
        Ok(sorted)
    }
}

/// Events in the order of their keys.
pub(super) struct Sorted {
    file: Option<File>,
    runs: Vec<Run>,
    /// The next event of each run. Of equal keys that of the earlier run comes first.
    heads: BinaryHeap<Reverse<([u64; 3], usize, Event)>>,
}

/// Sorted events.
struct Run {
    /// Which events of the file are still to be read.
    left: Range<u64>,
    events: IntoIter<Event>,
}

impl Run {
    fn next(&mut self, file: Option<&mut File>) -> io::Result<Option<Event>> {
        if self.events.len() == 0
            && !self.left.is_empty()
            && let Some(file) = file
        {
            let end = self.left.end.min(self.left.start + BLOCK);
            let mut bytes = vec![0; (end - self.left.start) as usize * Event::BYTES];
            file.seek(SeekFrom::Start(self.left.start * Event::BYTES as u64))?;
            file.read_exact(&mut bytes)?;
            self.events =
                bytes.chunks(Event::BYTES).map(Event::read).collect::<Vec<_>>().into_iter();
            self.left.start = end;
        }
        Ok(self.events.next())
    }
}

impl Sorted {
    fn take_head(&mut self, run: usize) -> io::Result<()> {
        if let Some(event) = self.runs[run].next(self.file.as_mut())? {
            self.heads.push(Reverse((event.key, run, event)));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<io::Result<Event>> {
        let Reverse((_, run, event)) = self.heads.pop()?;
        Some(self.take_head(run).map(|()| event))
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::sampling::generator;

    #[test]
    fn events_are_sorted_and_those_of_one_key_stay_in_order() {
        let mut random = generator(*b"sorting.", 1, 0);
        for (count, most) in [(0, 1), (1, 1), (7, 3), (5000, 5000), (5000, 4999), (9000, 17)] {
            let mut event = |name| {
                let key =
                    [random.random_range(0..9), u64::MAX - name % 2, random.random_range(0..9)];
                Event { key, name, item: random.random() }
            };
            let mut events: Vec<Event> = (0..count).map(&mut event).collect();
            let mut sorter = Sorter::with_most(most);
            events.iter().for_each(|&event| sorter.push(event).unwrap());
            let sorted = sorter.finish().unwrap();
            assert_eq!(sorted.file.is_some(), count as usize > most);
            events.sort_by_key(|event| event.key);
            assert!(sorted.map(|event| event.unwrap()).eq(events), "{count} events, {most}");
        }
    }
}
