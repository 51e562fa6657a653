//! Threads of one process as a group, for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Group;
use crate::error::{Error, Result};

/// What the threads share: in each round a row of messages from each.
struct Table {
    rows: Mutex<Rows>,
    changed: Condvar,
}

struct Rows {
    sent: Vec<Option<Vec<Vec<u8>>>>,
    /// How many have taken their messages of the round.
    taken: usize,
    /// Who has left, after which no round ends.
    left: Option<usize>,
}

/// A thread of a group. Dropping it makes the calls of the others fail.
pub(crate) struct Thread {
    rank: usize,
    table: Arc<Table>,
    sent: AtomicU64,
}

/// Runs `work` in `size` threads that are a group, and gives what each returns.
pub(crate) fn run<T: Send>(size: usize, work: impl Fn(Arc<dyn Group>) -> T + Sync) -> Vec<T> {
    let rows = Rows { sent: vec![None; size], taken: 0, left: None };
    let table = Arc::new(Table { rows: Mutex::new(rows), changed: Condvar::new() });
    std::thread::scope(|scope| {
        let start = |rank| {
            let (table, work) = (table.clone(), &work);
            scope.spawn(move || work(Arc::new(Thread { rank, table, sent: AtomicU64::new(0) })))
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

impl Group for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.table.rows.lock().unwrap_or_else(PoisonError::into_inner).sent.len()
    }

    fn local_size(&self) -> usize {
        self.size()
    }

    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let Table { rows, changed } = &*self.table;
        let lock = |_| Error::Group("a thread panicked".into());
        let left = |rank| Error::Group(format!("process {rank} has left"));
        let mut rows = rows.lock().map_err(|_| lock(()))?;
        // The round before is over once all have taken their messages.
        while rows.sent[self.rank].is_some() {
            if let Some(rank) = rows.left {
                return Err(left(rank));
            }
            rows = changed.wait(rows).map_err(|_| lock(()))?;
        }
        let others = parts.iter().enumerate().filter(|(to, _)| *to != self.rank);
        let bytes = others.map(|(_, part)| part.len() as u64).sum();
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        rows.sent[self.rank] = Some(parts);
        changed.notify_all();
        while rows.sent.iter().any(Option::is_none) {
            if let Some(rank) = rows.left {
                return Err(left(rank));
            }
            rows = changed.wait(rows).map_err(|_| lock(()))?;
        }
        let received = rows.sent.iter().flatten().map(|parts| parts[self.rank].clone()).collect();
        rows.taken += 1;
        if rows.taken == rows.sent.len() {
            rows.taken = 0;
            rows.sent.fill(None);
            changed.notify_all();
        }
        Ok(received)
    }

    fn gather(&self, part: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        self.exchange(vec![part; self.size()])
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let mut rows = self.table.rows.lock().unwrap_or_else(PoisonError::into_inner);
        // A round that is complete can still be taken.
        rows.left.get_or_insert(self.rank);
        self.table.changed.notify_all();
    }
}
