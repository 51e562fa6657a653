//! A product whose left rows are rounded.

use crate::cpu::gemm::left_rows::LeftRows;
use crate::cpu::gemm::product::Product;
use crate::simd::vector::Element;

/// A product that reads [`LeftRows`] in place of its own.
pub(crate) struct RoundedProduct<'a, E, P> {
    product: &'a P,
    left: &'a LeftRows<E>,
}

impl<'a, E: Element, P: Product<E>> RoundedProduct<'a, E, P> {
    #[inline(always)]
    pub(crate) fn new(product: &'a P, left: &'a LeftRows<E>) -> Self {
        Self { product, left }
    }
}

// SAFETY: the rounded rows are as deep as the product's own, and everything else is what it promises.
unsafe impl<E: Element, P: Product<E>> Product<E> for RoundedProduct<'_, E, P> {
    type Row = (usize, P::Row);

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        self.product.rows().enumerate()
    }

    #[inline(always)]
    fn left(&self, (row, _): Self::Row) -> *const E {
        self.left.row(row)[1]
    }

    #[inline(always)]
    fn before(&self) -> usize {
        self.product.before()
    }

    #[inline(always)]
    fn left_before(&self, (row, _): Self::Row) -> *const E {
        self.left.row(row)[0]
    }

    #[inline(always)]
    fn start(&self, (_, row): Self::Row) -> *const E {
        self.product.start(row)
    }

    #[inline(always)]
    fn out(&self, (_, row): Self::Row) -> *mut E {
        self.product.out(row)
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        self.product.place(vector)
    }

    #[inline(always)]
    fn approach(&self, first: usize, count: usize, place: usize) {
        self.product.approach(first, count, place);
    }

    #[inline(always)]
    fn finished(&self, first: usize, count: usize, place: usize) {
        self.product.finished(first, count, place);
    }
}
