//! The image block: a 3x3 convolution with bias, ReLU and a 2x2 max-pool, and its gradient.
//!
//! Images lie channels last, with a border of zeros around them. What one pixel of the result sees is
//! then three runs of `3 · C` numbers, one a row of the image: the convolution is a product of such
//! rows with the weights, and needs no copy of the patches. Two rows of pixels are pooled as soon as
//! they are computed.

use std::ops::Range;

/// Into how many parts the images are cut, each with its own sums of the weights' gradient. It does
/// not depend on the number of threads, so neither do the sums.
pub(crate) const PARTS: usize = 16;

/// Stands for "none of the four": the ReLU cut them off.
pub(crate) const CUT: u8 = 4;

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

    pub(crate) fn image(self) -> usize {
        self.height * self.width * self.channels_in
    }

    pub(crate) fn pooled_image(self) -> usize {
        self.height / 2 * (self.width / 2) * self.channels_out
    }

    /// The multiply-adds of all images.
    pub(crate) fn work(self) -> usize {
        9 * self.channels_out * self.batch * self.image()
    }

    /// Pixels of an image with its border.
    pub(crate) fn bordered(self) -> usize {
        (self.height + 2) * (self.width + 2)
    }

    /// Where the kernel's rows begin, relative to the pixel at its upper left.
    pub(crate) fn kernel_rows(self, channels: usize) -> [usize; 3] {
        [0, 1, 2].map(|ky| ky * (self.width + 2) * channels)
    }

    /// The images of part `n`.
    pub(crate) fn part(self, n: usize) -> Range<usize> {
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
