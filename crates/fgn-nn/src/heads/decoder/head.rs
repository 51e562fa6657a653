//! The head of a [`Decoder`].

use candle_core::{Device, Tensor};
use fgn_kernels::Emit;
use fgn_schema::{Padded, Prediction, text_of};
use serde_json::{Map, json};

use super::super::answer::Answer;
use super::super::kind::{Encoded, Head, HeadKind};
use super::super::outputs;
use super::config::Decoder;
use super::layers::{Layers, Pass};
use super::search::search;
use crate::cross_entropy::smoothed_cross_entropy;
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;
use crate::random::Generator;
use crate::recurrent::State;

#[derive(Debug)]
pub(super) struct DecoderHead {
    config: Decoder,
    layers: Layers,
    dropout: Dropout,
}

impl DecoderHead {
    pub(super) fn new(
        config: &Decoder,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Self> {
        let layers = Layers::new(config, parameters, name, inputs)?;
        Ok(Self { config: config.clone(), layers, dropout: Dropout::new(config.dropout)? })
    }

    /// What the decoder reads first.
    fn end(&self) -> u32 {
        self.config.vocabulary as u32 - 1
    }

    /// The logits of each step of the target.
    fn teacher_forced(
        &self,
        encoded: &Encoded<'_>,
        state: &State,
        target: &Padded,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let target = Target::new(target, encoded.output.dim(1)?, self.config.vocabulary)?;
        let predicted = match mode {
            Mode::Train(generator) if self.config.scheduled_sampling > 0.0 => {
                Some((self.predicted(encoded, state, &target)?, &mut **generator))
            }
            _ => None,
        };
        let mixed = predicted.map(|(predicted, generator)| {
            target.mixed(&predicted, self.config.scheduled_sampling, generator)
        });
        let inputs = mixed.as_ref().unwrap_or(&target).inputs(self.end(), self.layers.device())?;
        let shape = (encoded.output.dim(1)?, 1, self.config.recurrent.output_size());
        let ones = Tensor::ones(shape, self.layers.dtype(), self.layers.device())?;
        let pass = Pass {
            memory: self.layers.memory(encoded)?,
            dropout: match mode {
                Mode::Train(_) if self.config.dropout > 0.0 => {
                    Some(self.dropout.forward(&ones, mode)?)
                }
                _ => None,
            },
            seed: self.layers.recurrent().seed(mode),
        };
        let logits = self.layers.forward(&inputs, target.lengths.as_deref(), state, &pass)?;
        Ok(Prediction::Logits(match target.lengths {
            Some(lengths) => Padded::with_lengths(logits, lengths)?,
            None => Padded::new(logits),
        }))
    }

    /// The most likely token at each step of the target, without dropout and outside the computation graph.
    fn predicted(
        &self,
        encoded: &Encoded<'_>,
        state: &State,
        target: &Target,
    ) -> Result<Vec<Vec<u32>>> {
        let layers = self.layers.detached();
        let output = encoded.output.detach();
        let encoded = Encoded::new(&output, encoded.lengths, encoded.state);
        let pass = Pass { memory: layers.memory(&encoded)?, dropout: None, seed: None };
        let inputs = target.inputs(self.end(), layers.device())?;
        let lengths = target.lengths.as_deref();
        let logits = layers.forward(&inputs, lengths, &state.detach(), &pass)?;
        Ok(logits.argmax(2)?.to_vec2()?)
    }
}

impl Head for DecoderHead {
    fn emit(&self) -> Emit {
        Emit::All
    }

    /// Logits with a target, the tokens of answers without.
    fn forward(
        &self,
        encoded: &Encoded<'_>,
        target: Option<&Padded>,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let state = encoded.state.in_one_direction()?;
        match target {
            Some(target) => self.teacher_forced(encoded, &state, target, mode),
            None => {
                let layers = self.layers.frozen()?;
                let output = encoded.output.detach();
                let encoded = Encoded::new(&output, encoded.lengths, encoded.state);
                let answers = search(&layers, &self.config, &encoded, &state.detach())?;
                Ok(Prediction::Tokens(padded(&answers, layers.device())?))
            }
        }
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        self.config.check_loss_options(options)?;
        let Prediction::Logits(_) = prediction else { return Err(wrong(prediction, "logits")) };
        let (logits, tokens) = prediction.rows(target)?;
        let count = tokens.dim(0)?;
        let mean = smoothed_cross_entropy(&logits, &tokens, options.label_smoothing)?;
        Ok(Loss::new(mean, count))
    }

    /// The answers of predictions without a target: their text, or their tokens where they are no text.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let Prediction::Tokens(tokens) = prediction else {
            return Err(wrong(prediction, "tokens"));
        };
        let answer = |mut tokens: Vec<u32>, length: usize| {
            tokens.truncate(length);
            let text = text_of(self.config.tokenizer.as_ref(), &tokens);
            let keys = [("text".to_owned(), json!(text)), ("tokens".to_owned(), json!(tokens))];
            Answer::new(text, Map::from_iter(keys))
        };
        let all = tokens.tensor().to_vec2::<u32>()?;
        let length = |at: usize| tokens.lengths().map_or(usize::MAX, |lengths| lengths[at]);
        Ok(all.into_iter().enumerate().map(|(at, tokens)| answer(tokens, length(at))).collect())
    }
}

fn wrong(prediction: &Prediction, expected: &'static str) -> Error {
    Error::Prediction { found: prediction.kind(), expected }
}

/// Answers as a batch, padded with zeros.
fn padded(answers: &[Vec<u32>], device: &Device) -> Result<Padded> {
    let lengths: Vec<usize> = answers.iter().map(Vec::len).collect();
    let steps = lengths.iter().copied().max().unwrap_or(0);
    let with_zeros = |answer: &Vec<u32>| {
        let mut answer = answer.clone();
        answer.resize(steps, 0);
        answer
    };
    let all = answers.iter().flat_map(with_zeros).collect();
    let all = Tensor::from_vec(all, (answers.len(), steps), device)?;
    Ok(Padded::with_lengths(all, lengths)?)
}

/// The target of a batch, checked.
struct Target {
    /// `[B][U]`; padding is 0.
    tokens: Vec<Vec<u32>>,
    lengths: Option<Vec<usize>>,
}

impl Target {
    fn new(target: &Padded, batch: usize, vocabulary: usize) -> Result<Self> {
        let lengths = target.lengths().map(<[_]>::to_vec);
        let mut tokens = outputs::tokens(target, batch)?;
        for (index, tokens) in tokens.iter_mut().enumerate() {
            let length = lengths.as_ref().map_or(tokens.len(), |lengths| lengths[index]);
            tokens[length..].fill(0);
            if let Some(&found) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(Error::Target { index, found, last: vocabulary - 1 });
            }
        }
        Ok(Self { tokens, lengths })
    }

    /// With each token replaced by the one predicted in its place with that probability.
    fn mixed(&self, predicted: &[Vec<u32>], probability: f64, generator: &mut Generator) -> Self {
        let mut mix = |(&own, &other): (&u32, &u32)| {
            if generator.next_f64() < probability { other } else { own }
        };
        let rows = self.tokens.iter().zip(predicted);
        let tokens = rows.map(|(own, other)| own.iter().zip(other).map(&mut mix).collect());
        Self { tokens: tokens.collect(), lengths: self.lengths.clone() }
    }

    /// What the decoder reads, `[U, B]`: `first`, then the token before.
    fn inputs(&self, first: u32, device: &Device) -> Result<Tensor> {
        let steps = self.tokens.first().map_or(0, Vec::len);
        let read = |step: usize, tokens: &Vec<u32>| match step.checked_sub(1) {
            Some(before) => tokens[before],
            None => first,
        };
        let all =
            (0..steps).flat_map(|step| self.tokens.iter().map(move |tokens| read(step, tokens)));
        Ok(Tensor::from_vec(all.collect(), (steps, self.tokens.len()), device)?)
    }
}
