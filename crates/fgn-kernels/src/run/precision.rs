/// The number format that a [`LayerStream`](crate::LayerStream)'s weights are held in. Biases, per-unit vectors, states and
/// outputs are `f32` in all of them, and so are the sums of products, but for [`Int8`](Self::Int8).
///
/// Of whole sequences, it is what the operands of products are rounded to, see
/// [`SequenceOptions::precision`](crate::SequenceOptions::precision): `F32` or `Bf16`.
///
/// What rounding costs in a stream, as the largest difference of an output to [`F32`](Self::F32)'s
/// over 1,000 steps of random inputs, relative to the largest output, for layers of
/// 128 and of 512 units with weights as PyTorch draws them:
///
/// | | bytes a weight | LSTM, FGN, FGN-scan | the cell that loses most |
/// |---|---|---|---|
/// | `F32` | 4 | | |
/// | `Bf16` | 2 | at most 0.3 % | at most 0.4 % |
/// | `Int8` | 1 | at most 0.6 % | at most 0.9 % |
///
/// A block of pre-activations that the cell compares with a threshold, as a binary forgetting gate does, is held
/// in `F32` in all of them: a small rounding error there would switch the gate. In a stack of layers, the rounding
/// of a lower layer can still switch such a gate of a higher one, where its pre-activation is close to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to `bf16`: half the bytes.
    Bf16,
    /// Rounded to whole numbers of 8 bits, with a scale for each row of a weight matrix: a quarter of
    /// the bytes. What they are multiplied by, a sequence's input and hidden state, is rounded to 16
    /// bits, each with its own scale, so that products can be summed as whole numbers: numbers below
    /// about 1/65,000 of an input's largest are lost. From 517 features or units on the 16 become
    /// fewer: 13 for 4,096. An input with a number that is not finite gives NaN.
    Int8,
}
