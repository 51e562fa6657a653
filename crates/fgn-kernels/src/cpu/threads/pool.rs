//! Work dealt out to threads: as many as rayon has.
//!
//! Candle has threads of its own for element-wise operations. They watch for the next one for up to a
//! millisecond, and others that want their cores meanwhile get half of them: the work goes to these very
//! threads, if there are as many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use candle_core::utils::barrier_pool;
use rayon::prelude::*;

use crate::cpu::threads::team::Team;

/// Below about this many multiply-adds, waking another thread costs more than it saves: nothing is gained if the thread
/// is awake, and milliseconds are lost if another process has its core.
pub(crate) const PARALLEL_WORK: usize = 1_000_000;

/// What `work` makes of each item, in their order; of all items it takes about `multiply_adds`. It must neither
/// deal out work itself nor compute with tensors.
pub(crate) fn map_parallel<T: Send, R: Send>(
    items: Vec<T>,
    multiply_adds: usize,
    work: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    map_parallel_with(items, multiply_adds, || (), |(), item| work(item))
}

/// As [`map_parallel`], given what `prepare` made for the thread. Each of Candle's threads begins with its own part of
/// the items, call by call the same: memory that items have in common stays in its cache.
pub(crate) fn map_parallel_with<T: Send, P, R: Send>(
    items: Vec<T>,
    multiply_adds: usize,
    prepare: impl Fn() -> P + Send + Sync,
    work: impl Fn(&P, T) -> R + Send + Sync,
) -> Vec<R> {
    let one = items.len() == 1 || rayon::current_num_threads() == 1;
    if one || multiply_adds < PARALLEL_WORK {
        let prepared = prepare();
        return items.into_iter().map(|item| work(&prepared, item)).collect();
    }
    if !takes_candles() {
        return items
            .into_par_iter()
            .map_init(&prepare, |prepared, item| work(prepared, item))
            .collect();
    }
    let slots: Vec<_> = items.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    let threads = barrier_pool().n_workers() + 1;
    barrier_pool().execute(|thread| {
        let (others, own) = slots.split_at(thread * slots.len() / threads);
        let mut prepared = None;
        for slot in own.iter().chain(others) {
            // What another thread has locked is its to do.
            let Ok(mut slot) = slot.try_lock() else { continue };
            if let Some(item) = slot.0.take() {
                slot.1 = Some(work(prepared.get_or_insert_with(&prepare), item));
            }
        }
    });
    let slots = slots.into_iter().map(|slot| slot.into_inner());
    let slots = slots.map(|slot| slot.unwrap_or_else(PoisonError::into_inner));
    slots.filter_map(|(_, result)| result).collect()
}

/// Whether Candle's threads are to work.
fn takes_candles() -> bool {
    let threads = rayon::current_num_threads();
    rayon::current_thread_index().is_none() && barrier_pool().n_workers() + 1 == threads
}

/// Gives `work` a team of up to `threads`, no more than rayon has. Of what it does besides, the same holds
/// as for [`map_parallel`].
pub(crate) fn with_team<R: Send>(threads: usize, work: impl FnOnce(&mut Team) -> R + Send) -> R {
    if threads == 1 || !takes_candles() {
        // Where no thread can be had, the caller does the work.
        return work(&mut Team::new(threads).unwrap_or(Team::alone()));
    }
    let team = Team::of_posts(threads);
    let posts = team.posts();
    let (work, result) = (Mutex::new(Some((team, work))), Mutex::new(None));
    let caller = barrier_pool().n_workers();
    barrier_pool().execute(|thread| {
        if let Some(post) = posts.get(thread) {
            post.serve();
        } else if thread == caller {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            // A panic must not pass through Candle, whose threads would never be had again.
            let done = work
                .map(|(mut team, work)| catch_unwind(AssertUnwindSafe(move || work(&mut team))));
            *result.lock().unwrap_or_else(PoisonError::into_inner) = done;
        }
    });
    match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(Ok(result)) => result,
        Some(Err(panic)) => resume_unwind(panic),
        None => unreachable!("the caller is one of the threads"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn results_come_in_their_order_from_every_kind_of_thread() {
        let squares = || {
            for count in [0, 1, 2, 7, 100] {
                for multiply_adds in [0, PARALLEL_WORK] {
                    let found = map_parallel((0..count).collect(), multiply_adds, |n: usize| n * n);
                    assert_eq!(found, (0..count).map(|n| n * n).collect::<Vec<_>>());
                }
            }
        };
        squares();
        for threads in [1, 3] {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(squares);
        }
    }

    #[test]
    fn a_team_of_any_threads_does_every_part_and_hands_on_a_panic() {
        let parts = || {
            for threads in 1..=rayon::current_num_threads() {
                let done = AtomicUsize::new(0);
                let most = with_team(threads, |team| {
                    for _ in 0..100 {
                        team.run(&|part| {
                            done.fetch_add(1 + part, Relaxed);
                        });
                    }
                    team.threads()
                });
                assert_eq!(done.into_inner(), 100 * most * (most + 1) / 2);
                assert!(catch_unwind(|| with_team(threads, |_| panic!("as asked for"))).is_err());
            }
        };
        parts();
        rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(parts);
    }
}
