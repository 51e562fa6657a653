//! Items of a task that threads take from each other.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What is taken of each part of a task. A thread that has done its own part goes on with what is left of others':
/// nobody waits long for one whose core is slower, or busy with something else.
pub(crate) struct Claims(Vec<Claim>);

/// Alone on its lines of the cache.
#[repr(align(128))]
struct Claim(AtomicUsize);

impl Claims {
    /// Of so many parts, nothing is taken.
    pub(crate) fn new(parts: usize) -> Self {
        Self((0..parts).map(|_| Claim(AtomicUsize::new(0))).collect())
    }

    /// Nothing is taken any more, for the next task.
    pub(crate) fn reset(&mut self) {
        self.0.iter_mut().for_each(|claim| *claim.0.get_mut() = 0);
    }

    /// Takes one item after another: of `part` first, then of the parts behind it in turn, each of which has
    /// as many as `count` says. Gives which part's, and which of them.
    #[inline(always)]
    pub(crate) fn take(
        &self,
        part: usize,
        count: impl Fn(usize) -> usize,
    ) -> impl Iterator<Item = (usize, usize)> {
        let parts = self.0.len();
        let mut done = 0;
        std::iter::from_fn(move || {
            while done < parts {
                let part = (part + done) % parts;
                let (claim, count) = (&self.0[part].0, count(part));
                // Only looking leaves the line with the others.
                if claim.load(Relaxed) < count {
                    let item = claim.fetch_add(1, Relaxed);
                    if item < count {
                        return Some((part, item));
                    }
                }
                done += 1;
            }
            None
        })
    }
}
