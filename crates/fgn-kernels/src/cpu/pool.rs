//! Work dealt out to threads: as many as rayon has.
//!
//! Candle has threads of its own for element-wise operations. They watch for the next one for up to a
//! millisecond, and others that want their cores meanwhile get half of them: the work goes to these very
//! threads, if there are as many.

use std::sync::{Mutex, PoisonError};

use candle_core::utils::barrier_pool;
use rayon::prelude::*;

/// What `work` makes of each item, in their order. It must neither deal out work itself nor compute with
/// tensors.
pub(super) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    let threads = rayon::current_num_threads();
    if items.len() == 1 || threads == 1 {
        return items.into_iter().map(work).collect();
    }
    if rayon::current_thread_index().is_some() || barrier_pool().n_workers() + 1 != threads {
        return items.into_par_iter().map(work).collect();
    }
    let places: Vec<_> = items.into_iter().map(|item| Mutex::new((Some(item), None))).collect();
    barrier_pool().execute_chunked(places.len(), |range| {
        for place in &places[range] {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            place.1 = place.0.take().map(&work);
        }
    });
    let places = places.into_iter().map(|place| place.into_inner());
    let places = places.map(|place| place.unwrap_or_else(PoisonError::into_inner));
    places.filter_map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_their_order_from_every_kind_of_thread() {
        let squares = || {
            for count in [0, 1, 2, 7, 100] {
                let found = map((0..count).collect(), |n: usize| n * n);
                assert_eq!(found, (0..count).map(|n| n * n).collect::<Vec<_>>());
            }
        };
        squares();
        for threads in [1, 3] {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(squares);
        }
    }
}
