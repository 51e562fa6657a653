//! Weight matrices laid out for tiles.

use super::buffer::Buffer;
use super::simd::Element;
use super::tile::PANEL_VECTORS;

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

/// Up to a register's width of neighbouring rows of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct RowGroup {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl<E: Element> Panels<E> {
    /// The transpose of `matrix: [_, depth]`, with one register of columns for each group of rows,
    /// filled up with zeros.
    pub(crate) fn transposed(
        matrix: &[E],
        depth: usize,
        groups: &[RowGroup],
        per_panel: usize,
        width: usize,
    ) -> Self {
        let mut panels = Self::zeroed(depth, groups.len(), per_panel, width, width);
        for (vector, group) in groups.iter().enumerate() {
            let (start, stride) = panels.place(vector);
            for lane in 0..group.count {
                let row = &matrix[(group.first + lane) * depth..][..depth];
                for (k, &value) in row.iter().enumerate() {
                    panels.data[start + k * stride + lane] = value;
                }
            }
        }
        panels
    }

    /// `matrix: [depth, columns]` as it is.
    pub(crate) fn straight(matrix: &[E], columns: usize, width: usize) -> Self {
        let vectors = columns.div_ceil(width);
        let last = columns - (vectors - 1) * width;
        let depth = matrix.len() / columns;
        let mut panels = Self::zeroed(depth, vectors, PANEL_VECTORS, width, last);
        for vector in 0..vectors {
            let (start, stride) = panels.place(vector);
            let from = vector * width;
            let count = width.min(columns - from);
            for k in 0..depth {
                let source = &matrix[k * columns + from..][..count];
                panels.data[start + k * stride..][..count].copy_from_slice(source);
            }
        }
        panels
    }

    fn zeroed(depth: usize, vectors: usize, per_panel: usize, width: usize, last: usize) -> Self {
        let data = Buffer::zeroed(depth * vectors * width);
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
        (0..self.vectors).step_by(self.per_panel).map(|first| {
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
