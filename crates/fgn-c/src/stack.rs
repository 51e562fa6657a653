//! The recurrent layers, as the C source has them.

use fgn_core::{AnyCell, LayerShape, Layout, Norm, Spec, TensorSlot};
use fgn_nn::RecurrentConfig;

use crate::error::{Error, Result};
use crate::matrix::{Format, Matrix};
use crate::parameters::{Parameters, floats};
use crate::residual::Blocks;

/// A stack of layers over the same cell.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) cell: AnyCell,
    pub(crate) spec: &'static Spec,
    /// `H`: units of a layer.
    pub(crate) units: usize,
    /// `P` or `H`: outputs of a layer.
    pub(crate) outputs: usize,
    pub(crate) norm: Norm,
    pub(crate) residual: bool,
    /// For each state the share of its previous value; 0 for those past the end.
    pub(crate) zoneout: Vec<f32>,
    pub(crate) clip: Option<f32>,
    pub(crate) layers: Vec<Layer>,
    /// What is around the layers, if each is in a residual block.
    pub(crate) blocks: Option<Blocks>,
}

/// The parameters of a layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) parts: Vec<Part>,
    /// The sum of both biases, `[G, H]`; zero for blocks without. `None` for a layer without biases.
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) projection: Option<Matrix>,
    /// The cell's vectors, `[H]` each, in the order of [`Spec::vectors`].
    pub(crate) vectors: Vec<Vec<f32>>,
    /// The gains of the blocks that are normalised, `[G_n, H]`.
    pub(crate) norm_pre: Option<Vec<f32>>,
    /// Gain and bias of the memory, `[H]` each.
    pub(crate) norm_memory: Option<[Vec<f32>; 2]>,
}

/// The rows of a weight matrix for successive blocks of the same format.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name in C: that of the parameter, with the first block's number where there are several parts.
    pub(crate) name: String,
    /// Whether it multiplies the input, rather than the hidden state.
    pub(crate) of_input: bool,
    /// The first block that it adds to.
    pub(crate) block: usize,
    pub(crate) matrix: Matrix,
}

impl Stack {
    /// Over `inputs` features. What they pass through before the first layer has the format `before`, and the layers
    /// have `format`.
    pub(crate) fn new(
        parameters: &mut Parameters<'_>,
        config: &RecurrentConfig,
        inputs: usize,
        [before, format]: [Format; 2],
    ) -> Result<Self> {
        if config.bidirectional {
            let expected = "false: a stream has no later steps";
            return Err(Error::unsupported("recurrent.bidirectional", true, expected));
        }
        let (cell, spec) = (config.cell, config.cell.spec());
        let mut zoneout = floats("recurrent.zoneout", &config.zoneout)?;
        zoneout.resize(spec.states.len(), 0.0);
        let clip = config.clip.map(|clip| floats("recurrent.clip", &[clip]));
        let outputs = config.output_size();
        let blocks = config.block.map(|block| {
            let sizes = [inputs, outputs, config.layers];
            Blocks::new(parameters, block, sizes, [before, format])
        });
        let blocks = blocks.transpose()?;
        let layers = (0..config.layers).map(|layer| {
            let inputs = if layer == 0 && blocks.is_none() { inputs } else { outputs };
            let shape = LayerShape {
                projection: config.projection,
                norm: config.norm,
                ..LayerShape::new(inputs, config.hidden_size)
            };
            Reader { parameters, cell, layer, shape, format }.layer(config.bias)
        });
        Ok(Self {
            cell,
            spec,
            units: config.hidden_size,
            outputs,
            norm: config.norm,
            residual: config.residual,
            zoneout,
            clip: clip.transpose()?.and_then(|clip| clip.first().copied()),
            layers: layers.collect::<Result<_>>()?,
            blocks,
        })
    }

    /// `G`: the blocks of pre-activations.
    pub(crate) fn blocks(&self) -> usize {
        self.spec.blocks.len()
    }

    /// Whether the hidden state is projected.
    pub(crate) fn is_projected(&self) -> bool {
        self.outputs < self.units
    }

    /// The size of state `state`.
    pub(crate) fn state_size(&self, state: usize) -> usize {
        if state == 0 { self.outputs } else { self.units }
    }

    /// Whether a layer adds its input to its output.
    pub(crate) fn adds_input(&self) -> bool {
        self.residual && self.layers.len() > 1
    }
}

/// Whether the cell compares some pre-activation with a threshold: a rounding error in what it is computed from can
/// then change the output by its whole range.
pub(crate) fn has_threshold(cell: AnyCell) -> bool {
    (0..cell.spec().blocks.len()).any(|block| cell.has_threshold(block))
}

/// Reads the parameters of one layer.
struct Reader<'r, 'p> {
    parameters: &'r mut Parameters<'p>,
    cell: AnyCell,
    layer: usize,
    shape: LayerShape,
    format: Format,
}

impl Reader<'_, '_> {
    fn layer(mut self, has_bias: bool) -> Result<Layer> {
        let spec = self.cell.spec();
        let layout = Layout::of(spec, self.shape);
        let mut parts = Vec::new();
        for name in ["weight_ih", "weight_hh"] {
            if let Some(slot) = layout.tensor(name) {
                parts.extend(self.parts(slot)?);
            }
        }
        let bias = if has_bias { Some(self.bias(&layout)?) } else { None };
        let projection = self.optional(&layout, "weight_hr")?;
        let norm_memory =
            [self.optional(&layout, "norm_memory")?, self.optional(&layout, "norm_memory_bias")?];
        let vectors = spec.vectors.iter().filter_map(|name| layout.tensor(name));
        let vectors: Vec<_> = vectors.map(|slot| self.take(slot)).collect::<Result<_>>()?;
        let norm_pre = self.optional(&layout, "norm_pre")?;
        Ok(Layer {
            inputs: self.shape.input,
            parts,
            bias,
            projection: projection
                .map(|weights| Matrix::new(weights, self.shape.hidden, self.format)),
            vectors,
            norm_pre,
            norm_memory: match norm_memory {
                [Some(gain), Some(bias)] => Some([gain, bias]),
                _ => None,
            },
        })
    }

    fn take(&mut self, slot: &TensorSlot) -> Result<Vec<f32>> {
        self.parameters.take(&format!("recurrent.{}_l{}", slot.name, self.layer), &slot.shape)
    }

    fn optional(&mut self, layout: &Layout, name: &str) -> Result<Option<Vec<f32>>> {
        layout.tensor(name).map(|slot| self.take(slot)).transpose()
    }

    /// The rows of a matrix, in runs of successive blocks of the same format: those that a threshold depends on stay
    /// as they are.
    fn parts(&mut self, slot: &TensorSlot) -> Result<Vec<Part>> {
        let numbers = self.take(slot)?;
        let columns = numbers.len() / (slot.blocks.len() * self.shape.hidden);
        let of_block = self.shape.hidden * columns;
        let format =
            |block: usize| if self.cell.has_threshold(block) { Format::Float } else { self.format };
        let follows = |a: &usize, b: &usize| a + 1 == *b && format(*a) == format(*b);
        let runs: Vec<&[usize]> = slot.blocks.chunk_by(follows).collect();
        let (mut parts, mut rest) = (Vec::new(), &numbers[..]);
        for run in &runs {
            let (of_run, after) = rest.split_at(run.len() * of_block);
            rest = after;
            let name = match runs.len() {
                1 => slot.name.to_owned(),
                _ => format!("{}_{}", slot.name, run[0]),
            };
            let matrix = Matrix::new(of_run.to_vec(), columns, format(run[0]));
            parts.push(Part { name, of_input: slot.name == "weight_ih", block: run[0], matrix });
        }
        Ok(parts)
    }

    fn bias(&mut self, layout: &Layout) -> Result<Vec<f32>> {
        let hidden = self.shape.hidden;
        let mut sums = vec![0.0; self.cell.spec().blocks.len() * hidden];
        for name in ["bias_ih", "bias_hh"] {
            let Some(slot) = layout.tensor(name) else { continue };
            let numbers = self.take(slot)?;
            for (&block, row) in slot.blocks.iter().zip(numbers.chunks(hidden)) {
                let sums = &mut sums[block * hidden..][..hidden];
                sums.iter_mut().zip(row).for_each(|(sum, &bias)| *sum += bias);
            }
        }
        Ok(sums)
    }
}
