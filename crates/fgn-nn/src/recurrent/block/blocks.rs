//! All blocks of a stack.

use candle_core::Tensor;
use fgn_kernels::zero_past;

use super::config::BlockConfig;
use super::linear::Affine;
use super::norm::{NormRows, RowNorm};
use super::residual::{Block, BlockRows, Pass};
use crate::dense::LinearRows;
use crate::error::Result;
use crate::parameters::Parameters;

/// What is around the recurrent layers of a stack: `embed` makes the residual stream of the input's features, a block is
/// around each layer, and a norm comes last.
#[derive(Clone, Debug)]
pub(in super::super) struct Blocks {
    embed: Affine,
    blocks: Vec<Block>,
    norm: RowNorm,
}

impl Blocks {
    /// For `layers` layers over `inputs` features. `prefix` is what the names of parameters begin with.
    pub(in super::super) fn new(
        parameters: &mut Parameters,
        prefix: &str,
        config: BlockConfig,
        [inputs, width, layers]: [usize; 3],
    ) -> Result<Self> {
        let embed = Affine::new(parameters, &format!("{prefix}embed"), [inputs, width], 1.0)?;
        let blocks = (0..layers).map(|index| {
            let name = format!("{prefix}blocks.{index}");
            Block::new(parameters, &name, width, config, [index, layers])
        });
        let blocks = blocks.collect::<Result<_>>()?;
        let norm = RowNorm::new(parameters, &format!("{prefix}norm"), width, config.norm)?;
        Ok(Self { embed, blocks, norm })
    }

    fn tensors(&mut self) -> impl Iterator<Item = &mut Tensor> {
        let blocks = self.blocks.iter_mut().flat_map(Block::tensors);
        self.embed.tensors().chain(blocks).chain(self.norm.tensors())
    }

    /// The same, outside the computation graph.
    pub(in super::super) fn detached(&self) -> Self {
        let mut detached = self.clone();
        detached.tensors().for_each(|tensor| *tensor = tensor.detach());
        detached
    }

    /// The same with a copy of the present parameters, outside the computation graph.
    pub(in super::super) fn frozen(&self) -> Result<Self> {
        let mut frozen = self.detached();
        for tensor in frozen.tensors() {
            // Training writes into the memory of the present one.
            *tensor = tensor.copy()?;
        }
        Ok(frozen)
    }

    /// The residual stream `[T, B, D]` after the last block for `x: [T, B, I]`, and the new windows of the convolutions.
    /// `run` runs the cells of a layer, given its index and its input.
    pub(in super::super) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        run: &mut dyn FnMut(usize, &Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let mut x = match pass.lengths {
            // What is past a sequence's length may be anything: the gradients of weights must not read it.
            Some(lengths) => self.embed.forward(&zero_past(x, lengths)?)?,
            None => self.embed.forward(x)?,
        };
        let mut windows = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let window;
            (x, window) = block.forward(&x, pass, |input| run(index, input))?;
            windows.extend(window);
        }
        Ok((x, windows))
    }

    /// The outputs of all steps, from the residual stream `[T, B, D]` after the last block: zeros past each length.
    pub(in super::super) fn outputs(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
    ) -> Result<Tensor> {
        let outputs = self.norm.forward(x)?;
        match lengths {
            Some(lengths) => Ok(zero_past(&outputs, lengths)?),
            None => Ok(outputs),
        }
    }

    /// The outputs from rows `[N, D]` of the residual stream.
    pub(in super::super) fn outputs_of_rows(&self, rows: &Tensor) -> Result<Tensor> {
        self.norm.forward(rows)
    }

    /// The present parameters, for rows outside the computation graph.
    pub(in super::super) fn rows(&self) -> Result<BlocksRows> {
        Ok(BlocksRows {
            embed: self.embed.rows()?,
            blocks: self.blocks.iter().map(Block::rows).collect::<Result<_>>()?,
            norm: self.norm.rows()?,
        })
    }
}

/// All [`Blocks`] on slices: no tensors, no allocation.
pub(in super::super) struct BlocksRows {
    pub(super) embed: LinearRows,
    pub(super) blocks: Vec<BlockRows>,
    pub(super) norm: NormRows,
}

impl BlocksRows {
    /// How many bytes of parameters a step reads.
    pub(in super::super) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(BlockRows::count).sum();
        (self.embed.count() + blocks + self.norm.count()) * size_of::<f32>()
    }
}
