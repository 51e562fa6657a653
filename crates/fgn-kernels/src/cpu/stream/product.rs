//! The pre-activations of a step: a few rows times panels of weights in any format.

// The loops below run over several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use fgn_core::oracle::Shape;

use super::format::{Format, ROWS, VECTORS};
use super::{Own, Packed};
use crate::cpu::buffer::Buffer;
use crate::cpu::geometry::Geometry;
use crate::cpu::isa::Task;
use crate::cpu::simd::Simd;

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

/// The pre-activations of a thread's slabs.
pub(super) struct Product<'a, F: Format> {
    pub(super) own: &'a Own<'a>,
    pub(super) panels: &'a Panels<F>,
    /// The input and the hidden state, each row as long as its panels are deep, or longer.
    pub(super) left: [&'a [F::Left]; 2],
    /// The scales of their rows; empty if the format has none.
    pub(super) left_scales: [&'a [f32]; 2],
}

impl<F: Format> Task<f32> for Product<'_, F> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        let Range { start, end } = self.own.slabs;
        for n in start..end {
            let slab = if self.own.backwards { start + end - 1 - n } else { n };
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
    /// One block of one slab for `R` sequences from `row` on; gives `R`. The sums are `C` chains of additions.
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
            let data = &self.panels.data[panel..][..len];
            // SAFETY: the panel is as long, and each row of the left matrix no shorter than it is deep.
            let sums = unsafe { F::sums::<S, R, C>(left.as_ptr(), stride, data.as_ptr(), depth) };
            panel += len;
            for r in 0..R {
                for v in 0..VECTORS {
                    pre[r][v] = if F::SCALED {
                        let scales = (part * self.panels.depths.len() + block) * g.padded + unit;
                        let scale = load(&self.panels.scales, scales)[v];
                        let left_scale = S::broadcast(self.left_scales[part][row + r]);
                        sums[r][v].mul_add(scale * left_scale, pre[r][v])
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
