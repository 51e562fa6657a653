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

    /// The residual stream after the last block for `x: [T, B, I]`, as rows `[T · B, D]`, and the new windows of the
    /// convolutions. `run` runs the cells of a layer, given its index and its input, `[T, B, D]`.
    ///
    /// The stream has no shape but that of rows: each change of shape would cost passes over memory in a backward pass.
    pub(in super::super) fn forward(
        &self,
        x: &Tensor,
        pass: Pass<'_>,
        run: &mut dyn FnMut(usize, &Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let x = match pass.lengths {
            // What is past a sequence's length may be anything: the gradients of weights must not read it.
            Some(lengths) => zero_past(x, lengths)?,
            None => x.clone(),
        };
        let mut x = self.embed.forward(&x.flatten(0, 1)?)?;
        let mut windows = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let window;
            (x, window) = block.forward(&x, pass, |input| run(index, input))?;
            windows.extend(window);
        }
        Ok((x, windows))
    }

    /// The outputs of all steps, `[T, B, D]`, from the rows of the residual stream after the last block: zeros past each
    /// length.
    pub(in super::super) fn outputs(
        &self,
        rows: &Tensor,
        batch: usize,
        lengths: Option<&[usize]>,
    ) -> Result<Tensor> {
        let outputs = self.norm.forward(rows)?.reshape(((), batch, rows.dim(1)?))?;
        match lengths {
            Some(lengths) => Ok(zero_past(&outputs, lengths)?),
            None => Ok(outputs),
        }
    }

    /// The outputs after the last step of each sequence, `[B, D]`, from the rows of the residual stream.
    pub(in super::super) fn last_outputs(
        &self,
        rows: &Tensor,
        batch: usize,
        lengths: Option<&[usize]>,
    ) -> Result<Tensor> {
        self.norm.forward(&rows_at_ends(rows, batch, lengths)?)
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

/// Of rows `[T · B, D]`, those at each sequence's last step: `[B, D]`.
pub(in super::super) fn rows_at_ends(
    rows: &Tensor,
    batch: usize,
    lengths: Option<&[usize]>,
) -> Result<Tensor> {
    let steps = rows.dim(0)? / batch;
    let end = |b: usize| lengths.map_or(steps, |lengths| lengths[b]) - 1;
    let ends: Vec<_> = (0..batch).map(|b| (end(b) * batch + b) as u32).collect();
    let ends = Tensor::from_vec(ends, batch, rows.device())?;
    Ok(rows.index_select(&ends, 0)?)
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
