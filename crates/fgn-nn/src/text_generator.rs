//! Continuing a text.

use candle_core::Tensor;
use fgn_kernels::Precision;
use fgn_schema::{TextStream, Tokenizer};

use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::heads::Answer;
use crate::model::Model;
use crate::sampler::Sampler;
use crate::token_generator::TokenGenerator;

/// Continues a text, piece by piece: a [`TokenGenerator`] with the tokenizer of the model. Made by
/// [`Model::text_generator`].
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::fgn_schema::Tokenizer;
/// use fgn_nn::{Embedding, Model, ModelConfig, NextToken, Precision, RecurrentConfig};
/// use fgn_nn::{Sampler, SamplerOptions, Stop};
///
/// let tokenizer = Some(Tokenizer::characters("abc ", &[])?);
/// let input = Embedding { tokenizer, ..Embedding::new(4, 8) };
/// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
/// let config = ModelConfig::new(input, recurrent, NextToken::new(4));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let sampler = Sampler::new(SamplerOptions::default(), 7)?;
/// let mut generator = model.text_generator(Precision::F32, 1, sampler)?;
/// generator.read("a cab")?;
/// let stop = Stop { texts: vec!["b".into()], ..Stop::default() };
/// let pieces = generator.pieces(&stop).take(100).collect::<Result<Vec<String>, _>>()?;
/// assert!(!pieces.concat().contains('b'));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TextGenerator<'m> {
    tokens: TokenGenerator<'m>,
    tokenizer: Tokenizer,
    sampler: Sampler,
}

/// Where a generated text ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Before the first of these texts.
    pub texts: Vec<String>,
    /// Before the first of these tokens.
    pub tokens: Vec<u32>,
}

impl Model {
    /// The tokenizer of a model that reads texts.
    ///
    /// # Errors
    /// [`Error::Config`] for a model that reads no texts.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let input = self.config().input.samples();
        input.tokenizer().cloned().ok_or_else(|| Error::Config {
            field: "model.input",
            found: format!("a layer for {input}"),
            expected: "one for texts, with a tokenizer".into(),
        })
    }

    /// The answer to a text: of a decoder a text, of a classifier a class.
    ///
    /// # Errors
    /// [`Error::Config`] for a model that reads no texts, [`Error::Batch`] for symbols that the vocabulary lacks,
    /// [`Error::Shape`] for a text without a token.
    pub fn answer(&self, text: &str) -> Result<Answer> {
        let tokens = self.tokenizer()?.encode(text)?;
        let tokens = Tensor::from_slice(&tokens, (1, tokens.len()), self.device())?;
        let answers = self.decode(&self.forward(&tokens, Mode::Eval)?.prediction)?;
        Ok(answers.into_iter().next().unwrap_or_else(|| Answer::new("", Default::default())))
    }

    /// A generator of text that begins with a state of zeros: see [`generator`](Self::generator).
    ///
    /// # Errors
    /// As there, and [`Error::Config`] for a model that reads no texts.
    pub fn text_generator(
        &self,
        precision: Precision,
        threads: usize,
        sampler: Sampler,
    ) -> Result<TextGenerator<'_>> {
        let (tokens, tokenizer) = (self.generator(precision, threads)?, self.tokenizer()?);
        Ok(TextGenerator { tokens, tokenizer, sampler })
    }
}

impl<'m> TextGenerator<'m> {
    /// Reads a text, as a prompt.
    ///
    /// # Errors
    /// [`Error::Batch`] for symbols that the vocabulary lacks; then nothing is read.
    pub fn read(&mut self, text: &str) -> Result<()> {
        let tokens = self.tokenizer.encode(text)?;
        self.read_tokens(&tokens)
    }

    /// Reads what a text without a prompt begins after: a line end, or the first token where the vocabulary has none. It
    /// is returned.
    ///
    /// # Errors
    /// None is known.
    pub fn begin(&mut self) -> Result<String> {
        let line_end = self.tokenizer.encode("\n").ok().filter(|tokens| !tokens.is_empty());
        let tokens = line_end.unwrap_or_else(|| vec![0]);
        self.read_tokens(&tokens)?;
        Ok(self.tokenizer.decode(&tokens))
    }

    /// Reads tokens, special ones say.
    ///
    /// # Errors
    /// [`Error::Token`] for one that is not in the vocabulary; then those before it are read.
    pub fn read_tokens(&mut self, tokens: &[u32]) -> Result<()> {
        tokens.iter().for_each(|&token| self.sampler.remember(token));
        self.tokens.read(tokens)
    }

    /// The text that follows, piece by piece, until `stop`. It takes as many tokens as it is asked for pieces; a piece
    /// can be empty, where a token ends no character or may begin a text to stop at.
    pub fn pieces<'a>(&'a mut self, stop: &'a Stop) -> Pieces<'a, 'm> {
        let stream = self.tokenizer.stream();
        Pieces { generator: self, stream, stop, held: String::new(), last: None, ended: false }
    }

    /// The generator of the tokens.
    pub fn tokens(&mut self) -> &mut TokenGenerator<'m> {
        &mut self.tokens
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

/// The pieces of a generated text: made by [`TextGenerator::pieces`].
pub struct Pieces<'a, 'm> {
    generator: &'a mut TextGenerator<'m>,
    stream: TextStream,
    stop: &'a Stop,
    /// The end of the text, as long as it may begin a text to stop at.
    held: String,
    last: Option<u32>,
    ended: bool,
}

impl Pieces<'_, '_> {
    /// The last token that was chosen; of one to stop before, too.
    pub fn last_token(&self) -> Option<u32> {
        self.last
    }

    /// Whether the text has come to where it stops.
    pub fn has_stopped(&self) -> bool {
        self.ended
    }

    /// What is held back because it may begin a text to stop at: the end of a text that is broken off here.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn piece(&mut self) -> Result<String> {
        let TextGenerator { tokens, sampler, .. } = self.generator;
        let token = tokens.next(sampler)?;
        self.last = Some(token);
        if self.stop.tokens.contains(&token) {
            self.ended = true;
            return Ok(self.rest());
        }
        self.held += &self.stream.push(token);
        let stops = self.stop.texts.iter().filter(|text| !text.is_empty());
        if let Some(end) = stops.clone().filter_map(|text| self.held.find(&text[..])).min() {
            self.ended = true;
            self.held.truncate(end);
            return Ok(self.rest());
        }
        let begins = |&at: &usize| {
            self.held.is_char_boundary(at)
                && stops.clone().any(|text| text.starts_with(&self.held[at..]))
        };
        let kept = (0..self.held.len()).find(begins).unwrap_or(self.held.len());
        let held = self.held.split_off(kept);
        Ok(std::mem::replace(&mut self.held, held))
    }
}

impl Iterator for Pieces<'_, '_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        if self.ended { None } else { Some(self.piece()) }
    }
}
