//! What the derivatives of a block's steps are multiplied by.

use std::ops::Range;

use crate::cpu::memory::buffer::Buffer;
use crate::run::schedule::Schedule;
use crate::simd::bf16::number::rounded;
use crate::simd::vector::Element;

/// Rows that derivatives are multiplied by, as many for each step.
pub(crate) struct Left<E> {
    pub(crate) times: Range<usize>,
    /// The first row of each step, and how far the others lie behind it.
    pub(crate) firsts: Vec<*const E>,
    pub(crate) stride: usize,
    pub(crate) depth: usize,
    /// Where rows were gathered that lie elsewhere.
    _gathered: Option<Buffer<E>>,
}

impl<E: Element> Left<E> {
    /// The same number for all rows.
    pub(crate) fn always(one: &E, times: &Range<usize>) -> Self {
        let firsts = vec![&raw const *one; times.len()];
        Self { times: times.clone(), firsts, stride: 0, depth: 1, _gathered: None }
    }

    /// The rows of `depth` numbers that `of` gives for a step and a sequence, zero where it gives none or
    /// the sequence has ended. In a plain schedule they lie `stride` numbers apart. With `rounds`, they are rounded to
    /// bf16.
    pub(crate) fn new(
        of: &dyn Fn(usize, usize) -> Option<*const E>,
        schedule: &Schedule,
        (times, members): (&Range<usize>, &[usize]),
        [depth, stride]: [usize; 2],
        rounds: bool,
    ) -> Self {
        if schedule.is_plain() && !rounds {
            let firsts = times.clone().filter_map(|k| of(k, members[0])).collect();
            return Self { times: times.clone(), firsts, stride, depth, _gathered: None };
        }
        let mut gathered = Buffer::recycled(times.len() * members.len() * depth);
        let pairs = times.clone().flat_map(|k| members.iter().map(move |&b| (k, b)));
        for (row, (k, b)) in gathered.chunks_mut(depth).zip(pairs) {
            match of(k, b).filter(|_| k < schedule.len(b)) {
                Some(from) => {
                    // SAFETY: each row that a feed gives has `depth` numbers.
                    let from = unsafe { std::slice::from_raw_parts(from, depth) };
                    row.copy_from_slice(from);
                    if rounds {
                        row.iter_mut().for_each(|number| *number = rounded(*number));
                    }
                }
                None => row.fill(E::default()),
            }
        }
        let firsts = gathered.chunks(members.len() * depth).map(<[E]>::as_ptr).collect();
        let times = times.clone();
        Self { times, firsts, stride: depth, depth, _gathered: Some(gathered) }
    }
}
