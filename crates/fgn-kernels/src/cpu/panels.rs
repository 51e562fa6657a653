//! Weight matrices laid out for tiles.

use std::ops::Range;

use super::buffer::Buffer;
use super::pool;
use super::simd::Element;
use super::tile::{PANEL_VECTORS, parts};

/// So many numbers are packed before another thread is worth waking.
const PACKED_ALONE: usize = 200_000;
/// How many rows of a panel are written before going back for the next lane: they stay in the nearest
/// cache meanwhile.
const PACKED_ROWS: usize = 128;

/// A matrix as panels of a few registers of columns, each panel row by row.
pub(crate) struct Panels<E> {
    data: Buffer<E>,
    /// Rows of the matrix.
    depth: usize,
    /// Registers in a panel (the last may have fewer).
    per_panel: usize,
    /// Registers of columns.
    vectors: usize,
    /// Numbers in a register.
    width: usize,
    /// Numbers in the last register that are the matrix's.
    last: usize,
}

/// One panel.
pub(super) struct Panel<'a, E> {
    /// `depth` rows of `vectors` registers.
    pub(super) data: &'a [E],
    pub(super) depth: usize,
    pub(super) vectors: usize,
    /// The place of its first register among all.
    pub(super) first: usize,
    /// How many numbers of its last register are the matrix's.
    pub(super) last: usize,
}

/// A matrix `[_, depth]`, of which some rows are wanted.
#[derive(Clone, Copy)]
pub(crate) struct WeightRows<'a, E> {
    pub(crate) matrix: &'a [E],
    pub(crate) depth: usize,
    /// Those for each register of columns.
    pub(crate) groups: &'a [RowGroup],
}

impl<E: Element> WeightRows<'_, E> {
    /// Writes the groups `vectors` as columns, side by side.
    fn transpose(&self, vectors: Range<usize>, to: &mut [E], width: usize) {
        let stride = vectors.len() * width;
        for (vector, group) in self.groups[vectors].iter().enumerate() {
            for (first, count) in parts(self.depth, PACKED_ROWS) {
                for lane in 0..width {
                    let column = to[first * stride..].iter_mut();
                    let column = column.skip(vector * width + lane).step_by(stride);
                    if lane < group.count {
                        let row = (group.first + lane) * self.depth + first;
                        let row = &self.matrix[row..][..count];
                        column.zip(row).for_each(|(to, &value)| *to = value);
                    } else {
                        column.take(count).for_each(|to| *to = E::default());
                    }
                }
            }
        }
    }
}

/// Up to a register's width of neighbouring rows of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct RowGroup {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl<E: Element> Panels<E> {
    /// The transposes of some matrices' rows, one below the other: with one register of columns for each
    /// group of rows, of which they have equally many, filled up with zeros.
    pub(crate) fn transposed(
        matrices: &[WeightRows<'_, E>],
        per_panel: usize,
        width: usize,
    ) -> Self {
        let depth = matrices.iter().map(|rows| rows.depth).sum();
        let vectors = matrices.first().map_or(0, |rows| rows.groups.len());
        let mut panels = Self::recycled(depth, vectors, per_panel, width, width);
        let panel_len = (per_panel * depth * width).max(1);
        let together = PACKED_ALONE.div_ceil(panel_len);
        let some = panels.data.chunks_mut(together * panel_len).enumerate();
        pool::map(some.collect(), |(n, panels)| {
            for (panel, data) in (n * together..).zip(panels.chunks_mut(panel_len)) {
                let vectors = panel * per_panel..vectors.min((panel + 1) * per_panel);
                let mut data = data;
                for rows in matrices {
                    let (here, rest) = data.split_at_mut(rows.depth * vectors.len() * width);
                    rows.transpose(vectors.clone(), here, width);
                    data = rest;
                }
            }
        });
        panels
    }

    /// `matrix: [depth, columns]` as it is.
    pub(crate) fn straight(matrix: &[E], columns: usize, width: usize) -> Self {
        let vectors = columns.div_ceil(width);
        let last = columns - (vectors - 1) * width;
        let depth = matrix.len() / columns;
        let mut panels = Self::recycled(depth, vectors, PANEL_VECTORS, width, last);
        for vector in 0..vectors {
            let (start, stride) = panels.place(vector);
            let from = vector * width;
            let count = width.min(columns - from);
            for k in 0..depth {
                let to = &mut panels.data[start + k * stride..][..width];
                to[..count].copy_from_slice(&matrix[k * columns + from..][..count]);
                to[count..].fill(E::default());
            }
        }
        panels
    }

    /// Panels of any numbers, for whoever writes them all.
    fn recycled(depth: usize, vectors: usize, per_panel: usize, width: usize, last: usize) -> Self {
        let data = Buffer::recycled(depth * vectors * width);
        Self { data, depth, per_panel, vectors, width, last }
    }

    /// Where a register of columns begins, and how far it is from one row to the next.
    fn place(&self, vector: usize) -> (usize, usize) {
        let first = vector / self.per_panel * self.per_panel;
        let vectors = self.per_panel.min(self.vectors - first);
        (first * self.depth * self.width + (vector - first) * self.width, vectors * self.width)
    }

    /// The panels, in their order.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = Panel<'_, E>> {
        self.part(0, 1, false)
    }

    /// The registers of columns in one of some nearly equal parts of the panels.
    pub(super) fn part_vectors(&self, part: usize, parts: usize) -> Range<usize> {
        let of = |part: usize| (part * self.count() / parts * self.per_panel).min(self.vectors);
        of(part)..of(part + 1)
    }

    /// How many panels there are.
    fn count(&self) -> usize {
        self.vectors.div_ceil(self.per_panel)
    }

    /// One of some nearly equal parts of the panels, in their order or backwards.
    #[inline(always)]
    pub(super) fn part(
        &self,
        part: usize,
        parts: usize,
        backwards: bool,
    ) -> impl Iterator<Item = Panel<'_, E>> {
        let (begin, end) = (part * self.count() / parts, (part + 1) * self.count() / parts);
        (begin..end).map(move |n| {
            let first = if backwards { begin + end - 1 - n } else { n } * self.per_panel;
            let vectors = self.per_panel.min(self.vectors - first);
            let row = self.depth * self.width;
            let ends = first + vectors == self.vectors;
            Panel {
                data: &self.data[first * row..(first + vectors) * row],
                depth: self.depth,
                vectors,
                first,
                last: if ends { self.last } else { self.width },
            }
        })
    }
}
