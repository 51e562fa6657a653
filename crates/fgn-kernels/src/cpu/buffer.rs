//! Memory for the kernels: aligned to a cache line, and shared between threads by disjoint parts.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::simd::Element;

/// A cache line, so that no register's read crosses one.
const ALIGNMENT: usize = 64;

/// A slice of numbers aligned to [`ALIGNMENT`], zero at first.
pub(crate) struct Buffer<E> {
    start: NonNull<E>,
    len: usize,
}

// SAFETY: a buffer owns its numbers, which are plain.
unsafe impl<E: Element> Send for Buffer<E> {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl<E: Element> Sync for Buffer<E> {}

impl<E: Element> Buffer<E> {
    pub(crate) fn zeroed(len: usize) -> Self {
        if len == 0 {
            return Self { start: NonNull::dangling(), len };
        }
        let layout = Self::layout(len);
        // SAFETY: the layout is not of size zero. Elements are plain numbers, valid when all bits
        // are zero.
        let start = unsafe { alloc_zeroed(layout) }.cast::<E>();
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, len }
    }

    /// A view that threads may write through, each its own part.
    pub(crate) fn shared(&mut self) -> Shared<E> {
        Shared { start: self.start.as_ptr(), len: self.len }
    }

    fn layout(len: usize) -> Layout {
        let array = Layout::array::<E>(len).and_then(|array| array.align_to(ALIGNMENT));
        array.unwrap_or_else(|_| panic!("a buffer of {len} numbers is larger than memory"))
    }
}

impl<E> Drop for Buffer<E> {
    fn drop(&mut self) {
        if self.len > 0 {
            let array = Layout::array::<E>(self.len).and_then(|array| array.align_to(ALIGNMENT));
            let Ok(layout) = array else { return };
            // SAFETY: this is what `zeroed` allocated, with the same layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl<E> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        // SAFETY: `start` is valid for `len` numbers, all initialised, as long as the buffer lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<E> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// A view on numbers that several threads write at the same time, each in its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<E> {
    start: *mut E,
    len: usize,
}

// SAFETY: a view is an address; every access goes through an unsafe block that argues which thread
// touches which part.
unsafe impl<E: Element> Send for Shared<E> {}
// SAFETY: as above.
unsafe impl<E: Element> Sync for Shared<E> {}

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
