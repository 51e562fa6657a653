//! Sequences of tokens that are aligned with the steps: connectionist temporal classification.

use fgn_kernels::Emit;
use fgn_schema::{Padded, Prediction, Statistics, TargetSchema, Tokenizer, text_of};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::kind::{Encoded, Head, HeadKind};
use super::outputs;
use crate::check::{self, check};
use crate::ctc::{CtcBeamSearch, CtcLabel, CtcOptions, ctc_greedy, ctc_loss};
use crate::dense::Linear;
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;

/// Predicts a sequence of tokens that is shorter than the sample, in the order in which they occur, without any
/// alignment in the data: connectionist temporal classification (Graves et al. 2006).
///
/// The last token of the vocabulary is the end token, which ends every target. It is dropped, and its index is that of
/// the blank: each step has `vocabulary` logits, the last one the blank's. The loss is [`ctc_loss`] in nats a token: the
/// sum over the samples of a batch, divided by the number of their tokens, the end token included.
///
/// A target needs as many steps as it has tokens without the end token, and one more for each that equals the one
/// before. One that has fewer is an error, in evaluation too, unless `zero_infinity` is set.
///
/// Its parameters are those of a [`Linear`] layer.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Ctc {
    /// How many tokens there are, at least 2. The last one is the end token.
    pub vocabulary: usize,
    /// What makes texts of tokens, where targets are texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Tokenizer>,
    /// In training, the probability with which an output of the recurrent layer is zero, the same ones at all steps of
    /// a sequence (Gal & Ghahramani 2016).
    #[serde(default)]
    pub dropout: f64,
    /// How many beginnings of an answer prefix beam search goes on with at each step; 1 takes the most likely class of
    /// each step. Metrics always compare what the most likely classes stand for.
    #[serde(default = "one")]
    pub beam_size: usize,
    /// Whether the loss of a target that is too long for its sample counts as 0, rather than being an error.
    #[serde(default)]
    pub zero_infinity: bool,
}

fn one() -> usize {
    1
}

impl Ctc {
    /// A linear layer over a vocabulary of that size, without any option.
    pub fn new(vocabulary: usize) -> Self {
        Self { vocabulary, tokenizer: None, dropout: 0.0, beam_size: one(), zero_infinity: false }
    }

    fn end(&self) -> u32 {
        self.vocabulary as u32 - 1
    }
}

impl HeadKind for Ctc {
    fn stand_in() -> TargetSchema {
        TargetSchema::Sequence { vocabulary: 2, tokenizer: None }
    }

    /// Only where a recipe names it: that no target is longer than its sample is no property of a schema.
    fn complete(
        given: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::Sequence { vocabulary, tokenizer } = targets else { return None };
        given.get("kind").filter(|kind| **kind == "ctc")?;
        let mut keys = Map::from_iter([("vocabulary".into(), json!(vocabulary))]);
        if let Some(tokenizer) = tokenizer {
            keys.insert("tokenizer".into(), serde_json::to_value(tokenizer).ok()?);
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        check::size("head.vocabulary", self.vocabulary, 2)?;
        let size = self.tokenizer.as_ref().map_or(self.vocabulary, Tokenizer::vocabulary);
        let expected = format!("{size}, the size of the tokenizer's vocabulary");
        check(size == self.vocabulary, "head.vocabulary", self.vocabulary, expected)?;
        check::probability("head.dropout", self.dropout)?;
        check::range("head.beam_size", self.beam_size, 1..=1 << 14)
    }

    fn target(&self) -> TargetSchema {
        let (vocabulary, tokenizer) = (self.vocabulary, self.tokenizer.clone());
        TargetSchema::Sequence { vocabulary, tokenizer }
    }

    fn metrics(&self) -> &'static [&'static str] {
        match self.tokenizer {
            Some(_) => &["cer", "wer"],
            None => &["cer"],
        }
    }

    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match *targets == self.target() {
            true => Ok(()),
            false => Err(Error::Mismatch {
                found: targets.to_string(),
                expected: format!(
                    "{} (model.head.vocabulary, model.head.tokenizer)",
                    self.target()
                ),
            }),
        }
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        let linear = Linear::new(parameters, name, inputs, self.vocabulary)?;
        let dropout = Dropout::new(self.dropout)?;
        Ok(Box::new(CtcHead { config: self.clone(), dropout, linear }))
    }
}

#[derive(Debug)]
struct CtcHead {
    config: Ctc,
    dropout: Dropout,
    linear: Linear,
}

impl Head for CtcHead {
    fn emit(&self) -> Emit {
        Emit::All
    }

    fn forward(
        &self,
        encoded: &Encoded<'_>,
        _: Option<&Padded>,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let x = self.dropout.locked(encoded.output, mode)?;
        let logits = self.linear.forward(&x.transpose(0, 1)?.contiguous()?)?;
        Ok(Prediction::Alignments(outputs::padded(logits, encoded)?))
    }

    fn linear(&self) -> Option<&Linear> {
        Some(&self.linear)
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        self.config.check_loss_options(options)?;
        let logits = alignments(prediction)?;
        let targets = self.labels(target, logits.batch_size())?;
        let blank = self.config.vocabulary - 1;
        let options = CtcOptions::new(blank)
            .with_zero_infinity(self.config.zero_infinity)
            .with_batch_first(true);
        let losses = ctc_loss(logits.tensor(), logits.lengths(), &targets, &options)?;
        let count: usize = targets.iter().map(|labels| labels.len() + 1).sum();
        Ok(Loss::new((losses.sum_all()? / count as f64)?, count))
    }

    /// The text, or the tokens where they are no text, and the step at which each token begins.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let samples = outputs::rows::<f32>(alignments(prediction)?)?;
        samples.iter().map(|logits| Ok(self.answer(&self.search(logits)?))).collect()
    }
}

impl CtcHead {
    /// The labels of each sample: the target without its end token.
    fn labels(&self, target: &Padded, batch: usize) -> Result<Vec<Vec<u32>>> {
        let end = self.config.end();
        let mut all = outputs::tokens(target, batch)?;
        for (sample, tokens) in all.iter_mut().enumerate() {
            tokens.truncate(target.lengths().map_or(tokens.len(), |lengths| lengths[sample]));
            match tokens.pop() {
                Some(last) if last == end => (),
                last => {
                    let found = last.map_or("no token".into(), |last| format!("token {last} last"));
                    let expected = format!("the end token {end} there");
                    return Err(Error::TargetSequence { sample, found, expected });
                }
            }
        }
        Ok(all)
    }

    fn search(&self, logits: &[Vec<f32>]) -> Result<Vec<CtcLabel>> {
        let blank = self.config.vocabulary - 1;
        match self.config.beam_size {
            1 => Ok(ctc_greedy(logits, blank)),
            width => {
                let found = CtcBeamSearch::new(width).decode(logits, blank)?;
                Ok(found.into_iter().next().map_or_else(Vec::new, |best| best.labels))
            }
        }
    }

    fn answer(&self, labels: &[CtcLabel]) -> Answer {
        let tokens: Vec<u32> = labels.iter().map(|label| label.label).collect();
        let steps: Vec<usize> = labels.iter().map(|label| label.step).collect();
        let text = text_of(self.config.tokenizer.as_ref(), &tokens);
        let keys = [
            ("text".to_owned(), json!(text)),
            ("tokens".to_owned(), json!(tokens)),
            ("steps".to_owned(), json!(steps)),
        ];
        Answer::new(text, Map::from_iter(keys))
    }
}

fn alignments(prediction: &Prediction) -> Result<&Padded> {
    match prediction {
        Prediction::Alignments(logits) => Ok(logits),
        other => Err(Error::Prediction { found: other.kind(), expected: "alignments" }),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    fn built(config: &Ctc) -> Box<dyn Head> {
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        config.build(&mut parameters, "head", 4).unwrap()
    }

    /// Large logits for one class a step, of two samples with 4 and 2 steps; the vocabulary is "a", "b" and the end.
    fn prediction() -> Prediction {
        let classes = [[0, 0, 2, 1], [2, 1, 0, 0]];
        let logits = classes
            .map(|row| row.map(|class| [0, 1, 2].map(|at| f64::from(u8::from(at == class)) * 9.0)));
        let logits = Tensor::new(&logits, &Device::Cpu).unwrap();
        Prediction::Alignments(Padded::with_lengths(logits, vec![4, 2]).unwrap())
    }

    fn target(tokens: &[[u32; 3]; 2], lengths: [usize; 2]) -> Padded {
        let tokens = Tensor::new(tokens, &Device::Cpu).unwrap();
        Padded::with_lengths(tokens, lengths.to_vec()).unwrap()
    }

    #[test]
    fn answers_have_text_tokens_and_steps() {
        let tokenizer = Some(Tokenizer::characters("ab", &["<end>"]).unwrap());
        for (beam_size, tokenizer, expected) in [
            (1, tokenizer.clone(), ["ab", "b"]),
            (4, tokenizer, ["ab", "b"]),
            (1, None, ["0 1", "1"]),
        ] {
            let head = built(&Ctc { beam_size, tokenizer, ..Ctc::new(3) });
            let answers = head.decode(&prediction()).unwrap();
            let texts: Vec<_> = answers.iter().map(Answer::text).collect();
            assert_eq!(texts, expected);
            assert_eq!(answers[0].json()["tokens"], json!([0, 1]));
            assert_eq!(answers[0].json()["steps"], json!([0, 3]));
            assert_eq!(answers[1].json()["steps"], json!([1]));
        }
        let logits = Tensor::zeros((1, 1, 3), DType::F64, &Device::Cpu).unwrap();
        let error = built(&Ctc::new(3)).decode(&Prediction::Logits(logits.into())).unwrap_err();
        assert_eq!(error.to_string(), "a prediction of logits, expected alignments");
    }

    #[test]
    fn the_loss_is_in_nats_a_token() {
        let head = built(&Ctc::new(3));
        let (prediction, options) = (prediction(), LossOptions::default());
        let targets = target(&[[0, 1, 2], [1, 2, 0]], [3, 2]);
        let loss = head.loss(&prediction, &targets, &options).unwrap();
        let options_of_ctc = CtcOptions::new(2).with_batch_first(true);
        let logits = prediction.output();
        let labels: [&[u32]; 2] = [&[0, 1], &[1]];
        let losses = ctc_loss(logits.tensor(), logits.lengths(), &labels, &options_of_ctc).unwrap();
        let expected = losses.to_vec1::<f64>().unwrap().iter().sum::<f64>() / 5.0;
        assert!((loss.mean.to_scalar::<f64>().unwrap() - expected).abs() < 1e-15);
        assert_eq!(loss.targets, 5);
        let smoothed = LossOptions::default().with_label_smoothing(0.1);
        assert!(matches!(head.loss(&prediction, &targets, &smoothed), Err(Error::Config { .. })));
    }

    #[test]
    fn targets_that_do_not_fit_are_refused() {
        let refused = |tokens: &[[u32; 3]; 2], lengths: [usize; 2]| {
            let target = target(tokens, lengths);
            let error = built(&Ctc::new(3)).loss(&prediction(), &target, &LossOptions::default());
            error.unwrap_err().to_string()
        };
        let error = refused(&[[0, 1, 2], [1, 0, 2]], [3, 2]);
        let expected =
            "the target of sample 1 of the batch has token 0 last, expected the end token 2 there";
        assert_eq!(error, expected);
        let error = refused(&[[2, 1, 2], [1, 2, 0]], [3, 2]);
        assert!(error.contains("the blank, 2, at position 0, expected labels alone"), "{error}");
        let error = refused(&[[3, 1, 2], [1, 2, 0]], [3, 2]);
        assert!(error.starts_with("target 0 of the batch is class 3"), "{error}");
        let error = refused(&[[0, 1, 2], [1, 1, 2]], [3, 3]);
        assert!(error.contains("2 labels and 1 repetition, which need 3 steps"), "{error}");
        let head = built(&Ctc { zero_infinity: true, ..Ctc::new(3) });
        let targets = target(&[[0, 1, 2], [1, 1, 2]], [3, 3]);
        let loss = head.loss(&prediction(), &targets, &LossOptions::default()).unwrap();
        assert!(loss.mean.to_scalar::<f64>().unwrap().is_finite());
    }

    #[test]
    fn options_that_fit_nothing_are_refused() {
        let text = Some(Tokenizer::characters("ab", &["<end>"]).unwrap());
        for (head, expected) in [
            (Ctc::new(1), "`head.vocabulary` is 1, expected 2 to"),
            (
                Ctc { tokenizer: text, ..Ctc::new(5) },
                "`head.vocabulary` is 5, expected 3, the size",
            ),
            (Ctc { dropout: 1.0, ..Ctc::new(5) }, "`head.dropout` is 1"),
            (Ctc { beam_size: 0, ..Ctc::new(5) }, "`head.beam_size` is 0, expected 1 to 16384"),
        ] {
            let error = head.validate().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
