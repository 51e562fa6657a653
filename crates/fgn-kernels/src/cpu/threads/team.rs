//! Threads that do their parts of a task over and over, a few microseconds each.
//!
//! A thread waits for the next task by watching a number in memory for a while, and sleeps only then:
//! waking it costs more than a small step takes. A part that its thread has not begun by the time
//! that the caller is done with its own is done by the caller too, so that nobody waits for a thread
//! to wake. Nothing is allocated and nothing is locked.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How long a thread watches for the next task before it sleeps: about what waking it takes.
const WATCH: Duration = Duration::from_micros(50);
/// How often the number is looked at between looks at the clock.
const LOOKS: usize = 64;

/// Nothing to do: the last task's part is done.
const IDLE: u8 = 0;
/// As idle, and the thread sleeps or is about to.
const ASLEEP: u8 = 1;
/// There is a part that nobody has begun.
const OPEN: u8 = 2;
/// The thread is at its part.
const TAKEN: u8 = 3;
/// The thread's part panicked, and the thread has ended.
const BROKEN: u8 = 4;
/// The team is gone: the thread is to end.
const OVER: u8 = 5;

/// What is to be done for each part.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A few threads: the caller's own, and those that wait for it.
pub(crate) struct Team(Vec<Member>);

/// A thread that waits.
struct Member {
    post: Arc<Post>,
    /// Where the thread is the team's own.
    handle: Option<JoinHandle<()>>,
}

/// Where a thread gets its part from: alone on its lines of the cache.
#[repr(align(128))]
pub(crate) struct Post {
    /// Which part it is.
    part: usize,
    /// Set when the thread comes to its post.
    thread: OnceLock<Thread>,
    stage: AtomicU8,
    /// The work at hand. Written by the caller before the stage is `OPEN`, read after it is `TAKEN`.
    work: UnsafeCell<Option<*const Work<'static>>>,
}

// SAFETY: `work` is written while the stage is neither `OPEN` nor `TAKEN`, and read while it is
// `TAKEN`; it points to what many threads may call.
unsafe impl Send for Post {}
// SAFETY: all other fields are `Sync`; the stage orders the accesses to `work`, see `Send`.
unsafe impl Sync for Post {}

impl Team {
    /// A team of `threads`, the caller's among them.
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        let mut team = Self::of_posts(threads);
        for Member { post, handle } in &mut team.0 {
            let theirs = post.clone();
            let builder = thread::Builder::new().name(format!("fgn-{}", post.part));
            *handle = Some(builder.spawn(move || theirs.serve())?);
        }
        Ok(team)
    }

    /// A team of `threads`, the caller's among them, whose other [`posts`](Self::posts) wait for whoever
    /// [serves](Post::serve) there. What nobody does, the caller does.
    pub(crate) fn of_posts(threads: usize) -> Self {
        let members = (1..threads).map(|part| {
            let (stage, work) = (AtomicU8::new(IDLE), UnsafeCell::new(None));
            Member {
                post: Arc::new(Post { part, thread: OnceLock::new(), stage, work }),
                handle: None,
            }
        });
        Self(members.collect())
    }

    /// Where the other threads serve.
    pub(crate) fn posts(&self) -> Vec<Arc<Post>> {
        self.0.iter().map(|member| member.post.clone()).collect()
    }

    /// The caller's thread.
    pub(crate) fn alone() -> Self {
        Self(Vec::new())
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        1 + self.0.len()
    }

    /// Does `work` for every part below [`threads`](Self::threads), each once, and returns when all
    /// are done.
    ///
    /// # Panics
    /// If one of them does.
    pub(crate) fn run(&mut self, work: &Work<'_>) {
        if self.0.is_empty() {
            return work(0);
        }
        // SAFETY: only the lifetime changes. A thread calls the work only while its post is taken, and
        // `Finish` returns from here only when none is open or taken.
        let lasting = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        for member in &self.0 {
            // SAFETY: between two tasks the stage is neither open nor taken.
            unsafe { *member.post.work.get() = Some(lasting) };
            if member.post.stage.swap(OPEN, AcqRel) == ASLEEP {
                member.post.wake();
            }
        }
        let finish = Finish(&self.0);
        work(0);
        for (n, member) in self.0.iter().enumerate() {
            if member.post.change(OPEN, IDLE) {
                work(n + 1);
            }
        }
        drop(finish);
        let broken = self.0.iter().any(|member| member.post.stage.load(Relaxed) == BROKEN);
        assert!(!broken, "a thread of the team panicked");
    }
}

/// Waits until no post is open or taken, also where the caller's own part panicked.
struct Finish<'a>(&'a [Member]);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        for member in self.0 {
            if member.post.change(OPEN, IDLE) {
                continue;
            }
            let mut looks = 0_usize;
            while member.post.stage.load(Acquire) == TAKEN {
                spin_loop();
                looks += 1;
                if looks.is_multiple_of(1000 * LOOKS) {
                    // The thread may be waiting for this core.
                    thread::yield_now();
                }
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A thread that is about to sleep sees this, or this sees that it sleeps, and who it is.
        if self.post.stage.swap(OVER, AcqRel) == ASLEEP {
            self.post.wake();
        }
        if let Some(handle) = self.handle.take() {
            // The work's panics were caught, and reported to whoever ran it.
            let _ = handle.join();
        }
    }
}

impl Post {
    /// Whether the stage was `from`; then it is `to` now.
    fn change(&self, from: u8, to: u8) -> bool {
        // Only looking leaves the line with the other thread.
        self.stage.load(Relaxed) == from
            && self.stage.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// What a thread does as long as there is the team.
    pub(crate) fn serve(&self) {
        // The team wakes a sleeping thread by this handle.
        let _ = self.thread.set(thread::current());
        while self.wait() {
            if !self.change(OPEN, TAKEN) {
                continue;
            }
            // SAFETY: the stage is `TAKEN`: the caller wrote the work before, and stays until this
            // ends.
            let done = unsafe {
                (*self.work.get()).map(|work| catch_unwind(AssertUnwindSafe(|| (*work)(self.part))))
            };
            if let Some(Err(_)) = done {
                self.stage.store(BROKEN, Release);
                return;
            }
            self.stage.store(IDLE, Release);
        }
    }

    /// Waits for the next part; false if there will be none.
    fn wait(&self) -> bool {
        let begin = Instant::now();
        loop {
            for _ in 0..LOOKS {
                match self.stage.load(Acquire) {
                    IDLE => spin_loop(),
                    ASLEEP => thread::park(),
                    OVER => return false,
                    _ => return true,
                }
            }
            if begin.elapsed() > WATCH {
                self.change(IDLE, ASLEEP);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::cpu::threads::claims::Claims;

    /// Long enough for every thread to sleep.
    const LONG: Duration = Duration::from_millis(5);

    #[test]
    fn every_part_is_done_once_by_watching_and_by_sleeping_threads() {
        for threads in 1..=5 {
            let mut team = Team::new(threads).unwrap();
            let done: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for n in 1..=2000 {
                if n % 500 == 0 {
                    thread::sleep(LONG);
                }
                team.run(&|part| {
                    done[part].fetch_add(1, Relaxed);
                });
                assert!(done.iter().all(|done| done.load(Relaxed) == n), "{done:?} after {n}");
            }
        }
    }

    #[test]
    fn every_item_is_taken_once_also_of_a_thread_that_comes_late() {
        let mut team = Team::new(3).unwrap();
        let mut claims = Claims::new(3);
        let count = |part: usize| 10 * part + 1;
        for late in 0..3 {
            let taken = std::sync::Mutex::new(Vec::new());
            claims.reset();
            team.run(&|part| {
                if part == late {
                    thread::sleep(LONG);
                }
                for item in claims.take(part, count) {
                    taken.lock().unwrap().push(item);
                }
            });
            let mut taken = taken.into_inner().unwrap();
            taken.sort_unstable();
            let all = (0..3).flat_map(|part| (0..count(part)).map(move |item| (part, item)));
            assert_eq!(taken, all.collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_thread_takes_its_own_part_first_and_then_all_that_others_leave() {
        let mut claims = Claims::new(3);
        assert_eq!(claims.take(2, |_| 2).next(), Some((2, 0)));
        let left: Vec<_> = claims.take(1, |_| 2).collect();
        assert_eq!(left, [(1, 0), (1, 1), (2, 1), (0, 0), (0, 1)]);
        assert_eq!(claims.take(0, |_| 2).next(), None);
        claims.reset();
        assert_eq!(claims.take(0, |_| 2).count(), 6);
    }

    #[test]
    fn a_part_that_panics_is_reported_and_hangs_nobody() {
        let mut team = Team::new(3).unwrap();
        for broken in [0, 2, 1, 1] {
            let run = catch_unwind(AssertUnwindSafe(|| {
                team.run(&|part| {
                    // Long enough that each thread begins its own.
                    thread::sleep(LONG);
                    assert_ne!(part, broken);
                });
            }));
            assert!(run.is_err(), "{broken}");
        }
        let done = AtomicUsize::new(0);
        team.run(&|_| {
            done.fetch_add(1, Relaxed);
        });
        assert_eq!(done.into_inner(), 3);
    }

    #[test]
    fn a_team_ends_while_its_threads_sleep_or_watch() {
        for pause in [Duration::ZERO, LONG] {
            let team = Team::new(4).unwrap();
            let posts: Vec<_> = team.0.iter().map(|member| Arc::downgrade(&member.post)).collect();
            thread::sleep(pause);
            drop(team);
            assert!(posts.iter().all(|post| post.upgrade().is_none()));
        }
    }
}
