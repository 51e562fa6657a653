//! Matrix products on one thread.

use crate::simd::vector::Element;

/// A matrix of numbers row by row, or its transpose.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, E> {
    numbers: &'a [E],
    rows: usize,
    columns: usize,
    /// From one row to the next, and from one column to the next.
    strides: [usize; 2],
}

impl<'a, E: Copy> Matrix<'a, E> {
    /// `[rows, columns]`, with as many rows as there are numbers for.
    pub(super) fn new(numbers: &'a [E], columns: usize) -> Self {
        let rows = numbers.len() / columns;
        Self { numbers, rows, columns, strides: [columns, 1] }
    }

    pub(super) fn rows(self) -> usize {
        self.rows
    }

    pub(super) fn columns(self) -> usize {
        self.columns
    }

    /// `[columns, rows]`
    pub(super) fn transposed(self) -> Self {
        let Self { numbers, rows, columns, strides: [of_rows, of_columns] } = self;
        Self { numbers, rows: columns, columns: rows, strides: [of_columns, of_rows] }
    }
}

/// Writes the product of `left: [M, K]` and `right: [K, N]` to `out: [M, N]`, or adds it.
pub(super) fn multiply<E: Element>(
    out: &mut [E],
    left: Matrix<'_, E>,
    right: Matrix<'_, E>,
    is_added: bool,
) {
    let (rows, columns, depth) = (left.rows, right.columns, left.columns);
    assert!(out.len() == rows * columns && right.rows == depth, "sizes of a product that fit");
    let [zero, one] = [0.0, 1.0].map(E::from_f64);
    let [left_strides, right_strides] =
        [left.strides, right.strides].map(|strides| strides.map(|stride| stride as isize));
    // SAFETY: each matrix is a slice of rows · columns numbers, and its strides lead to no others: a row and a column
    // below those counts are at `row · strides[0] + column · strides[1]`, in one order or the other. `out` has a number
    // for each row and column, and is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns as isize,
            is_added,
            left.numbers.as_ptr(),
            left_strides[1],
            left_strides[0],
            right.numbers.as_ptr(),
            right_strides[1],
            right_strides[0],
            if is_added { one } else { zero },
            one,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
