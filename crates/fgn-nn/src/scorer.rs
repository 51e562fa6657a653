//! The scores of all items from the output of a recurrent layer.

use candle_core::{DType, Tensor};
use fgn_kernels::{Precision, ScoreTable};

use crate::error::Result;

/// Computes the scores of all items from the output after a step: what a head for items does, on slices.
pub struct Scorer {
    /// What brings outputs to the size of the items' vectors, where they differ.
    projection: Option<ScoreTable>,
    items: ScoreTable,
}

impl Scorer {
    /// Scores by the items' `vectors: [V, E]`, with a `bias: [V]` if there is one, for outputs of which `projection: [E, H]`
    /// makes vectors, if it is given. All are copied.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) for tensors of other shapes.
    pub fn new(
        projection: Option<&Tensor>,
        vectors: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
    ) -> Result<Scorer> {
        let numbers = |tensor: &Tensor| -> Result<Vec<f32>> {
            Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
        };
        let projection = match projection {
            None => None,
            Some(weight) => {
                Some(ScoreTable::new(&numbers(weight)?, weight.dim(1)?, &[], Precision::F32)?)
            }
        };
        let bias = bias.map_or(Ok(Vec::new()), numbers)?;
        let items = ScoreTable::new(&numbers(vectors)?, vectors.dim(1)?, &bias, precision)?;
        Ok(Scorer { projection, items })
    }

    /// What an output is to the items' vectors: its projection, or itself.
    pub(crate) fn project(&self, output: &[f32], projected: &mut Vec<f32>) -> Result<()> {
        match &self.projection {
            Some(projection) => projection.scores(output, projected)?,
            None => output.clone_into(projected),
        }
        Ok(())
    }

    /// The scores of all items, `[V]`, for a [projected](Self::project) output.
    pub(crate) fn scores(&self, projected: &[f32], scores: &mut Vec<f32>) -> Result<()> {
        Ok(self.items.scores(projected, scores)?)
    }

    /// How many bytes are read for the scores.
    pub(crate) fn bytes(&self) -> usize {
        self.items.bytes() + self.projection.as_ref().map_or(0, ScoreTable::bytes)
    }
}
