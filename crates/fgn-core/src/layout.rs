use crate::spec::{Block, Spec};

/// The offset of each tensor of a layer in the flat parameters: one flat vector that holds, in this order,
///
/// | tensor | shape | rows for |
/// |---|---|---|
/// | `weight_ih` | `[G_ih · H, I]` | each block that reads the input |
/// | `weight_hh` | `[G_hh · H, H]` | each block that reads the hidden state |
/// | `bias_ih` | `[G_bi · H]` | each block that reads the input, except linear ones |
/// | `bias_hh` | `[G_bh · H]` | each block that reads the hidden state, except linear ones |
/// | `weight_hr` | `[P, H]` | only with a [projection](LayerShape::projection) |
/// | one per vector of the cell | `[H]` | |
/// | `norm_pre` | `[G_n · H]` | with [`Norm::pre`]: the gains of each block, except linear ones |
/// | `norm_memory` | `[H]` | with [`Norm::memory`]: the gain of the memory |
/// | `norm_memory_bias` | `[H]` | and its bias |
///
/// Tensors without elements are left out. Names, shapes and gate order are PyTorch's, if PyTorch has the
/// cell. With a projection, `weight_hh` has `P` columns.
///
/// ```
/// use fgn_core::{AnyCell, Layout};
///
/// let layout = Layout::new(AnyCell::LSTM.spec(), 28, 128);
/// assert_eq!(layout.tensors()[1].name, "weight_hh");
/// assert_eq!(layout.tensors()[1].shape, [4 * 128, 128]);
/// assert_eq!(layout.len(), 4 * 128 * (28 + 128 + 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorSlot>,
    len: usize,
}

/// The sizes and options of a layer on which the shapes of its parameters depend.
///
/// ```
/// use fgn_core::{AnyCell, LayerShape, Layout, Norm};
///
/// let shape = LayerShape { norm: Norm { pre: true, memory: true }, ..LayerShape::new(28, 128) };
/// let layout = Layout::of(AnyCell::LSTM.spec(), shape);
/// assert_eq!(layout.len(), 4 * 128 * (28 + 128 + 3) + 2 * 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// `I`: input features.
    pub input: usize,
    /// `H`: hidden units.
    pub hidden: usize,
    /// `P < H`: the hidden state is a linear map of the cell's, of this size (Sak, Senior & Beaufays
    /// 2014).
    pub projection: Option<usize>,
    /// Layer normalisation.
    pub norm: Norm,
}

/// Layer normalisation inside a cell (Ba, Kiros & Hinton 2016): over the units of a step of a
/// sequence, a mean of 0 and a variance of 1, then a trained gain and bias for each unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Norm {
    /// Of each block of pre-activations on its own, except linear ones. The block's biases are added after the
    /// normalisation.
    pub pre: bool,
    /// Of the memory, before the output is computed from it.
    pub memory: bool,
}

impl LayerShape {
    /// A layer of `input` features and `hidden` units, without projection or normalisation.
    pub const fn new(input: usize, hidden: usize) -> Self {
        Self { input, hidden, projection: None, norm: Norm { pre: false, memory: false } }
    }

    /// The size of the hidden state, which is the output and feeds the next step: `P` or `H`.
    pub fn output(&self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }
}

/// One tensor among the flat parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Its name, without a layer's suffix.
    pub name: &'static str,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// The index of its first element in the flat parameters.
    pub offset: usize,
    /// For each group of `H` rows, its block's index in [`Spec::blocks`]; empty for a vector.
    pub blocks: Vec<usize>,
}

impl Layout {
    /// The layout for a cell's `spec`, `input_size` input features and `hidden_size` units.
    pub fn new(spec: &Spec, input_size: usize, hidden_size: usize) -> Self {
        Self::of(spec, LayerShape::new(input_size, hidden_size))
    }

    /// The layout for a cell's `spec` in a layer of any shape.
    pub fn of(spec: &Spec, shape: LayerShape) -> Self {
        let LayerShape { input: input_size, hidden: hidden_size, projection, norm } = shape;
        let mut layout = Self { tensors: Vec::new(), len: 0 };
        let ih = spec.indices(Block::reads_input);
        let hh = spec.indices(Block::reads_hidden);
        let bi = spec.indices(Block::has_input_bias);
        let bh = spec.indices(Block::has_hidden_bias);
        layout.push("weight_ih", vec![ih.len() * hidden_size, input_size], ih);
        layout.push("weight_hh", vec![hh.len() * hidden_size, shape.output()], hh);
        layout.push("bias_ih", vec![bi.len() * hidden_size], bi);
        layout.push("bias_hh", vec![bh.len() * hidden_size], bh);
        if let Some(size) = projection {
            layout.push("weight_hr", vec![size, hidden_size], Vec::new());
        }
        for name in spec.vectors {
            layout.push(name, vec![hidden_size], Vec::new());
        }
        if norm.pre {
            let blocks = spec.indices(Block::is_normalized);
            layout.push("norm_pre", vec![blocks.len() * hidden_size], blocks);
        }
        if norm.memory {
            layout.push("norm_memory", vec![hidden_size], Vec::new());
            layout.push("norm_memory_bias", vec![hidden_size], Vec::new());
        }
        layout
    }

    /// The tensors, in their order.
    pub fn tensors(&self) -> &[TensorSlot] {
        &self.tensors
    }

    /// The tensor of that name, if the cell has it.
    pub fn tensor(&self, name: &str) -> Option<&TensorSlot> {
        self.tensors.iter().find(|slot| slot.name == name)
    }

    /// The number of flat parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters at all (a layer of no units).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, name: &'static str, shape: Vec<usize>, blocks: Vec<usize>) {
        let slot = TensorSlot { name, shape, offset: self.len, blocks };
        if !slot.is_empty() {
            self.len += slot.len();
            self.tensors.push(slot);
        }
    }
}

impl TensorSlot {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its range in the flat parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}
