//! Sequences of tokens.

use candle_core::{DType, Var};
use fgn_schema::{InputSchema, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::{InputKind, InputLayer};
use crate::check::{size, wrong_shape};
use crate::error::{Error, Result};
use crate::init::uniform;
use crate::parameters::Parameters;
use crate::sequences::Sequences;

/// Samples that are sequences of tokens, characters for example, `[B, T]` in `U32`. Each token has a vector
/// that is trained: the samples become `[T, B, I]` with `I = embedding_dim`.
///
/// The parameter is `{name}.embedding.weight [num_embeddings, embedding_dim]`, as in PyTorch, drawn from
/// `U[-0.1, 0.1]`.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The size of the vocabulary: tokens are less than it.
    pub num_embeddings: usize,
    /// The size of each token's vector.
    pub embedding_dim: usize,
}

impl InputKind for Embedding {
    fn stand_in() -> InputSchema {
        InputSchema::Tokens { vocabulary: 2 }
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let InputSchema::Tokens { vocabulary } = *samples else { return None };
        Some(Map::from_iter([("num_embeddings".into(), json!(vocabulary))]))
    }

    fn validate(&self) -> Result<()> {
        size("input.num_embeddings", self.num_embeddings, 1)?;
        size("input.embedding_dim", self.embedding_dim, 1)
    }

    fn samples(&self) -> InputSchema {
        InputSchema::Tokens { vocabulary: self.num_embeddings }
    }

    fn features(&self) -> usize {
        self.embedding_dim
    }

    fn dtype(&self, _: DType) -> DType {
        DType::U32
    }

    fn build(&self, parameters: &mut Parameters, name: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let Self { num_embeddings, embedding_dim } = *self;
        let draw = |generator: &mut _| uniform(generator, num_embeddings * embedding_dim, 0.1);
        let name = format!("{name}.embedding.weight");
        let vectors = parameters.take(name, &[num_embeddings, embedding_dim], draw)?;
        Ok(Box::new(Vectors { vectors }))
    }
}

#[derive(Debug)]
struct Vectors {
    vectors: Var,
}

impl InputLayer for Vectors {
    /// Besides other shapes, refuses tokens out of the vocabulary: [`Error::Token`].
    fn forward(&self, samples: &Padded) -> Result<Sequences> {
        let tokens = samples.tensor();
        let (batch, steps) = match *tokens.dims() {
            [batch, steps] if batch * steps > 0 => (batch, steps),
            _ => return Err(wrong_shape("tokens", tokens, "[B, T], neither zero".into())),
        };
        let flat = tokens.t()?.flatten_all()?;
        let vocabulary = self.vectors.dim(0)?;
        // Candle reads u32::MAX as "no index", so tokens are checked before.
        let found = flat.to_vec1::<u32>()?;
        if let Some(&found) = found.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(Error::Token { found, last: vocabulary - 1 });
        }
        let x = self.vectors.index_select(&flat, 0)?.reshape((steps, batch, ()))?;
        Sequences::new(x.contiguous()?, samples.lengths().map(<[_]>::to_vec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_that_of_the_data() {
        let schema = InputSchema::Tokens { vocabulary: 7 };
        let keys = Embedding::complete(&Map::new(), &schema, &Statistics::default()).unwrap();
        assert_eq!(Value::from(keys), json!({ "num_embeddings": 7 }));
        for (config, field) in [
            (Embedding { num_embeddings: 0, embedding_dim: 1 }, "num_embeddings"),
            (Embedding { num_embeddings: 1, embedding_dim: 0 }, "embedding_dim"),
        ] {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.{field}` is 0")), "{error}");
        }
    }
}
