//! Products of a step: a few rows times panels of weights in any format.

// The loops below run over several arrays at once, and unroll only as written.
#![allow(clippy::needless_range_loop)]

use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::stream::format::{Format, ROWS, VECTORS};
use crate::cpu::stream::slabs::Slabs;
use crate::simd::vector::{Simd, Task};

/// The rows of a weight matrix for one block, one for each unit, each so long: what one of the two left
/// rows is multiplied by.
#[derive(Clone, Copy)]
pub(crate) struct StreamFeed<'a> {
    pub(crate) rows: &'a [f32],
    pub(crate) depth: usize,
}

/// The panels of all slabs, one after the other.
pub(crate) struct StreamPanels<F: Format> {
    pub(crate) data: Buffer<F::Stored>,
    /// The scales of each block's feeds, `[2, G, padded]`; empty if the format has none.
    pub(crate) scales: Buffer<f32>,
    /// For each block the depths of its feeds' panels, rounded up to [`ROWS`]; zero where it has none.
    depths: Vec<[usize; 2]>,
    /// From one slab to the next.
    slab: usize,
    /// The units, padded to whole slabs.
    pub(crate) padded: usize,
}

impl<F: Format> StreamPanels<F> {
    /// Of so many `units`, in slabs of `width`.
    pub(crate) fn new(width: usize, units: usize, blocks: &[[Option<StreamFeed<'_>>; 2]]) -> Self {
        let padded = units.next_multiple_of(width);
        let depth = |feed: &Option<StreamFeed<'_>>| feed.map_or(0, |feed| feed.depth);
        let depths: Vec<[usize; 2]> = blocks
            .iter()
            .map(|feeds| feeds.each_ref().map(|feed| depth(feed).next_multiple_of(ROWS)))
            .collect();
        let slab = depths.as_flattened().iter().sum::<usize>() * width;
        let mut data = Buffer::zeroed(slab * padded / width);
        let mut scales = Buffer::zeroed(if F::SCALED { 2 * blocks.len() * padded } else { 0 });
        for unit in 0..units {
            let mut panel = unit / width * slab;
            for (block, feeds) in blocks.iter().enumerate() {
                for (part, feed) in feeds.iter().enumerate() {
                    let Some(StreamFeed { rows, depth }) = *feed else { continue };
                    let row = &rows[unit * depth..][..depth];
                    let scale = F::scale(row);
                    if F::SCALED {
                        scales[(part * blocks.len() + block) * padded + unit] = scale;
                    }
                    for (k, &weight) in row.iter().enumerate() {
                        let place = F::place(k, unit % width, width);
                        data[panel + place] = F::store(weight, scale);
                    }
                    panel += depths[block][part] * width;
                }
            }
        }
        Self { data, scales, depths, slab, padded }
    }
}

/// The products of a thread's slabs.
pub(crate) struct StreamProduct<'a, F: Format> {
    pub(crate) slabs: &'a Slabs,
    pub(crate) batch: usize,
    pub(crate) panels: &'a StreamPanels<F>,
    /// What sums begin with, `[G, padded]`.
    pub(crate) start: &'a [f32],
    /// The rows that feeds are multiplied by, each as long as its panels are deep, or longer.
    pub(crate) left: [&'a [F::Left]; 2],
    /// The scales of these rows; empty if the format has none.
    pub(crate) left_scales: [&'a [f32]; 2],
    /// Where results go, `[B, G, padded]`: nobody else touches the slabs' units.
    pub(crate) out: Shared<f32>,
}

impl<F: Format> Task<f32> for StreamProduct<'_, F> {
    #[inline(always)]
    fn run<S: Simd<Elem = f32>>(self) {
        for slab in self.slabs.iter() {
            let mut panel = slab * self.panels.slab;
            for block in 0..self.panels.depths.len() {
                let mut row = 0;
                while row < self.batch {
                    row += match self.batch - row {
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

impl<F: Format> StreamProduct<'_, F> {
    /// One block of one slab for `R` sequences from `row` on; gives `R`. The sums are `C` chains of additions.
    #[inline(always)]
    fn tile<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        &self,
        row: usize,
        block: usize,
        slab: usize,
        mut panel: usize,
    ) -> usize {
        let (padded, blocks) = (self.panels.padded, self.panels.depths.len());
        let unit = slab * VECTORS * S::WIDTH;
        let load = |from: &[f32], place: usize| {
            let from = &from[place..][..VECTORS * S::WIDTH];
            // SAFETY: the slice is as long.
            [0, 1].map(|v| unsafe { S::load(from.as_ptr().add(v * S::WIDTH)) })
        };
        let mut sums = [load(self.start, block * padded + unit); R];
        for part in 0..2 {
            let depth = self.panels.depths[block][part];
            if depth == 0 {
                continue;
            }
            let len = depth * VECTORS * S::WIDTH;
            let stride = self.left[part].len() / self.batch;
            let left = &self.left[part][row * stride..];
            let data = &self.panels.data[panel..][..len];
            // SAFETY: the panel is as long, and each row of the left matrix no shorter than it is deep.
            let found = unsafe { F::sums::<S, R, C>(left.as_ptr(), stride, data.as_ptr(), depth) };
            panel += len;
            for r in 0..R {
                for v in 0..VECTORS {
                    sums[r][v] = if F::SCALED {
                        let scales = (part * blocks + block) * padded + unit;
                        let scale = load(&self.panels.scales, scales)[v];
                        let left_scale = S::broadcast(self.left_scales[part][row + r]);
                        found[r][v].mul_add(scale * left_scale, sums[r][v])
                    } else {
                        sums[r][v] + found[r][v]
                    };
                }
            }
        }
        for r in 0..R {
            for v in 0..VECTORS {
                let place = ((row + r) * blocks + block) * padded + unit + v * S::WIDTH;
                // SAFETY: the thread's own units.
                unsafe { sums[r][v].store(self.out.at(place)) };
            }
        }
        R
    }
}
