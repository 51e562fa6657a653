/// The sizes of a batch of sequences and of the layer that runs over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceShape {
    /// `T`: time steps.
    pub steps: usize,
    /// `B`: sequences in the batch.
    pub batch: usize,
    /// `I`: input features.
    pub input: usize,
    /// `H`: hidden units.
    pub hidden: usize,
}
