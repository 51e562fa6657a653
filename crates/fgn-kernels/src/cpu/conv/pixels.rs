//! Products over the pixels of a bordered image.

use std::marker::PhantomData;

use crate::cpu::conv::shape::ConvShape;
use crate::cpu::gemm::product::Product;
use crate::simd::vector::{Element, Simd};

/// A product whose rows are pixels of a bordered image, in rows of `width`.
pub(crate) struct PixelProduct<'a, S, E> {
    pub(crate) left: &'a [E],
    pub(crate) stride: usize,
    pub(crate) width: usize,
    pub(crate) start: &'a [E],
    pub(crate) out: *mut E,
    pub(crate) out_stride: usize,
    pub(crate) of: PhantomData<S>,
}

// SAFETY: the kernel at any pixel stays inside the bordered image. `start` is as wide as the panels,
// and `out` has a row of `out_stride` numbers for each pixel, into which the panels fit.
unsafe impl<S: Simd<Elem = E>, E: Element> Product<E> for PixelProduct<'_, S, E> {
    /// The pixel, and where it stands in the bordered image.
    type Row = (usize, usize);

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        let width = self.width;
        let row = move |y| (0..width).map(move |x| (y * width + x, y * (width + 2) + x));
        (0..).flat_map(row)
    }

    #[inline(always)]
    fn left(&self, (_, bordered): Self::Row) -> *const E {
        self.left[bordered * self.stride..].as_ptr()
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.start.as_ptr()
    }

    #[inline(always)]
    fn out(&self, (pixel, _): Self::Row) -> *mut E {
        // SAFETY: there is such a pixel.
        unsafe { self.out.add(pixel * self.out_stride) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * S::WIDTH
    }
}

/// Copies an image into the middle of a bordered one.
#[inline(always)]
pub(crate) fn add_border<E: Element>(shape: ConvShape, x: &[E], image: &mut [E]) {
    let row = shape.width * shape.channels_in;
    for (y, from) in x.chunks(row).enumerate() {
        let first = ((y + 1) * (shape.width + 2) + 1) * shape.channels_in;
        image[first..first + row].copy_from_slice(from);
    }
}
