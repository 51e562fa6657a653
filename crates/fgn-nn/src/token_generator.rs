//! Continuing a sequence of tokens, one at a time.

use candle_core::{DType, Device, Tensor};
use fgn_kernels::Precision;
use fgn_schema::{InputSchema, Prediction, TargetSchema};

use crate::check::check;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::heads::Encoded;
use crate::model::Model;
use crate::recurrent::{State, Stream};
use crate::sampler::Sampler;

/// Continues a sequence of tokens, one at a time, in constant memory: the model's state is all that is kept of the
/// past. Made by [`Model::generator`].
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Embedding, Model, ModelConfig, NextToken, Precision, RecurrentConfig};
/// use fgn_nn::{Sampler, SamplerOptions};
///
/// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
/// let config = ModelConfig::new(Embedding::new(5, 8), recurrent, NextToken::new(5));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut generator = model.generator(Precision::F32, 1)?;
/// generator.read(&[0, 3, 1])?; // a prompt
/// let mut sampler = Sampler::new(SamplerOptions::default(), 7)?;
/// let tokens: Vec<u32> = generator.tokens(&mut sampler).take(10).collect::<Result<_, _>>()?;
/// assert!(tokens.iter().all(|&token| token < 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenGenerator<'m> {
    model: &'m Model,
    stream: Stream,
    /// The features of each token, `[V, I]`.
    features: Vec<f32>,
    output: Vec<f32>,
    logits: Vec<f32>,
}

impl Model {
    /// A generator of tokens that begins with a state of zeros. The recurrent layer runs by `threads` threads on
    /// weights of that precision; the head computes in `f32`.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads tokens and predicts the next one, in one direction;
    /// [`Error::Candle`] if its parameters are not in `f32` on the CPU, or `threads` is 0.
    pub fn generator(&self, precision: Precision, threads: usize) -> Result<TokenGenerator<'_>> {
        let (input, target) = (self.config().input.samples(), self.config().head.target());
        let (vocabulary, predicted) = match (&input, &target) {
            (
                InputSchema::Tokens { vocabulary, .. },
                TargetSchema::NextToken { vocabulary: predicted },
            ) => (*vocabulary, *predicted),
            _ => {
                let found = format!("{input}, {target}");
                let expected = "tokens, and the next of as many".to_owned();
                return Err(Error::Config { field: "a generator of tokens", found, expected });
            }
        };
        check(
            vocabulary == predicted,
            "head.vocabulary",
            predicted,
            format!("{vocabulary}, as of the input"),
        )?;
        let tokens: Vec<u32> = (0..vocabulary as u32).collect();
        let tokens = Tensor::from_vec(tokens, (vocabulary, 1), self.device())?;
        let features = self.features(&tokens)?.tensor().flatten_all()?.to_dtype(DType::F32)?;
        Ok(TokenGenerator {
            model: self,
            stream: self.recurrent().stream_weights(precision)?.stream(1, threads)?,
            features: features.to_vec1()?,
            output: vec![0.0; self.config().recurrent.output_size()],
            logits: vec![0.0; vocabulary],
        })
    }
}

impl<'m> TokenGenerator<'m> {
    /// Reads tokens, of a prompt say.
    ///
    /// # Errors
    /// [`Error::Token`] for one that is not in the vocabulary; then those before it are read.
    pub fn read(&mut self, tokens: &[u32]) -> Result<()> {
        let Some((&last, before)) = tokens.split_last() else { return Ok(()) };
        before.iter().try_for_each(|&token| self.step(token))?;
        self.step(last)?;
        self.predict()
    }

    fn step(&mut self, token: u32) -> Result<()> {
        let size = self.features.len() / self.logits.len();
        let (at, last) = (token as usize, self.logits.len() - 1);
        match self.features.get(at * size..(at + 1) * size) {
            Some(features) => self.stream.step(features, &mut self.output),
            None => Err(Error::Token { found: token, last }),
        }
    }

    fn predict(&mut self) -> Result<()> {
        let output = Tensor::from_slice(&self.output, (1, 1, self.output.len()), &Device::Cpu)?;
        // A head for tokens reads outputs alone.
        let state = State::new(Vec::new(), false);
        let encoded = Encoded::new(&output, None, &state);
        let prediction = self.model.head().forward(&encoded, None, &mut Mode::Eval)?;
        match &prediction {
            Prediction::Logits(logits) => {
                self.logits = logits.tensor().flatten_all()?.to_vec1()?;
                Ok(())
            }
            other => Err(Error::Prediction { found: other.kind(), expected: "logits" }),
        }
    }

    /// The logits of the next token; zeros before the first token is read.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Chooses the next token, and reads it.
    ///
    /// # Errors
    /// [`Error::Candle`] if there is not enough memory.
    pub fn next(&mut self, sampler: &mut Sampler) -> Result<u32> {
        let token = sampler.sample(&self.logits);
        self.read(&[token])?;
        Ok(token)
    }

    /// One token after another, without an end.
    pub fn tokens<'a>(&'a mut self, sampler: &'a mut Sampler) -> Tokens<'a, 'm> {
        Tokens { generator: self, sampler }
    }

    /// The state of the model, all that it remembers.
    ///
    /// # Errors
    /// [`Error::Candle`] if there is not enough memory.
    pub fn state(&self) -> Result<State> {
        self.stream.state()
    }

    /// Continues from a state: that of another generator of the same model, or of a file. What is predicted next is
    /// known after the next token.
    ///
    /// # Errors
    /// [`Error::Shape`] if it does not fit; then nothing has changed.
    pub fn set_state(&mut self, state: &State) -> Result<()> {
        self.stream.set_state(state)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// None is known.
    pub fn reset(&mut self) -> Result<()> {
        self.logits.fill(0.0);
        self.stream.reset(0)
    }

    /// How many bytes of the recurrent layer's weights a token reads.
    pub fn bytes(&self) -> usize {
        self.stream.bytes()
    }
}

/// The tokens of a [`TokenGenerator`].
pub struct Tokens<'a, 'm> {
    generator: &'a mut TokenGenerator<'m>,
    sampler: &'a mut Sampler,
}

impl Iterator for Tokens<'_, '_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        Some(self.generator.next(self.sampler))
    }
}
