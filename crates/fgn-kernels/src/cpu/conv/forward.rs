//! The forward pass of the image block.

use std::marker::PhantomData;

use crate::cpu::conv::pixels::{PixelProduct, add_border};
use crate::cpu::conv::shape::{CUT, ConvArguments, ConvShape, PARTS};
use crate::cpu::gemm::panels::{Panels, RowGroup, WeightRows};
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::cpu::gemm::tile_size::PANEL_VECTORS;
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::threads::pool::map_parallel;
use crate::cpu::threads::team::Team;
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// Gives `[B, H/2, W/2, O]`, and which of its four pixels each number is (4: none).
pub(crate) fn conv_forward<E: Element>(isa: Isa, a: ConvArguments<'_, E>) -> (Vec<E>, Vec<u8>) {
    let shape = a.shape;
    let width = isa.width::<E>();
    let (channels_in, channels_out) = (shape.channels_in, shape.channels_out);
    // [O, C, 3, 3] -> [O, (ky, kx, c)], the order of the numbers that a pixel sees.
    let rows: Vec<E> = (0..channels_out * 9 * channels_in)
        .map(|n| {
            let (o, tap, c) = (n / (9 * channels_in), n / channels_in % 9, n % channels_in);
            a.weight[(o * channels_in + c) * 9 + tap]
        })
        .collect();
    let groups: Vec<_> = (0..channels_out)
        .step_by(width)
        .map(|first| RowGroup { first, count: width.min(channels_out - first) })
        .collect();
    let rows = WeightRows { matrix: &rows, depth: 9 * channels_in, groups: &groups };
    let panels = &Panels::transposed(isa, &[rows], PANEL_VECTORS, &mut Team::alone());
    let mut bias = Buffer::zeroed(channels_out.next_multiple_of(width));
    bias[..channels_out].copy_from_slice(a.bias);

    let mut pooled = vec![E::default(); shape.pooled_len()];
    let mut picks = vec![0; shape.pooled_len()];
    let parts = PARTS.min(shape.batch);
    let per_part = shape.batch.div_ceil(parts);
    let parts = pooled
        .chunks_mut(per_part * shape.pooled_image())
        .zip(picks.chunks_mut(per_part * shape.pooled_image()))
        .zip(a.x.chunks(per_part * shape.image()));
    map_parallel(parts.collect(), shape.work(), |((pooled, picks), x)| {
        isa.run(ForwardImages { shape, x, panels, bias: &bias, pooled, picks });
    });
    (pooled, picks)
}

struct ForwardImages<'a, E: Element> {
    shape: ConvShape,
    x: &'a [E],
    panels: &'a Panels<E>,
    bias: &'a [E],
    pooled: &'a mut [E],
    picks: &'a mut [u8],
}

impl<E: Element> Task<E> for ForwardImages<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { shape, x, panels, bias, pooled, picks } = self;
        let ConvShape { height, width, channels_in, channels_out, .. } = shape;
        let mut image = Buffer::zeroed(shape.bordered() * channels_in);
        let mut rows = Buffer::zeroed(2 * width * bias.len());
        let row_len = width / 2 * channels_out;
        let mut pooled = pooled.chunks_mut(row_len).zip(picks.chunks_mut(row_len));
        for x in x.chunks(shape.image()) {
            add_border(shape, x, &mut image);
            for y in (0..height).step_by(2) {
                let product = PixelProduct::<S, E> {
                    left: &image[y * (width + 2) * channels_in..],
                    stride: channels_in,
                    width,
                    start: bias,
                    out: rows.as_mut_ptr(),
                    out_stride: bias.len(),
                    of: PhantomData,
                };
                let offsets = shape.kernel_rows(channels_in);
                let columns = side_by_side::<S>();
                multiply::<S>(2 * width, &offsets, panels.iter(), &columns, &product);
                if let Some((pooled, picks)) = pooled.next() {
                    max_pool(&rows, bias.len(), channels_out, pooled, picks);
                }
            }
        }
    }
}

/// ReLU and the largest of each four pixels, for two rows of pixels `stride` numbers apart.
#[inline(always)]
fn max_pool<E: Element>(
    rows: &[E],
    stride: usize,
    channels: usize,
    pooled: &mut [E],
    picks: &mut [u8],
) {
    let (upper, lower) = rows.split_at(rows.len() / 2);
    let pixels = upper.chunks(2 * stride).zip(lower.chunks(2 * stride));
    let results = pooled.chunks_mut(channels).zip(picks.chunks_mut(channels));
    for ((upper, lower), (pooled, picks)) in pixels.zip(results) {
        let four = [&upper[..channels], &upper[stride..], &lower[..channels], &lower[stride..]];
        let four = four.map(|pixel| &pixel[..channels]);
        for c in 0..channels {
            let (mut best, mut pick) = (E::default(), CUT);
            for (n, pixel) in four.iter().enumerate() {
                // What is NaN must get through.
                let larger = pixel[c] > best || pixel[c].partial_cmp(&best).is_none();
                best = if larger { pixel[c] } else { best };
                pick = if larger { n as u8 } else { pick };
            }
            pooled[c] = best;
            picks[c] = pick;
        }
    }
}
