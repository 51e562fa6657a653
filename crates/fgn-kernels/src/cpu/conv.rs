//! The image block: a 3x3 convolution with bias, ReLU and a 2x2 max-pool, and its gradient.
//!
//! Images lie channels last, with a border of zeros around them. What one pixel of the result sees is
//! then three runs of `3 · C` numbers, one a row of the image: the convolution is a product of such
//! rows with the weights, and needs no copy of the patches. Two rows of pixels are pooled as soon as
//! they are computed.

use std::marker::PhantomData;
use std::ops::Range;

use super::buffer::Buffer;
use super::crew::Crew;
use super::isa::{Isa, Task};
use super::panels::{Panels, RowGroup, WeightRows};
use super::pool;
use super::simd::{Element, Simd};
use super::tile::{self, PANEL_VECTORS, Product, Strip, Strips};

/// Into how many parts the images are cut, each with its own sums of the weights' gradient. It does
/// not depend on the number of threads, so neither do the sums.
const PARTS: usize = 16;

/// Stands for "none of the four": the ReLU cut them off.
const CUT: u8 = 4;

/// The sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvShape {
    /// `B`: images.
    pub(crate) batch: usize,
    /// `H` and `W`, both even.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// `C` and `O`: channels in and out.
    pub(crate) channels_in: usize,
    pub(crate) channels_out: usize,
}

impl ConvShape {
    /// Numbers in the results of all images.
    pub(crate) fn pooled_len(self) -> usize {
        self.batch * self.pooled_image()
    }

    fn image(self) -> usize {
        self.height * self.width * self.channels_in
    }

    fn pooled_image(self) -> usize {
        self.height / 2 * (self.width / 2) * self.channels_out
    }

    /// The multiply-adds of all images.
    fn work(self) -> usize {
        9 * self.channels_out * self.batch * self.image()
    }

    /// Pixels of an image with its border.
    fn bordered(self) -> usize {
        (self.height + 2) * (self.width + 2)
    }

    /// Where the kernel's rows begin, relative to the pixel at its upper left.
    fn kernel_rows(self, channels: usize) -> [usize; 3] {
        [0, 1, 2].map(|ky| ky * (self.width + 2) * channels)
    }

    /// The images of part `n`.
    fn part(self, n: usize) -> Range<usize> {
        let parts = PARTS.min(self.batch);
        n * self.batch / parts..(n + 1) * self.batch / parts
    }
}

/// The arguments: `x: [B, H, W, C]`, `weight: [O, C, 3, 3]`, `bias: [O]`.
#[derive(Clone, Copy)]
pub(crate) struct ConvArguments<'a, E> {
    pub(crate) shape: ConvShape,
    pub(crate) x: &'a [E],
    pub(crate) weight: &'a [E],
    pub(crate) bias: &'a [E],
}

/// Gives `[B, H/2, W/2, O]`, and which of its four pixels each number is (4: none).
pub(crate) fn forward<E: Element>(isa: Isa, a: ConvArguments<'_, E>) -> (Vec<E>, Vec<u8>) {
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
    let panels = &Panels::transposed(isa, &[rows], PANEL_VECTORS, &mut Crew::alone());
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
    pool::map(parts.collect(), shape.work(), |((pooled, picks), x)| {
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
                let columns = tile::side_by_side::<S>();
                tile::multiply::<S>(2 * width, &offsets, panels.iter(), &columns, &product);
                if let Some((pooled, picks)) = pooled.next() {
                    pool(&rows, bias.len(), channels_out, pooled, picks);
                }
            }
        }
    }
}

/// ReLU and the largest of each four pixels, for two rows of pixels `stride` numbers apart.
#[inline(always)]
fn pool<E: Element>(
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
                // What is no number must get through.
                let larger = pixel[c] > best || pixel[c].partial_cmp(&best).is_none();
                best = if larger { pixel[c] } else { best };
                pick = if larger { n as u8 } else { pick };
            }
            pooled[c] = best;
            picks[c] = pick;
        }
    }
}

/// Copies an image into the middle of a bordered one.
#[inline(always)]
fn add_border<E: Element>(shape: ConvShape, x: &[E], image: &mut [E]) {
    let row = shape.width * shape.channels_in;
    for (y, from) in x.chunks(row).enumerate() {
        let first = ((y + 1) * (shape.width + 2) + 1) * shape.channels_in;
        image[first..first + row].copy_from_slice(from);
    }
}

/// A product whose rows are pixels of a bordered image, in rows of `width`.
struct PixelProduct<'a, S, E> {
    left: &'a [E],
    stride: usize,
    width: usize,
    start: &'a [E],
    out: *mut E,
    out_stride: usize,
    of: PhantomData<S>,
}

// SAFETY: the kernel at any pixel stays inside the bordered image. `start` is as wide as the panels,
// and `out` has a row of `out_stride` numbers for each pixel, into which the panels fit.
unsafe impl<S: Simd<Elem = E>, E: Element> Product<E> for PixelProduct<'_, S, E> {
    /// The pixel, and where it stands in the bordered image.
    type Row = (usize, usize);

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = Self::Row> {
        let width = self.width;
        let row = move |y| (0..width).map(move |x| (y * width + x, y * (width + 2) + x));
        (0..).flat_map(row)
    }

    #[inline(always)]
    fn left(&self, (_, bordered): Self::Row) -> *const E {
        self.left[bordered * self.stride..].as_ptr()
    }

    #[inline(always)]
    fn start(&self, _: Self::Row) -> *const E {
        self.start.as_ptr()
    }

    #[inline(always)]
    fn out(&self, (pixel, _): Self::Row) -> *mut E {
        // SAFETY: there is such a pixel.
        unsafe { self.out.add(pixel * self.out_stride) }
    }

    #[inline(always)]
    fn place(&self, vector: usize) -> usize {
        vector * S::WIDTH
    }
}

/// The loss's derivatives by the arguments.
pub(crate) struct ConvGradients<E> {
    /// If asked for.
    pub(crate) x: Option<Vec<E>>,
    pub(crate) weight: Vec<E>,
    pub(crate) bias: Vec<E>,
}

/// The gradient of [`forward`], given its picks and the loss's derivatives by its result.
pub(crate) fn backward<E: Element>(
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
        Panels::straight(&matrix, channels_in, width, &mut Crew::alone())
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
        pool::map(d_x_parts.into_iter().enumerate().collect(), shape.work(), |(n, d_x)| {
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
        for (first, vectors) in tile::parts(padded / width, PANEL_VECTORS) {
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
            for (first, vectors) in tile::parts(padded / S::WIDTH, PANEL_VECTORS) {
                let (panel, others) = sums.split_at_mut(taps.len() * vectors * S::WIDTH);
                sums = others;
                let columns = (first * S::WIDTH, vectors);
                // SAFETY: the kernel at any pixel stays inside the bordered image, and a pixel of
                // `d_conv` has `padded` numbers.
                unsafe { tile::multiply_transposed::<S>(strips, &taps, columns, panel) };
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
                let columns = tile::side_by_side::<S>();
                tile::multiply::<S>(height * width, &offsets, panels.iter(), &columns, &product);
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
