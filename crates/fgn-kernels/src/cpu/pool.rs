//! Work dealt out to threads: as many as rayon has.
//!
//! Candle has threads of its own for element-wise operations. They watch for the next one for up to a
//! millisecond, and others that want their cores meanwhile get half of them: the work goes to these very
//! threads, if there are as many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use candle_core::utils::barrier_pool;
use rayon::prelude::*;

use super::PARALLEL_WORK;
use super::crew::Crew;

/// What `work` makes of each item, in their order; of all items it takes about `multiply_adds`. It must neither
/// deal out work itself nor compute with tensors.
pub(super) fn map<T: Send, R: Send>(
    items: Vec<T>,
    multiply_adds: usize,
    work: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    map_with(items, multiply_adds, || (), |(), item| work(item))
}

/// As [`map`], given what `prepare` made for the thread. Each of Candle's threads begins with its own part of
/// the items, call by call the same: memory that items have in common stays in its cache.
pub(super) fn map_with<T: Send, P, R: Send>(
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
    let places: Vec<_> = items.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    let threads = barrier_pool().n_workers() + 1;
    barrier_pool().execute(|thread| {
        let (others, own) = places.split_at(thread * places.len() / threads);
        let mut prepared = None;
        for place in own.iter().chain(others) {
            // What another thread has locked is its to do.
            let Ok(mut place) = place.try_lock() else { continue };
            if let Some(item) = place.0.take() {
                place.1 = Some(work(prepared.get_or_insert_with(&prepare), item));
            }
        }
    });
    let places = places.into_iter().map(|place| place.into_inner());
    let places = places.map(|place| place.unwrap_or_else(PoisonError::into_inner));
    places.filter_map(|(_, result)| result).collect()
}

/// Whether Candle's threads are to work.
fn takes_candles() -> bool {
    let threads = rayon::current_num_threads();
    rayon::current_thread_index().is_none() && barrier_pool().n_workers() + 1 == threads
}

/// Gives `work` a crew of up to `threads`, no more than rayon has. Of what it does besides, the same holds
/// as for [`map`].
pub(super) fn with_crew<R: Send>(threads: usize, work: impl FnOnce(&mut Crew) -> R + Send) -> R {
    if threads == 1 || !takes_candles() {
        // Where no thread can be had, the caller does the work.
        return work(&mut Crew::new(threads).unwrap_or(Crew::alone()));
    }
    let crew = Crew::of_posts(threads);
    let posts = crew.posts();
    let (work, result) = (Mutex::new(Some((crew, work))), Mutex::new(None));
    let caller = barrier_pool().n_workers();
    barrier_pool().execute(|thread| {
        if let Some(post) = posts.get(thread) {
            post.serve();
        } else if thread == caller {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            // A panic must not pass through Candle, whose threads would never be had again.
            let done = work
                .map(|(mut crew, work)| catch_unwind(AssertUnwindSafe(move || work(&mut crew))));
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
                    let found = map((0..count).collect(), multiply_adds, |n: usize| n * n);
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
    fn a_crew_of_any_threads_does_every_part_and_hands_on_a_panic() {
        let parts = || {
            for threads in 1..=rayon::current_num_threads() {
                let done = AtomicUsize::new(0);
                let most = with_crew(threads, |crew| {
                    for _ in 0..100 {
                        crew.run(&|part| {
                            done.fetch_add(1 + part, Relaxed);
                        });
                    }
                    crew.threads()
                });
                assert_eq!(done.into_inner(), 100 * most * (most + 1) / 2);
                assert!(catch_unwind(|| with_crew(threads, |_| panic!("as asked for"))).is_err());
            }
        };
        parts();
        rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(parts);
    }
}
