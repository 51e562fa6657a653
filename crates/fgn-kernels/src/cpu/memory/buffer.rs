//! Memory for the kernels: aligned to a cache line, used again, and shared between threads by disjoint
//! parts.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::thread::ThreadId;

use crate::simd::number::Number;

/// The bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// A cache line, so that no vector's read crosses one.
const ALIGNMENT: usize = align_of::<Line>();

#[repr(align(64))]
struct Line;

/// Memory waiting to be used again, the oldest first. What a run keeps for its backward pass can be
/// hundreds of megabytes; getting them anew from the system costs more than filling them. A thread gets back
/// what it had before, if it can: that may still be in its cache.
static KEEP: Mutex<VecDeque<Memory>> = Mutex::new(VecDeque::new());

/// Smaller pieces are the allocator's business.
const KEPT_BYTES: usize = 64 << 10;

/// A slice of numbers aligned to a cache line.
pub(crate) struct Buffer<E> {
    memory: Memory,
    len: usize,
    keep: bool,
    of: std::marker::PhantomData<E>,
}

/// A piece of memory, every byte of which has been written.
struct Memory {
    start: NonNull<u8>,
    bytes: usize,
    /// The thread that last asked for it.
    asked_by: Option<ThreadId>,
}

// SAFETY: it owns plain bytes.
unsafe impl Send for Memory {}
// SAFETY: through a shared reference the bytes are only read.
unsafe impl Sync for Memory {}

impl<E: Number> Buffer<E> {
    /// `len` numbers, all zero.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::of(Memory::zeroed(len * size_of::<E>()), len, false)
    }

    /// `len` numbers of any value, for whoever writes them before reading. Dropped, the memory is kept
    /// for the next one.
    pub(crate) fn recycled(len: usize) -> Self {
        let bytes = len * size_of::<E>();
        let thread = Some(thread::current().id());
        let mut keep = KEEP.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |place: &usize| (bytes..=2 * bytes).contains(&keep[*place].bytes);
        let rank = |&place: &usize| (keep[place].asked_by != thread, keep[place].bytes);
        let best = (0..keep.len()).filter(fits).min_by_key(rank);
        let kept = best.and_then(|place| keep.remove(place));
        drop(keep);
        let mut memory = kept.unwrap_or_else(|| Memory::zeroed(bytes));
        memory.asked_by = thread;
        Self::of(memory, len, true)
    }

    /// A view that threads may write through, each its own part.
    pub(crate) fn shared(&mut self) -> Shared<E> {
        Shared::of(self)
    }

    fn of(memory: Memory, len: usize, keep: bool) -> Self {
        Self { memory, len, keep, of: std::marker::PhantomData }
    }
}

impl<E> Drop for Buffer<E> {
    fn drop(&mut self) {
        if self.keep && self.memory.bytes >= KEPT_BYTES {
            let memory = std::mem::replace(&mut self.memory, Memory::none());
            let mut keep = KEEP.lock().unwrap_or_else(PoisonError::into_inner);
            keep.push_back(memory);
            let most = 8 + 8 * rayon::current_num_threads();
            let oldest = if keep.len() > most { keep.pop_front() } else { None };
            drop(keep);
            drop(oldest);
        }
    }
}

impl Memory {
    const fn none() -> Self {
        Self { start: NonNull::<Line>::dangling().cast(), bytes: 0, asked_by: None }
    }

    fn zeroed(bytes: usize) -> Self {
        if bytes == 0 {
            return Self::none();
        }
        let layout = Self::layout(bytes);
        // SAFETY: the layout is not of size zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, bytes, asked_by: None }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGNMENT)
            .unwrap_or_else(|_| panic!("{bytes} bytes are more than there can be"))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: this is what `zeroed` allocated, with the same layout.
            unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) };
        }
    }
}

impl<E> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        // SAFETY: the memory is aligned for any number, holds `len` of them, and is all written: zero
        // at first, then plain numbers, which are valid whatever their bits.
        unsafe { std::slice::from_raw_parts(self.memory.start.cast().as_ptr(), self.len) }
    }
}

impl<E> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start.cast().as_ptr(), self.len) }
    }
}

/// A vector of `len` numbers that `fill` writes, through a view that threads may share.
///
/// # Safety
/// `fill` writes every number.
pub(crate) unsafe fn vec_filled_by<E>(len: usize, fill: impl FnOnce(Shared<E>)) -> Vec<E> {
    let mut numbers = Vec::with_capacity(len);
    fill(Shared { start: numbers.as_mut_ptr(), len });
    // SAFETY: the capacity is there, and the caller says that all of it is written.
    unsafe { numbers.set_len(len) };
    numbers
}

/// A view on numbers that several threads write at the same time, each in its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<E> {
    start: *mut E,
    len: usize,
}

// SAFETY: a view is an address; every access goes through an unsafe block that argues which thread
// touches which part.
unsafe impl<E: Number> Send for Shared<E> {}
// SAFETY: a copy of the address gives no access without an unsafe block of its own.
unsafe impl<E: Number> Sync for Shared<E> {}

impl<E> Shared<E> {
    pub(crate) fn of(slice: &mut [E]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len() }
    }

    /// The address of number `place`.
    ///
    /// # Safety
    /// - What the view was made of is alive.
    /// - `place` is at most its length; whoever reads or writes there stays inside it.
    #[inline(always)]
    pub(crate) unsafe fn at(self, place: usize) -> *mut E {
        debug_assert!(place <= self.len, "place {place} of {}", self.len);
        // SAFETY: the caller keeps `place` inside the allocation or at its end.
        unsafe { self.start.add(place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_zero_at_first_and_used_again() {
        // So much that no other test asks for it, or for half of it: memory that another one gave back would not be zero.
        const LEN: usize = if cfg!(miri) { 98_765 } else { 20_000_003 };
        let mut first = Buffer::<f32>::recycled(LEN);
        assert!(first.iter().all(|&x| x == 0.0));
        first.fill(1.0);
        let place = first.as_ptr() as usize;
        assert_eq!(place % ALIGNMENT, 0);
        drop(first);
        let second = Buffer::<f64>::recycled(LEN / 2);
        assert_eq!(second.as_ptr() as usize, place);
        assert_eq!(second.len(), LEN / 2);
        assert!(Buffer::<f32>::zeroed(LEN).iter().all(|&x| x == 0.0));
        assert!(Buffer::<f32>::recycled(0).is_empty());
    }
}
