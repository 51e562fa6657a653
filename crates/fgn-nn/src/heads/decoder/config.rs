//! The configuration of a decoder.

use fgn_schema::Tokenizer;
use serde::{Deserialize, Serialize};

use super::attention::Attention;
use crate::check::{self, check};
use crate::error::{Error, Result};
use crate::recurrent::RecurrentConfig;

/// Answers each sample with a sequence of tokens that has a length of its own (Sutskever, Vinyals & Le 2014; Cho et
/// al. 2014), with attention over the outputs of the model's recurrent layer, the encoder.
///
/// The last token of the vocabulary is the end token. It ends every answer, and the decoder reads it first, as the
/// start. Then it reads the tokens of the answer one by one, and predicts the next one. With a target those are the
/// target's, and the prediction is the logits of each step (teacher forcing); without one they are the decoder's own,
/// found by beam search, and the prediction is the tokens of the best answer. The loss is the cross entropy in nats a
/// token, the end token included.
///
/// Its recurrent layers begin with the encoder's state after each sequence's last step. So both have the same number
/// of layers, the same size, and cells with the same states. Of a bidirectional encoder, the states of both
/// directions of a layer are added. With [blocks](crate::BlockConfig), convolutions have the same width in both.
///
/// With attention, what predicts the next token is not the output `h: [A]` of the recurrent layers, but the
/// attentional vector `tanh(W_c [c; h])`, where the context `c` is the mean of the encoder's outputs `s: [D]`, weighted
/// by the softmax of their scores (Luong, Pham & Manning 2015).
///
/// The parameters are `embedding.weight [V, E]`, drawn from `U[-0.1, 0.1]`; those of a
/// [`Recurrent`](crate::Recurrent) layer, `recurrent.weight_ih_l0` and so on; those of the [`Attention`];
/// `combine.weight [A, D + A]`, unless there is no attention; and `output.weight [V, A]` and `output.bias [V]`. Weights
/// are drawn by Xavier's rule, and biases are zero.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// How many tokens there are, at least 2. The last one is the end token.
    pub vocabulary: usize,
    /// What makes texts of tokens, where answers are texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Tokenizer>,
    /// The size of each token's vector.
    pub embedding_dim: usize,
    /// The recurrent layers, in one direction.
    pub recurrent: Box<RecurrentConfig>,
    /// How the encoder's outputs are scored.
    #[serde(default)]
    pub attention: Attention,
    /// Whether each step also reads the attentional vector of the step before (Luong, Pham & Manning 2015, section
    /// 3.3); without attention, the output of the recurrent layers. Then the steps of a target run one by one, and
    /// the computation graph is a chain as long as the target; otherwise all steps are one operation. Zoneout, and
    /// dropout with a mask for each step, are refused beside it.
    #[serde(default)]
    pub input_feeding: bool,
    /// In training, the probability with which a feature of the attentional vectors is zero, the same ones at all
    /// steps of a sequence (Gal & Ghahramani 2016).
    #[serde(default)]
    pub dropout: f64,
    /// In training, the probability with which the decoder reads the token that it predicts itself in place of the
    /// target's, from 0 to 1. All predictions come from one pass over the target without gradient (Mihaylova & Martins
    /// 2019), so that a step of training takes one forward pass more.
    #[serde(default)]
    pub scheduled_sampling: f64,
    /// How many unfinished answers beam search goes on with at each step; 1 takes the most likely token at each step.
    #[serde(default = "one")]
    pub beam_size: usize,
    /// The score by which beam search chooses among finished answers is the logarithm of the answer's probability,
    /// divided by its number of tokens to this power: 0 favours short answers, 1 compares means. At least 0.
    #[serde(default = "plain_mean")]
    pub length_penalty: f64,
    /// The most tokens of an answer, the end token included: an answer that reaches it ends there.
    #[serde(default = "longest")]
    pub max_length: usize,
}

fn one() -> usize {
    1
}

fn plain_mean() -> f64 {
    1.0
}

fn longest() -> usize {
    256
}

impl Decoder {
    /// A decoder over a vocabulary of that size with vectors of `embedding_dim` values, general attention and no other
    /// option.
    pub fn new(vocabulary: usize, embedding_dim: usize, recurrent: RecurrentConfig) -> Self {
        Self {
            vocabulary,
            tokenizer: None,
            embedding_dim,
            recurrent: Box::new(recurrent),
            attention: Attention::default(),
            input_feeding: false,
            dropout: 0.0,
            scheduled_sampling: 0.0,
            beam_size: one(),
            length_penalty: plain_mean(),
            max_length: longest(),
        }
    }

    /// Checks every value.
    pub(super) fn check_values(&self) -> Result<()> {
        check::size("head.vocabulary", self.vocabulary, 2)?;
        let size = self.tokenizer.as_ref().map_or(self.vocabulary, Tokenizer::vocabulary);
        let expected = format!("{size}, the size of the tokenizer's vocabulary");
        check(size == self.vocabulary, "head.vocabulary", self.vocabulary, expected)?;
        check::size("head.embedding_dim", self.embedding_dim, 1)?;
        check::probability("head.dropout", self.dropout)?;
        let (share, expected) = (self.scheduled_sampling, "a probability from 0 to 1");
        check((0.0..=1.0).contains(&share), "head.scheduled_sampling", share, expected)?;
        check::range("head.beam_size", self.beam_size, 1..=1 << 14)?;
        let (power, expected) = (self.length_penalty, "a number of at least 0");
        let fits = power >= 0.0 && power.is_finite();
        check(fits, "head.length_penalty", power, expected)?;
        check::size("head.max_length", self.max_length, 1)?;
        self.check_recurrent()
    }

    /// Checks that its layers can begin with the states of the encoder's.
    pub(super) fn check_states(&self, encoder: &RecurrentConfig) -> Result<()> {
        let own = &self.recurrent;
        let as_encoder =
            |value: &str| format!("{value}, as in recurrent: it begins with its state");
        let expected = as_encoder(&encoder.layers.to_string());
        check(own.layers == encoder.layers, "head.recurrent.layers", own.layers, expected)?;
        let expected = as_encoder(&encoder.hidden_size.to_string());
        let fits = own.hidden_size == encoder.hidden_size;
        check(fits, "head.recurrent.hidden_size", own.hidden_size, expected)?;
        let size =
            |size: Option<usize>| size.map_or("left out".to_owned(), |size| size.to_string());
        let expected = as_encoder(&size(encoder.projection));
        let fits = own.projection == encoder.projection;
        check(fits, "head.recurrent.projection", size(own.projection), expected)?;
        let conv = |config: &RecurrentConfig| config.block.map_or(0, |block| block.conv);
        let expected = as_encoder(&conv(encoder).to_string());
        check(conv(own) == conv(encoder), "head.recurrent.block.conv", conv(own), expected)?;
        let states = |config: &RecurrentConfig| config.cell.spec().states;
        let named = |config| states(config).join(", ");
        let found = format!("{} with the states {}", own.cell, named(own));
        let expected = as_encoder(&format!("a cell with {} like {}", named(encoder), encoder.cell));
        check(states(own) == states(encoder), "head.recurrent.cell", found, expected)
    }

    fn check_recurrent(&self) -> Result<()> {
        let recurrent = &self.recurrent;
        recurrent.validate().map_err(within_head)?;
        let expected = "false: a decoder reads in one direction";
        check(!recurrent.bidirectional, "head.recurrent.bidirectional", true, expected)?;
        let expected = "false: in a model the steps come first";
        check(!recurrent.batch_first, "head.recurrent.batch_first", true, expected)?;
        let of_block = recurrent.block.map(|block| block.dropout).unwrap_or_default();
        let dropouts =
            [recurrent.input_dropout, recurrent.dropout, recurrent.hidden_dropout, of_block];
        let by_step = dropouts.iter().any(|dropout| dropout.per_step && dropout.rate > 0.0)
            || recurrent.zoneout.iter().any(|&rate| rate > 0.0);
        let expected = "false beside zoneout, or dropout per step, in head.recurrent";
        check(!(self.input_feeding && by_step), "head.input_feeding", true, expected)
    }
}

/// The error of a recurrent layer's field, as one of the head's.
fn within_head(error: Error) -> Error {
    match error {
        Error::Config { field, found, expected } => {
            let name = field.strip_prefix("recurrent.").unwrap_or(field);
            let found = format!("a layer whose `{name}` is {found}");
            Error::Config { field: "head.recurrent", found, expected }
        }
        other => other,
    }
}
