//! The gradient of the image block.

use std::marker::PhantomData;

use crate::cpu::conv::pixels::{PixelProduct, add_border};
use crate::cpu::conv::shape::{CUT, ConvArguments, ConvShape, PARTS};
use crate::cpu::gemm::panels::Panels;
use crate::cpu::gemm::tile::{multiply, side_by_side};
use crate::cpu::gemm::tile_size::{PANEL_VECTORS, nearly_equal_parts};
use crate::cpu::gemm::transposed::{Strip, Strips, multiply_transposed};
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::threads::pool::map_parallel;
use crate::cpu::threads::team::Team;
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// The gradients of the loss with respect to the arguments.
pub(crate) struct ConvGradients<E> {
    /// If asked for.
    pub(crate) x: Option<Vec<E>>,
    pub(crate) weight: Vec<E>,
    pub(crate) bias: Vec<E>,
}

/// The gradient of [`conv_forward`](crate::cpu::conv::forward::conv_forward), given its picks and the gradients of the loss with respect to its result.
pub(crate) fn conv_backward<E: Element>(
    isa: Isa,
    a: ConvArguments<'_, E>,
    picks: &[u8],
    d_pooled: &[E],
    with_x: bool,
) -> ConvGradients<E> {
    let shape = a.shape;
    let width = isa.width::<E>();
    let (channels_in, channels_out) = (shape.channels_in, shape.channels_out);
    let padded = channels_out.next_multiple_of(width);
    // What a pixel of `x` goes into is seen through the kernel turned around.
    let panels = with_x.then(|| {
        let matrix: Vec<E> = (0..9 * padded * channels_in)
            .map(|n| {
                let (tap, o, c) =
                    (n / (padded * channels_in), n / channels_in % padded, n % channels_in);
                let inside = o < channels_out;
                if inside { a.weight[(o * channels_in + c) * 9 + 8 - tap] } else { E::default() }
            })
            .collect();
        Panels::straight(&matrix, channels_in, width, &mut Team::alone())
    });

    let mut d_x = with_x.then(|| vec![E::default(); a.x.len()]);
    let parts = PARTS.min(shape.batch);
    let mut d_x_parts: Vec<Option<&mut [E]>> = (0..parts).map(|_| None).collect();
    let mut rest = d_x.as_deref_mut();
    for (n, part) in d_x_parts.iter_mut().enumerate() {
        let len = shape.part(n).len() * shape.image();
        if let Some((first, others)) = rest.take().and_then(|rest| rest.split_at_mut_checked(len)) {
            (*part, rest) = (Some(first), Some(others));
        }
    }
    let sums: Vec<(Buffer<E>, Vec<E>)> =
        map_parallel(d_x_parts.into_iter().enumerate().collect(), shape.work(), |(n, d_x)| {
            let images = shape.part(n);
            let pooled = images.start * shape.pooled_image()..images.end * shape.pooled_image();
            let mut d_weight = Buffer::zeroed(9 * channels_in * padded);
            let mut d_bias = vec![E::default(); channels_out];
            isa.run(BackwardImages {
                shape,
                x: &a.x[images.start * shape.image()..images.end * shape.image()],
                d_pooled: &d_pooled[pooled.clone()],
                picks: &picks[pooled],
                panels: panels.as_ref(),
                d_x,
                d_weight: &mut d_weight,
                d_bias: &mut d_bias,
            });
            (d_weight, d_bias)
        });

    let mut d = ConvGradients {
        x: d_x,
        weight: vec![E::default(); a.weight.len()],
        bias: vec![E::default(); channels_out],
    };
    for (d_weight, d_bias) in &sums {
        d.bias.iter_mut().zip(d_bias).for_each(|(sum, &more)| *sum += more);
        let mut from = &d_weight[..];
        for (first, vectors) in nearly_equal_parts(padded / width, PANEL_VECTORS) {
            let (panel, others) = from.split_at(9 * channels_in * vectors * width);
            from = others;
            for (row, numbers) in panel.chunks(vectors * width).enumerate() {
                let (tap, c) = (row / channels_in, row % channels_in);
                let first = first * width;
                for (o, &more) in (first..channels_out).zip(numbers) {
                    d.weight[(o * channels_in + c) * 9 + tap] += more;
                }
            }
        }
    }
    d
}

struct BackwardImages<'a, E: Element> {
    shape: ConvShape,
    x: &'a [E],
    d_pooled: &'a [E],
    picks: &'a [u8],
    panels: Option<&'a Panels<E>>,
    d_x: Option<&'a mut [E]>,
    /// For each panel of output channels: `[(ky, kx, c), panel]`.
    d_weight: &'a mut [E],
    d_bias: &'a mut [E],
}

impl<E: Element> Task<E> for BackwardImages<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(mut self) {
        let shape = self.shape;
        let ConvShape { height, width, channels_in, channels_out, .. } = shape;
        let padded = channels_out.next_multiple_of(S::WIDTH);
        let mut image = Buffer::zeroed(shape.bordered() * channels_in);
        let mut d_conv = Buffer::zeroed(shape.bordered() * padded);
        let taps: Vec<usize> = (0..9 * channels_in)
            .map(|n| {
                let (ky, kx, c) = (n / (3 * channels_in), n / channels_in % 3, n % channels_in);
                (ky * (width + 2) + kx) * channels_in + c
            })
            .collect();
        let zero = Buffer::zeroed(channels_in.next_multiple_of(S::WIDTH));
        let pooled_image = shape.pooled_image();
        for n in 0..self.x.len() / shape.image() {
            let pooled = n * pooled_image..(n + 1) * pooled_image;
            let (d_pooled, picks) = (&self.d_pooled[pooled.clone()], &self.picks[pooled]);
            unpool(shape, d_pooled, picks, &mut d_conv, padded);
            for (d, pick) in d_pooled.chunks(channels_out).zip(picks.chunks(channels_out)) {
                for (sum, (&d, &pick)) in self.d_bias.iter_mut().zip(d.iter().zip(pick)) {
                    *sum += if pick == CUT { E::default() } else { d };
                }
            }
            let x = &self.x[n * shape.image()..][..shape.image()];
            add_border(shape, x, &mut image);
            let strips: Vec<_> = (0..height)
                .map(|y| Strip {
                    left: image[y * (width + 2) * channels_in..].as_ptr(),
                    right: d_conv[((y + 1) * (width + 2) + 1) * padded..].as_ptr(),
                })
                .collect();
            let strips = Strips {
                strips: &strips,
                first: 0,
                count: width,
                stride_left: channels_in,
                stride_right: padded,
            };
            let mut sums = &mut *self.d_weight;
            for (first, vectors) in nearly_equal_parts(padded / S::WIDTH, PANEL_VECTORS) {
                let (panel, others) = sums.split_at_mut(taps.len() * vectors * S::WIDTH);
                sums = others;
                let columns = (first * S::WIDTH, vectors);
                // SAFETY: the kernel at any pixel stays inside the bordered image, and a pixel of
                // `d_conv` has `padded` numbers.
                unsafe { multiply_transposed::<S>(strips, &taps, columns, panel) };
            }
            if let (Some(panels), Some(d_x)) = (self.panels, &mut self.d_x) {
                let product = PixelProduct::<S, E> {
                    left: &d_conv,
                    stride: padded,
                    width,
                    start: &zero,
                    out: d_x[n * shape.image()..][..shape.image()].as_mut_ptr(),
                    out_stride: channels_in,
                    of: PhantomData,
                };
                let offsets = shape.kernel_rows(padded);
                let columns = side_by_side::<S>();
                multiply::<S>(height * width, &offsets, panels.iter(), &columns, &product);
            }
        }
    }
}

/// Gives each derivative back to the pixel that was picked, in a bordered image of `stride` numbers a
/// pixel.
#[inline(always)]
fn unpool<E: Element>(
    shape: ConvShape,
    d_pooled: &[E],
    picks: &[u8],
    d_conv: &mut [E],
    stride: usize,
) {
    let channels = shape.channels_out;
    let pixels = d_pooled.chunks(channels).zip(picks.chunks(channels));
    for (n, (d, picks)) in pixels.enumerate() {
        let (y, x) = (n / (shape.width / 2), n % (shape.width / 2));
        for place in 0..4 {
            let pixel = (2 * y + 1 + place / 2) * (shape.width + 2) + 2 * x + 1 + place % 2;
            let to = &mut d_conv[pixel * stride..][..channels];
            for ((to, &d), &pick) in to.iter_mut().zip(d).zip(picks) {
                *to = if usize::from(pick) == place { d } else { E::default() };
            }
        }
    }
}
