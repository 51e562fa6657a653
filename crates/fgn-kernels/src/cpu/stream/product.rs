//! The pre-activations of a step: a few rows times panels of weights in any format.

// The loops below run over several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use fgn_core::oracle::Shape;

use super::format::{Format, ROWS, VECTORS};
use super::{LINE, Own, Packed};
use crate::cpu::buffer::Buffer;
use crate::cpu::geometry::Geometry;
use crate::cpu::isa::Task;
use crate::cpu::simd::Simd;

/// How many bytes ahead of their use weights are asked for: a few hundred nanoseconds.
const AHEAD: usize = 4096;

/// The panels of all slabs, one after the other.
pub(super) struct Panels<F: Format> {
    pub(super) data: Buffer<F::Stored>,
    /// The scales of the input's and of the hidden state's weights, `[2, G, padded]`; empty if the
    /// format has none.
    pub(super) scales: Buffer<f32>,
    /// For each block the depth of its panel for the input and of the one for the hidden state,
    /// rounded up to [`ROWS`]; zero where it has none.
    depths: Vec<[usize; 2]>,
    /// From one slab to the next.
    slab: usize,
}

impl<F: Format> Panels<F> {
    pub(super) fn new(g: &Geometry, parameters: &[f32]) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let blocks = g.spec.blocks.len();
        let parts =
            [("weight_ih", input, &g.input_blocks), ("weight_hh", hidden, &g.hidden_blocks)];
        let mut depths = vec![[0; 2]; blocks];
        for (part, (_, depth, of)) in parts.into_iter().enumerate() {
            of.iter().for_each(|&block| depths[block][part] = depth.next_multiple_of(ROWS));
        }
        let slab = depths.as_flattened().iter().sum::<usize>() * g.width;
        let mut data = Buffer::zeroed(slab * g.vectors());
        let mut scales = Buffer::zeroed(if F::SCALED { 2 * blocks * g.padded } else { 0 });
        for unit in 0..hidden {
            let mut panel = unit / g.width * slab;
            for (block, depths) in depths.iter().enumerate() {
                for (part, (name, depth, of)) in parts.into_iter().enumerate() {
                    let Some(place) = of.iter().position(|&b| b == block) else {
                        continue;
                    };
                    let row =
                        &g.tensor(name, parameters)[(place * hidden + unit) * depth..][..depth];
                    let scale = F::scale(row);
                    if F::SCALED {
                        scales[(part * blocks + block) * g.padded + unit] = scale;
                    }
                    for (k, &weight) in row.iter().enumerate() {
                        let place = F::place(k, unit % g.width, g.width);
                        data[panel + place] = F::store(weight, scale);
                    }
                    panel += depths[part] * g.width;
                }
            }
        }
        Self { data, scales, depths, slab }
    }
}

impl Own<'_> {
    /// Computes the pre-activations from the input and the hidden state, each row of which is as long
    /// as its panels are deep, or longer.
    pub(super) fn multiply<F: Format>(
        &self,
        panels: &Panels<F>,
        left: [&[f32]; 2],
        backwards: bool,
    ) {
        self.packed.isa.run(Product { own: self, panels, left, backwards });
    }
}

struct Product<'a, F: Format> {
    own: &'a Own<'a>,
    panels: &'a Panels<F>,
    left: [&'a [f32]; 2],
    backwards: bool,
}

impl<F: Format> Task<f32> for Product<'_, F> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Range { start, end } = self.own.slabs;
        for n in start..end {
            let slab = if self.backwards { start + end - 1 - n } else { n };
            let mut panel = slab * self.panels.slab;
            for block in 0..self.panels.depths.len() {
                let mut row = 0;
                while row < self.own.batch {
                    row += match self.own.batch - row {
                        1 => self.tile::<S, 1, 4>(row, block, slab, panel),
                        2 | 3 => self.tile::<S, 2, 2>(row, block, slab, panel),
                        _ => self.tile::<S, 4, 1>(row, block, slab, panel),
                    };
                }
                panel += self.panels.depths[block].iter().sum::<usize>() * VECTORS * S::WIDTH;
            }
        }
    }
}

impl<F: Format> Product<'_, F> {
    /// One block of one slab for `R` sequences from `row` on; gives `R`. The sums over every row of a
    /// panel are `C` chains of additions, so that one need not wait for another.
    #[inline(always)]
    fn tile<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        &self,
        row: usize,
        block: usize,
        slab: usize,
        mut panel: usize,
    ) -> usize {
        let Packed { g, bias, .. } = self.own.packed;
        let unit = slab * VECTORS * S::WIDTH;
        let load = |from: &[f32], place: usize| {
            let from = &from[place..][..VECTORS * S::WIDTH];
            // SAFETY: the slice is as long.
            [0, 1].map(|v| unsafe { S::load(from.as_ptr().add(v * S::WIDTH)) })
        };
        let mut pre = [load(bias, block * g.padded + unit); R];
        for part in 0..2 {
            let depth = self.panels.depths[block][part];
            if depth == 0 {
                continue;
            }
            let len = depth * VECTORS * S::WIDTH;
            let stride = self.left[part].len() / self.own.batch;
            let left = &self.left[part][row * stride..];
            // SAFETY: each of `R` rows of the left matrix is as long as the panel is deep.
            let sums = unsafe {
                sums::<S, F, R, C>(left.as_ptr(), stride, &self.panels.data[panel..][..len], depth)
            };
            panel += len;
            for r in 0..R {
                for v in 0..VECTORS {
                    pre[r][v] = if F::SCALED {
                        let scales = (part * self.panels.depths.len() + block) * g.padded + unit;
                        sums[r][v].mul_add(load(&self.panels.scales, scales)[v], pre[r][v])
                    } else {
                        pre[r][v] + sums[r][v]
                    };
                }
            }
        }
        for r in 0..R {
            for v in 0..VECTORS {
                let place =
                    ((row + r) * g.spec.blocks.len() + block) * g.padded + unit + v * S::WIDTH;
                // SAFETY: the thread's own units.
                unsafe { pre[r][v].store(self.own.pre.at(place)) };
            }
        }
        R
    }
}

/// `R` rows of the left matrix, `stride` numbers apart, times a panel.
///
/// # Safety
/// From `left` on there are `R` such rows, each `depth` long.
#[inline(always)]
unsafe fn sums<S: Simd<Elem = f32>, F: Format, const R: usize, const C: usize>(
    left: *const f32,
    stride: usize,
    panel: &[F::Stored],
    depth: usize,
) -> [[S; VECTORS]; R] {
    let mut sums = [[[S::zero(); VECTORS]; R]; C];
    for k in (0..depth).step_by(ROWS) {
        // SAFETY: a panel has `depth` rows, a multiple of `ROWS`; the caller speaks for the left ones.
        unsafe {
            let rows = panel.as_ptr().add(k * VECTORS * S::WIDTH);
            for line in (0..ROWS * VECTORS * S::WIDTH * size_of::<F::Stored>()).step_by(LINE) {
                prefetch(rows.cast::<u8>().wrapping_add(AHEAD + line));
            }
            let weights = F::load::<S>(rows);
            for d in 0..ROWS {
                for r in 0..R {
                    let number = S::broadcast(*left.add(r * stride + k + d));
                    for v in 0..VECTORS {
                        let sum = &mut sums[d % C][r][v];
                        *sum = number.mul_add(weights[d][v], *sum);
                    }
                }
            }
        }
    }
    let mut chains = C;
    while chains > 1 {
        chains /= 2;
        for c in 0..chains {
            for r in 0..R {
                for v in 0..VECTORS {
                    sums[c][r][v] = sums[c][r][v] + sums[c + chains][r][v];
                }
            }
        }
    }
    sums[0]
}

/// Asks for the cache line at an address, which need not be one of the program's.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every such machine has the instruction, and it neither reads nor writes.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
