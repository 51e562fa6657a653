//! Sequences of tokens.

use candle_core::{DType, Tensor};
use fgn_schema::{InputSchema, Padded, Statistics, Tokenizer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::{InputKind, InputLayer};
use crate::check::{check, probability, size, wrong_shape};
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::init::uniform;
use crate::parameters::Parameters;
use crate::row_table::RowTable;
use crate::sequences::Sequences;

/// Samples that are sequences of tokens, characters for example, `[B, T]` in `U32`. Each token has a vector
/// that is trained: the samples become `[T, B, I]` with `I = embedding_dim`.
///
/// The parameter is `{name}.embedding.weight [num_embeddings, embedding_dim]`, as in PyTorch, drawn from
/// `U[-0.1, 0.1]`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The size of the vocabulary: tokens are less than it.
    pub num_embeddings: usize,
    /// The size of each token's vector.
    pub embedding_dim: usize,
    /// In training, the probability with which a token's vector is zero wherever the token is in a batch; the others
    /// are divided by `1 − dropout` (Gal & Ghahramani 2016; Merity, Keskar & Socher 2018).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// Whether only the vectors of the tokens of a batch have a gradient, and are updated: the time of a training step
    /// does not depend on the number of tokens then. False if left out; PyTorch's `Embedding(sparse=True)`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sparse: bool,
    /// What makes tokens of texts, where samples are texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Tokenizer>,
}

impl Embedding {
    /// Vectors of `embedding_dim` values for so many tokens, without dropout, with dense gradients.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Self {
        Self { num_embeddings, embedding_dim, dropout: 0.0, sparse: false, tokenizer: None }
    }
}

/// The name of the parameter of an input layer that is called `input`.
pub(crate) fn weight(input: &str) -> String {
    format!("{input}.embedding.weight")
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_false(value: &bool) -> bool {
    !value
}

impl InputKind for Embedding {
    fn stand_in() -> InputSchema {
        InputSchema::tokens(2)
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let InputSchema::Tokens { vocabulary, tokenizer } = samples else { return None };
        let mut keys = Map::from_iter([("num_embeddings".into(), json!(vocabulary))]);
        if let Some(tokenizer) = tokenizer {
            keys.insert("tokenizer".into(), serde_json::to_value(tokenizer).ok()?);
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        size("input.num_embeddings", self.num_embeddings, 1)?;
        size("input.embedding_dim", self.embedding_dim, 1)?;
        probability("input.dropout", self.dropout)?;
        let vocabulary = self.tokenizer.as_ref().map(Tokenizer::vocabulary);
        check(
            vocabulary.is_none_or(|vocabulary| vocabulary == self.num_embeddings),
            "input.num_embeddings",
            self.num_embeddings,
            format!("{}, the size of the tokenizer's vocabulary", vocabulary.unwrap_or_default()),
        )
    }

    fn samples(&self) -> InputSchema {
        let (vocabulary, tokenizer) = (self.num_embeddings, self.tokenizer.clone());
        InputSchema::Tokens { vocabulary, tokenizer }
    }

    fn features(&self) -> usize {
        self.embedding_dim
    }

    fn dtype(&self, _: DType) -> DType {
        DType::U32
    }

    fn build(&self, parameters: &mut Parameters, name: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let Self { num_embeddings, embedding_dim, dropout, sparse, .. } = *self;
        let draw = |generator: &mut _| uniform(generator, num_embeddings * embedding_dim, 0.1);
        let name = weight(name);
        let var = parameters.take(name.clone(), &[num_embeddings, embedding_dim], draw)?;
        let vectors = RowTable::new(name, var, parameters.touched(sparse));
        let masks = (dropout > 0.0).then(|| Dropout::new(dropout)).transpose()?;
        Ok(Box::new(Vectors { vectors, dropout: masks }))
    }
}

#[derive(Debug)]
struct Vectors {
    vectors: RowTable,
    dropout: Option<Dropout>,
}

impl InputLayer for Vectors {
    /// Besides other shapes, refuses tokens out of the vocabulary: [`Error::Token`].
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let tokens = samples.tensor();
        let (batch, steps) = match *tokens.dims() {
            [batch, steps] if batch * steps > 0 => (batch, steps),
            _ => return Err(wrong_shape("tokens", tokens, "[B, T], neither zero".into())),
        };
        let vocabulary = self.vectors.var().dim(0)?;
        // Candle reads u32::MAX as "no index", so tokens are checked before.
        let flat = tokens.t()?.flatten_all()?.to_vec1::<u32>()?;
        if let Some(&found) = flat.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(Error::Token { found, last: vocabulary - 1 });
        }
        let mut x = self.vectors.select(&flat, mode)?;
        if let (Mode::Train(_), Some(dropout)) = (&mode, &self.dropout) {
            let ones = Tensor::ones((vocabulary, 1), x.dtype(), x.device())?;
            let masks = dropout.forward(&ones, mode)?;
            let flat = Tensor::from_vec(flat, batch * steps, x.device())?;
            x = x.broadcast_mul(&masks.index_select(&flat, 0)?)?;
        }
        Sequences::new(
            x.reshape((steps, batch, ()))?.contiguous()?,
            samples.lengths().map(<[_]>::to_vec),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_that_of_the_data() {
        let schema = InputSchema::tokens(7);
        let keys = Embedding::complete(&Map::new(), &schema, &Statistics::default()).unwrap();
        assert_eq!(Value::from(keys), json!({ "num_embeddings": 7 }));
        for (config, field) in
            [(Embedding::new(0, 1), "num_embeddings"), (Embedding::new(1, 0), "embedding_dim")]
        {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.{field}` is 0")), "{error}");
        }
    }
}
