//! The products of many rows with one vector.

use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::stream::format::{Bf16, F32, Format, Int8, VECTORS};
use crate::cpu::stream::product::{StreamBlock, StreamFeed, StreamPanels, StreamProduct};
use crate::cpu::stream::rounded::ROUNDED_TOGETHER;
use crate::cpu::stream::slabs::Slabs;
use crate::cpu::threads::pool::map_parallel;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;

/// Into how many parts the rows are divided for the threads.
const PARTS: usize = 16;

/// Rows, packed, and what is added to each product.
pub(crate) struct PackedScores {
    isa: Isa,
    panels: Panels,
    /// `[padded]`
    start: Buffer<f32>,
    count: usize,
    size: usize,
}

enum Panels {
    F32(StreamPanels<F32>),
    Bf16(StreamPanels<Bf16>),
    Int8(StreamPanels<Int8>),
}

impl PackedScores {
    pub(crate) fn new(
        isa: Isa,
        rows: &[f32],
        size: usize,
        bias: &[f32],
        precision: Precision,
    ) -> PackedScores {
        let (count, width) = (rows.len() / size, VECTORS * isa.width::<f32>());
        let feed = Some(StreamFeed { rows, depth: size });
        let blocks = [StreamBlock { index: 0, feeds: [feed, None] }];
        let panels = match precision {
            Precision::F32 => Panels::F32(StreamPanels::new(width, count, &blocks, 1)),
            Precision::Bf16 => Panels::Bf16(StreamPanels::new(width, count, &blocks, 1)),
            Precision::Int8 => Panels::Int8(StreamPanels::new(width, count, &blocks, 1)),
        };
        let mut start = Buffer::zeroed(count.next_multiple_of(width));
        start[..bias.len()].copy_from_slice(bias);
        PackedScores { isa, panels, start, count, size }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn bytes(&self) -> usize {
        let panels = match &self.panels {
            Panels::F32(panels) => panels.bytes(),
            Panels::Bf16(panels) => panels.bytes(),
            Panels::Int8(panels) => panels.bytes(),
        };
        panels + size_of_val(&*self.start)
    }

    /// Writes the product of each row with `x`, which is as long as a row.
    pub(crate) fn scores(&self, x: &[f32], scores: &mut Vec<f32>) {
        scores.resize(self.start.len(), 0.0);
        match &self.panels {
            Panels::F32(panels) => self.multiply(panels, x, scores),
            Panels::Bf16(panels) => self.multiply(panels, x, scores),
            Panels::Int8(panels) => self.multiply(panels, x, scores),
        }
        scores.truncate(self.count);
    }

    fn multiply<F: Format>(&self, panels: &StreamPanels<F>, x: &[f32], scores: &mut [f32])
    where
        StreamPanels<F>: Sync,
        F::Left: Sync,
    {
        let padded = self.size.next_multiple_of(ROUNDED_TOGETHER);
        let mut row = Buffer::zeroed(padded);
        row[..x.len()].copy_from_slice(x);
        let mut numbers = Buffer::<i16>::zeroed(padded);
        let mut scale = [0.0; 2];
        let own = (&mut numbers[..], &mut scale[..]);
        let (left, left_scales) =
            F::left(self.isa, 1, [&row, &[]], [self.size.next_multiple_of(4), 0], own);
        let slabs = self.start.len() / (VECTORS * self.isa.width::<f32>());
        let parts = PARTS.min(slabs);
        let out = Shared::of(scores);
        let work = self.count * self.size;
        map_parallel((0..parts).collect(), work, |part| {
            let slabs = &Slabs::new(slabs, part, parts, false);
            let start = &self.start;
            // Each part writes to the rows of its own slabs.
            let product = StreamProduct { slabs, batch: 1, panels, start, left, left_scales, out };
            self.isa.run(product);
        });
    }
}
