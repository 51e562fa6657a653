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

/// One block of pre-activations: its index among those of the cell, and its weights.
pub(crate) struct StreamBlock<'a> {
    pub(crate) index: usize,
    pub(crate) feeds: [Option<StreamFeed<'a>>; 2],
}

/// The panels of all slabs, one after the other; of all blocks of a cell, or of some.
pub(crate) struct StreamPanels<F: Format> {
    data: Buffer<F::Stored>,
    /// The scales of each block's feeds, `[2, blocks, padded]`; empty if the format has none.
    scales: Buffer<f32>,
    /// For each block its index, and the depths of its feeds' panels, rounded up to [`ROWS`]; zero where it has
    /// none.
    blocks: Vec<(usize, [usize; 2])>,
    /// `G`: how many blocks the cell has.
    count: usize,
    /// From one slab to the next.
    slab: usize,
    /// The units, padded to whole slabs.
    pub(crate) padded: usize,
}

impl<F: Format> StreamPanels<F> {
    /// Of so many `units`, in slabs of `width`; `count` is how many blocks the cell has.
    pub(crate) fn new(
        width: usize,
        units: usize,
        blocks: &[StreamBlock<'_>],
        count: usize,
    ) -> Self {
        let padded = units.next_multiple_of(width);
        let depth = |feed: Option<StreamFeed<'_>>| feed.map_or(0, |feed| feed.depth);
        let depths: Vec<[usize; 2]> = blocks
            .iter()
            .map(|block| block.feeds.map(|feed| depth(feed).next_multiple_of(ROWS)))
            .collect();
        let slab = depths.as_flattened().iter().sum::<usize>() * width;
        let mut data = Buffer::zeroed(slab * padded / width);
        let mut scales = Buffer::zeroed(if F::SCALED { 2 * blocks.len() * padded } else { 0 });
        for unit in 0..units {
            let mut panel = unit / width * slab;
            for (n, block) in blocks.iter().enumerate() {
                for (part, feed) in block.feeds.iter().enumerate() {
                    let Some(StreamFeed { rows, depth }) = *feed else { continue };
                    let row = &rows[unit * depth..][..depth];
                    let scale = F::scale(row);
                    if F::SCALED {
                        scales[(part * blocks.len() + n) * padded + unit] = scale;
                    }
                    for (k, &weight) in row.iter().enumerate() {
                        let place = F::place(k, unit % width, width);
                        data[panel + place] = F::store(weight, scale);
                    }
                    panel += depths[n][part] * width;
                }
            }
        }
        let blocks = blocks.iter().map(|block| block.index).zip(depths).collect();
        Self { data, scales, blocks, count, slab, padded }
    }

    /// How many bytes a step reads.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.data) + size_of_val(&*self.scales)
    }

    /// Whether there are no blocks.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
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
            for block in 0..self.panels.blocks.len() {
                let mut row = 0;
                while row < self.batch {
                    row += match self.batch - row {
                        1 => self.tile::<S, 1, 4>(row, block, slab, panel),
                        2 | 3 => self.tile::<S, 2, 2>(row, block, slab, panel),
                        _ => self.tile::<S, 4, 1>(row, block, slab, panel),
                    };
                }
                panel += self.panels.blocks[block].1.iter().sum::<usize>() * VECTORS * S::WIDTH;
            }
        }
    }
}

impl<F: Format> StreamProduct<'_, F> {
    /// One block of these of one slab for `R` sequences from `row` on; gives `R`. The sums are `C` chains of
    /// additions.
    #[inline(always)]
    fn tile<S: Simd<Elem = f32>, const R: usize, const C: usize>(
        &self,
        row: usize,
        block: usize,
        slab: usize,
        mut panel: usize,
    ) -> usize {
        let StreamPanels { padded, count, ref blocks, .. } = *self.panels;
        let (index, depths) = blocks[block];
        let unit = slab * VECTORS * S::WIDTH;
        let load = |from: &[f32], place: usize| {
            let from = &from[place..][..VECTORS * S::WIDTH];
            // SAFETY: the slice is as long.
            [0, 1].map(|v| unsafe { S::load(from.as_ptr().add(v * S::WIDTH)) })
        };
        let mut sums = [load(self.start, index * padded + unit); R];
        for part in 0..2 {
            let depth = depths[part];
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
                        let scales = (part * blocks.len() + block) * padded + unit;
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
                let place = ((row + r) * count + index) * padded + unit + v * S::WIDTH;
                // SAFETY: the thread's own units.
                unsafe { sums[r][v].store(self.out.at(place)) };
            }
        }
        R
    }
}
