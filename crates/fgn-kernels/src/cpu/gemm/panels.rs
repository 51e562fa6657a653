//! Weight matrices packed for tiles.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::cpu::gemm::left_rows::pair_rows;
use crate::cpu::gemm::tile_size::PANEL_VECTORS;
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::threads::claims::Claims;
use crate::cpu::threads::team::Team;
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::bf16::number::{bf16_of, rounded};
use crate::simd::isa::Isa;
use crate::simd::number::Number;
use crate::simd::vector::{COLUMNS, Element, Simd, Task};

/// A matrix as panels of a few vectors of columns, each panel row by row.
pub(crate) struct Panels<E> {
    data: Buffer<E>,
    /// Rows of the matrix.
    depth: usize,
    /// Vectors in a panel (the last may have fewer).
    per_panel: usize,
    /// Registers of columns.
    vectors: usize,
    /// Elements of a vector.
    width: usize,
    /// Numbers in the last vector that are the matrix's.
    last: usize,
    /// What multiplies them, if they are rounded to bf16.
    bf16: Option<Bf16Engine>,
    /// In place of `data`, where an engine multiplies pairs: a panel's rows two at a time, see
    /// [`DotBlock::right`](crate::simd::bf16::block::DotBlock).
    pairs: Buffer<u16>,
}

/// One panel.
pub(crate) struct Panel<'a, E> {
    /// `depth` rows of `vectors` vectors.
    pub(crate) data: &'a [E],
    pub(crate) depth: usize,
    pub(crate) vectors: usize,
    /// The place of its first register among all.
    pub(crate) first: usize,
    /// How many numbers of its last vector are the matrix's.
    pub(crate) last: usize,
    /// What multiplies it, if it is rounded to bf16, and then its rows as pairs, if that takes these.
    pub(crate) bf16: Option<Bf16Engine>,
    pub(crate) pairs: &'a [u16],
}

/// A matrix `[_, depth]`, of which some rows are wanted.
#[derive(Clone, Copy)]
pub(crate) struct WeightRows<'a, E> {
    pub(crate) matrix: &'a [E],
    pub(crate) depth: usize,
    /// Those for each vector of columns.
    pub(crate) groups: &'a [RowGroup],
}

/// Writes a panel, given which it is and which vectors of columns it holds.
type Fill<'a, N> = dyn Fn(usize, Range<usize>, &mut [N]) + Sync + 'a;

/// Writes the groups `vectors` of a matrix as columns, side by side.
struct Transpose<'a, E> {
    rows: WeightRows<'a, E>,
    vectors: Range<usize>,
    to: &'a mut [E],
}

impl<E: Element> Task<E> for Transpose<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { rows: WeightRows { matrix, depth, groups }, vectors, to } = self;
        let stride = vectors.len() * S::WIDTH;
        assert!(to.len() == depth * stride);
        for (vector, group) in groups[vectors].iter().enumerate() {
            let rows = &matrix[group.first * depth..][..group.count * depth];
            let place = vector * S::WIDTH;
            let whole = if group.count == S::WIDTH { depth - depth % COLUMNS } else { 0 };
            for k in (0..whole).step_by(COLUMNS) {
                // SAFETY: there are `WIDTH` rows of `depth` numbers, and `depth` rows to write to.
                unsafe {
                    let columns = S::load_columns(rows.as_ptr().add(k), depth);
                    for (c, column) in columns.into_iter().enumerate() {
                        column.store(to.as_mut_ptr().add((k + c) * stride + place));
                    }
                }
            }
            for k in whole..depth {
                let to = &mut to[k * stride + place..][..S::WIDTH];
                let column = rows.iter().skip(k).step_by(depth);
                to.iter_mut().zip(column).for_each(|(to, &value)| *to = value);
                to[group.count..].fill(E::default());
            }
        }
    }
}

/// Up to a vector's width of neighbouring rows of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct RowGroup {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl<E> Panel<'_, E> {
    /// Its first rows.
    pub(crate) fn top(self, depth: usize) -> Self {
        let row = self.data.len() / self.depth;
        // Of pairs, the product reads as many as its left rows have.
        Self { data: &self.data[..depth * row], depth, ..self }
    }
}

impl<E: Element> Panels<E> {
    /// The transposes of some matrices' rows, one below the other: with one vector of columns for each
    /// group of rows, of which they have equally many, padded with zeros.
    pub(crate) fn transposed(
        isa: Isa,
        matrices: &[WeightRows<'_, E>],
        per_panel: usize,
        team: &mut Team,
    ) -> Self {
        let width = isa.width::<E>();
        let depth = matrices.iter().map(|rows| rows.depth).sum();
        let vectors = matrices.first().map_or(0, |rows| rows.groups.len());
        let panels = Self::recycled(depth, vectors, per_panel, width, width);
        panels.filled(team, &|_, vectors, panel| {
            let mut rest = panel;
            for &rows in matrices {
                let len = rows.depth * vectors.len() * width;
                let (to, others) = std::mem::take(&mut rest).split_at_mut(len);
                isa.run(Transpose { rows, vectors: vectors.clone(), to });
                rest = others;
            }
        })
    }

    /// `matrix: [depth, columns]` as it is.
    pub(crate) fn straight(matrix: &[E], columns: usize, width: usize, team: &mut Team) -> Self {
        let vectors = columns.div_ceil(width);
        let last = columns - (vectors - 1) * width;
        let depth = matrix.len() / columns;
        let panels = Self::recycled(depth, vectors, PANEL_VECTORS, width, last);
        panels.filled(team, &|_, vectors, panel| {
            let some = vectors.start * width..columns.min(vectors.end * width);
            let rows = panel.chunks_mut((vectors.len() * width).max(1));
            for (to, from) in rows.zip(matrix.chunks(columns)) {
                to[..some.len()].copy_from_slice(&from[some.clone()]);
                to[some.len()..].fill(E::default());
            }
        })
    }

    /// Panels of any numbers, for whoever writes them all.
    fn recycled(depth: usize, vectors: usize, per_panel: usize, width: usize, last: usize) -> Self {
        let data = Buffer::recycled(depth * vectors * width);
        let (bf16, pairs) = (None, Buffer::zeroed(0));
        Self { data, depth, per_panel, vectors, width, last, bf16, pairs }
    }

    /// Rounded to bf16, if there is an engine to multiply such. The rows that a left row's segments are multiplied by
    /// are `segments` rows each.
    pub(crate) fn rounded(
        mut self,
        engine: Option<Bf16Engine>,
        segments: &[usize],
        team: &mut Team,
    ) -> Self {
        let Some(engine) = engine else { return self };
        self.bf16 = Some(engine);
        if !engine.multiplies_pairs() {
            return self.filled(team, &|_, _, panel| {
                panel.iter_mut().for_each(|number| *number = rounded(*number));
            });
        }
        let row = 2 * pair_rows(segments, engine) * self.width;
        let mut pairs = Buffer::recycled(self.vectors * row);
        self.fill(&mut pairs, row, team, &|panel, _, to| {
            pair(&self.panel(panel), segments, engine, to);
        });
        self.pairs = pairs;
        self.data = Buffer::zeroed(0);
        self
    }

    /// With what `fill` writes into each panel.
    fn filled(mut self, team: &mut Team, fill: &Fill<'_, E>) -> Self {
        let mut data = std::mem::replace(&mut self.data, Buffer::zeroed(0));
        self.fill(&mut data, self.depth * self.width, team, fill);
        self.data = data;
        self
    }

    /// Each of the team fills what [`part`](Self::part) gives it to read, `of_vector` numbers for each vector of columns.
    fn fill<N: Number>(
        &self,
        data: &mut [N],
        of_vector: usize,
        team: &mut Team,
        fill: &Fill<'_, N>,
    ) {
        let (vectors, per_panel) = (self.vectors, self.per_panel);
        let (panel_len, parts) = (per_panel * of_vector, team.threads());
        let ranges: Vec<_> = (0..parts).map(|part| self.part_panels(part, parts)).collect();
        let mut rest = data;
        let mut shares = Vec::with_capacity(parts);
        for range in ranges {
            let len = (range.len() * panel_len).min(rest.len());
            let (share, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            shares.push(Mutex::new((range.start, share)));
        }
        team.run(&|part| {
            let mut share = shares[part].lock().unwrap_or_else(PoisonError::into_inner);
            let (first, share) = &mut *share;
            for (panel, data) in (*first..).zip(share.chunks_mut(panel_len.max(1))) {
                fill(panel, panel * per_panel..vectors.min((panel + 1) * per_panel), data);
            }
        });
    }

    /// The panels, in their order.
    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Panel<'_, E>> {
        self.part(0, 1, false)
    }

    /// The vectors of columns in one of some nearly equal parts of the panels.
    pub(crate) fn part_vectors(&self, part: usize, parts: usize) -> Range<usize> {
        let Range { start, end } = self.part_panels(part, parts);
        let of = |panel: usize| (panel * self.per_panel).min(self.vectors);
        of(start)..of(end)
    }

    /// Which panels one of some nearly equal parts has.
    fn part_panels(&self, part: usize, parts: usize) -> Range<usize> {
        let count = self.count();
        part * count / parts..(part + 1) * count / parts
    }

    /// How many panels there are.
    fn count(&self) -> usize {
        self.vectors.div_ceil(self.per_panel)
    }

    /// One of some nearly equal parts of the panels, in their order or backwards.
    #[inline(always)]
    pub(crate) fn part(
        &self,
        part: usize,
        parts: usize,
        backwards: bool,
    ) -> impl Iterator<Item = Panel<'_, E>> {
        let Range { start, end } = self.part_panels(part, parts);
        (start..end).map(move |n| self.panel(if backwards { start + end - 1 - n } else { n }))
    }

    /// One of some nearly equal parts of the panels, in their order or backwards, and then what others have
    /// left of theirs.
    #[inline(always)]
    pub(crate) fn claimed(
        &self,
        part: usize,
        parts: usize,
        backwards: bool,
        claims: &Claims,
    ) -> impl Iterator<Item = Panel<'_, E>> {
        let range = move |part| self.part_panels(part, parts);
        claims.take(part, move |part| range(part).len()).map(move |(part, n)| {
            let Range { start, end } = range(part);
            self.panel(if backwards { end - 1 - n } else { start + n })
        })
    }

    #[inline(always)]
    fn panel(&self, n: usize) -> Panel<'_, E> {
        let first = n * self.per_panel;
        let vectors = self.per_panel.min(self.vectors - first);
        // Pairs are in place of them.
        let row = if self.data.is_empty() { 0 } else { self.depth * self.width };
        let ends = first + vectors == self.vectors;
        Panel {
            data: &self.data[first * row..(first + vectors) * row],
            depth: self.depth,
            vectors,
            first,
            last: if ends { self.last } else { self.width },
            bf16: self.bf16,
            pairs: match self.pairs.is_empty() {
                true => &[],
                false => {
                    let row = self.pairs.len() / self.vectors;
                    &self.pairs[first * row..(first + vectors) * row]
                }
            },
        }
    }
}

/// Writes a panel's rows as pairs, each segment of them from an even one on and as long as the engine wants it.
fn pair<E: Element>(panel: &Panel<'_, E>, segments: &[usize], engine: Bf16Engine, to: &mut [u16]) {
    let columns = panel.data.len() / panel.depth;
    to.fill(0);
    let (mut rows, mut place) = (panel.data, 0);
    for &segment in segments {
        let (of_segment, rest) = rows.split_at(segment * columns);
        for (n, row) in of_segment.chunks(columns).enumerate() {
            let to = &mut to[(place + n / 2 * 2) * columns..][..2 * columns];
            for (pair, &number) in to.chunks_exact_mut(2).zip(row) {
                pair[n % 2] = bf16_of(number);
            }
        }
        (rows, place) = (rest, place + segment.next_multiple_of(engine.terms()));
    }
}
