//! The vectors of tokens, as a layer.

use candle_core::{DType, Module, Tensor, Var};
use candle_nn::VarBuilder;

use crate::check::{width, wrong_shape};
use crate::error::{Error, Result};
use crate::init::uniform;
use crate::parameters::{Parameters, joined};

/// A vector for each token, PyTorch's `Embedding`, with the parameter `weight [V, D]`, drawn from `U[-0.1, 0.1]`. The same
/// vectors can be the output layer of a language model ([`logits`](Self::logits): weight tying, Press & Wolf 2017).
///
/// The input layer [`Embedding`](crate::Embedding) is that of a whole [`Model`](crate::Model), and has dropout and sparse
/// gradients beside.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_nn::{Parameters, TokenEmbedding};
///
/// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
/// let tokens = TokenEmbedding::new(&mut parameters, "tokens", 100, 16)?;
/// assert_eq!(parameters.list()[0].0, "tokens.weight");
///
/// let vectors = tokens.forward(&Tensor::new(&[[7u32, 99, 0]], &Device::Cpu)?)?;
/// assert_eq!(vectors.dims(), [1, 3, 16]);
/// assert_eq!(tokens.logits(&vectors)?.dims(), [1, 3, 100]);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenEmbedding {
    weight: Var,
}

impl TokenEmbedding {
    /// Vectors of `size` values for `vocabulary` tokens. The parameter is named `{name}.weight`, or `weight` with an empty
    /// name.
    ///
    /// # Errors
    /// [`Error::Config`] for a size of 0.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        vocabulary: usize,
        size: usize,
    ) -> Result<Self> {
        width("vocabulary", vocabulary)?;
        width("size", size)?;
        let draw = |generator: &mut _| uniform(generator, vocabulary * size, 0.1);
        let weight = parameters.take(joined(name, "weight"), &[vocabulary, size], draw)?;
        Ok(Self { weight })
    }

    /// As [`new`](Self::new), with the parameter `weight` of candle-nn's `vb`. If its variables lack it, it is drawn from the
    /// seed 0 and its whole name; for another seed see [`Parameters::from_builder`].
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(vocabulary: usize, size: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", vocabulary, size)
    }

    /// The vectors of `tokens: [..]` in `U32`: `[.., D]`.
    ///
    /// # Errors
    /// [`Error::Token`] for a token that is not in the vocabulary, [`Error::DType`] for another type.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (vocabulary, size) = self.weight.dims2()?;
        if tokens.dtype() != DType::U32 {
            let found = tokens.dtype();
            return Err(Error::DType { what: "tokens", found, expected: "U32" });
        }
        let rows = tokens.flatten_all()?;
        // Candle reads u32::MAX as "no index", so tokens are checked before.
        let out_of_range = |&token: &u32| token as usize >= vocabulary;
        if let Some(found) = rows.to_vec1::<u32>()?.into_iter().find(out_of_range) {
            return Err(Error::Token { found, last: vocabulary - 1 });
        }
        let shape = [tokens.dims(), &[size]].concat();
        Ok(self.weight.index_select(&rows, 0)?.reshape(shape)?)
    }

    /// The products of `x: [.., D]` with each token's vector: `[.., V]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let (vocabulary, size) = self.weight.dims2()?;
        let Some((_, before)) = x.dims().split_last().filter(|last| *last.0 == size) else {
            let expected = format!("[.., {size}]");
            return Err(wrong_shape("inputs of the output layer", x, expected));
        };
        let shape = [before, &[vocabulary]].concat();
        Ok(x.reshape(((), size))?.matmul(&self.weight.t()?)?.reshape(shape)?)
    }

    /// The parameter, `[V, D]`.
    pub fn weight(&self) -> &Var {
        &self.weight
    }
}

impl Module for TokenEmbedding {
    fn forward(&self, tokens: &Tensor) -> candle_core::Result<Tensor> {
        Ok(TokenEmbedding::forward(self, tokens)?)
    }
}
