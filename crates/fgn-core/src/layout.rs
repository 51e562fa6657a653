use crate::{Block, Spec};

/// Where each tensor of a layer lies in its packed parameters: one flat vector that holds, in this
/// order,
///
/// | tensor | shape | rows for |
/// |---|---|---|
/// | `weight_ih` | `[G_ih · H, I]` | each block fed by the input |
/// | `weight_hh` | `[G_hh · H, H]` | each block fed by the hidden state |
/// | `bias_ih` | `[G_ih · H]` | each block fed by the input |
/// | `bias_hh` | `[G_bh · H]` | each block fed by the hidden state, but for linear ones |
/// | one a vector | `[H]` | |
///
/// with tensors of no element left out. Names, shapes and gate order are PyTorch's where PyTorch has
/// the cell.
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

/// One tensor among the packed parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Its name, without a layer's suffix.
    pub name: &'static str,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Where it begins.
    pub offset: usize,
    /// For each group of `H` rows, its block's place in [`Spec::blocks`]; empty for a vector.
    pub blocks: Vec<usize>,
}

impl Layout {
    /// The layout for a cell's `spec`, `input_size` input features and `hidden_size` units.
    pub fn new(spec: &Spec, input_size: usize, hidden_size: usize) -> Self {
        let mut layout = Self { tensors: Vec::new(), len: 0 };
        let ih = spec.places(Block::reads_input);
        let hh = spec.places(Block::reads_hidden);
        let bh = spec.places(Block::has_hidden_bias);
        layout.push("weight_ih", vec![ih.len() * hidden_size, input_size], ih.clone());
        layout.push("weight_hh", vec![hh.len() * hidden_size, hidden_size], hh);
        layout.push("bias_ih", vec![ih.len() * hidden_size], ih);
        layout.push("bias_hh", vec![bh.len() * hidden_size], bh);
        for name in spec.vectors {
            layout.push(name, vec![hidden_size], Vec::new());
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

    /// How many numbers the packed parameters have.
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
    /// How many numbers the tensor has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it lies in the packed parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}
