//! The next token of a text.

use candle_core::{Tensor, Var};
use fgn_kernels::Emit;
use fgn_schema::{Padded, Prediction, Statistics, TargetSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::adaptive::Adaptive;
use super::answer::{self, Answer};
use super::kind::{Encoded, Head, HeadKind};
use super::outputs;
use super::tied::{Tied, projected};
use crate::check::{self, check};
use crate::cross_entropy::smoothed_cross_entropy;
use crate::dense::Linear;
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::logits::{argmax, softmax};
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;

/// Predicts the next token after each step: a language model. The loss is the cross entropy in nats a token.
///
/// Its parameters are those of a [`Linear`] layer. With `tied`, the weight is the input layer's `embedding.weight`
/// (Press & Wolf 2017), and where the outputs have another size than the embedding, `projection.weight
/// [embedding_dim, H]` brings them there. With `cutoffs` they are those of PyTorch's `AdaptiveLogSoftmaxWithLoss`, without biases of the clusters.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct NextToken {
    /// How many tokens there are, at least 2.
    pub vocabulary: usize,
    /// In training, the probability with which an output of the recurrent layer is zero, the same ones at all steps of
    /// a sequence (Gal & Ghahramani 2016).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// The size of the embedding whose weight is shared; not shared if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied: Option<usize>,
    /// For large vocabularies whose tokens are sorted by frequency: tokens from each of these numbers on are a
    /// cluster that is computed only where it is needed, with half as many features as the one before
    /// (adaptive softmax: Grave et al. 2017). Ascending, below `vocabulary`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cutoffs: Vec<usize>,
    /// Adds this times the mean square of the recurrent layer's outputs to the loss in training (AR: Merity, McCann &
    /// Socher 2017).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub activation_regularization: f64,
    /// Adds this times the mean square of the difference between outputs of successive steps to the loss in training
    /// (TAR, ibid.).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub temporal_activation_regularization: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl NextToken {
    /// A linear layer over a vocabulary of that size, without any option.
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            dropout: 0.0,
            tied: None,
            cutoffs: Vec::new(),
            activation_regularization: 0.0,
            temporal_activation_regularization: 0.0,
        }
    }
}

impl HeadKind for NextToken {
    fn stand_in() -> TargetSchema {
        TargetSchema::NextToken { vocabulary: 2 }
    }

    fn complete(
        _: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::NextToken { vocabulary } = targets else { return None };
        Some(Map::from_iter([("vocabulary".into(), json!(vocabulary))]))
    }

    fn validate(&self) -> Result<()> {
        check::size("head.vocabulary", self.vocabulary, 2)?;
        check::probability("head.dropout", self.dropout)?;
        self.tied.map_or(Ok(()), |size| check::size("head.tied", size, 1))?;
        let fits = self.cutoffs.is_sorted_by(|one, next| one < next)
            && self.cutoffs.iter().all(|cutoff| (1..self.vocabulary).contains(cutoff));
        let expected = format!("ascending numbers from 1 to {}", self.vocabulary - 1);
        check(fits, "head.cutoffs", format!("{:?}", self.cutoffs), expected)?;
        let expected = "left out beside head.cutoffs: clusters have weights of their own";
        let both = self.tied.is_some() && !self.cutoffs.is_empty();
        check(!both, "head.tied", self.tied.unwrap_or_default(), expected)?;
        for (field, factor) in [
            ("head.activation_regularization", self.activation_regularization),
            ("head.temporal_activation_regularization", self.temporal_activation_regularization),
        ] {
            check(factor >= 0.0 && factor.is_finite(), field, factor, "a number of at least 0")?;
        }
        Ok(())
    }

    fn target(&self) -> TargetSchema {
        TargetSchema::NextToken { vocabulary: self.vocabulary }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["perplexity", "bits"]
    }

    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match *targets == self.target() {
            true => Ok(()),
            false => Err(Error::Mismatch {
                found: targets.to_string(),
                expected: format!("{} (model.head.vocabulary)", self.target()),
            }),
        }
    }

    fn check_loss_options(&self, options: &LossOptions) -> Result<()> {
        options.without_class_weights()?;
        check::probability("label_smoothing", options.label_smoothing)?;
        match self.cutoffs.is_empty() {
            true => Ok(()),
            false => options.without_label_smoothing(),
        }
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        let output = match self.tied {
            Some(size) => {
                let count = self.vocabulary;
                let tied = Tied::new(parameters, name, inputs, [count, size])?;
                let bias =
                    parameters.take(format!("{name}.bias"), &[count], |_| vec![0.0; count])?;
                Output::Tied(tied, bias)
            }
            None if self.cutoffs.is_empty() => {
                Output::Linear(Linear::new(parameters, name, inputs, self.vocabulary)?)
            }
            None => {
                let sizes = [inputs, self.vocabulary];
                Output::Adaptive(Adaptive::new(parameters, name, sizes, &self.cutoffs)?)
            }
        };
        let dropout = Dropout::new(self.dropout)?;
        Ok(Box::new(NextTokenHead { config: self.clone(), dropout, output }))
    }
}

#[derive(Debug)]
struct NextTokenHead {
    config: NextToken,
    dropout: Dropout,
    output: Output,
}

#[derive(Debug)]
enum Output {
    Linear(Linear),
    /// With the bias of each token.
    Tied(Tied, Var),
    Adaptive(Adaptive),
}

impl Head for NextTokenHead {
    fn emit(&self) -> Emit {
        Emit::All
    }

    /// Logits; of clusters, the log-likelihoods of the target where it is given.
    fn forward(
        &self,
        encoded: &Encoded<'_>,
        target: Option<&Padded>,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let x = self.dropout.locked(encoded.output, mode)?;
        let (steps, batch, size) = x.dims3()?;
        let rows = x.transpose(0, 1)?.reshape((batch * steps, size))?;
        let logits = match (&self.output, target) {
            (Output::Linear(linear), _) => linear.forward(&rows)?,
            (Output::Tied(tied, bias), _) => {
                let rows = projected(tied.projection.as_ref(), &rows)?;
                rows.matmul(&tied.vectors.t()?)?.broadcast_add(bias)?
            }
            (Output::Adaptive(adaptive), None) => adaptive.log_probabilities(&rows)?,
            (Output::Adaptive(adaptive), Some(target)) => {
                let target = target.tensor().flatten_all()?;
                let likelihoods = adaptive.log_likelihoods(&rows, &target)?;
                let likelihoods = outputs::padded(likelihoods.reshape((batch, steps))?, encoded)?;
                return Ok(Prediction::LogLikelihoods(likelihoods));
            }
        };
        let logits = outputs::padded(logits.reshape((batch, steps, ()))?, encoded)?;
        Ok(Prediction::Logits(logits))
    }

    fn penalty(&self, encoded: &Encoded<'_>) -> Result<Option<Tensor>> {
        let NextToken { activation_regularization, temporal_activation_regularization, .. } =
            self.config;
        let x = encoded.output;
        let steps = x.dim(0)?;
        let mut penalty = None;
        if activation_regularization > 0.0 {
            penalty = Some((x.sqr()?.mean_all()? * activation_regularization)?);
        }
        if temporal_activation_regularization > 0.0 && steps > 1 {
            let change = (x.narrow(0, 1, steps - 1)? - x.narrow(0, 0, steps - 1)?)?;
            let term = (change.sqr()?.mean_all()? * temporal_activation_regularization)?;
            penalty = Some(penalty.map_or(Ok(term.clone()), |penalty| penalty + term)?);
        }
        Ok(penalty)
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        self.config.check_loss_options(options)?;
        let (rows, tokens) = prediction.rows(target)?;
        let count = tokens.dim(0)?;
        if count == 0 {
            return Ok(Loss::new(rows.sum_all()?, 0));
        }
        let mean = match prediction {
            Prediction::Logits(_) => {
                smoothed_cross_entropy(&rows, &tokens, options.label_smoothing)?
            }
            Prediction::LogLikelihoods(_) => rows.mean_all()?.neg()?,
            _ => return Err(wrong(prediction)),
        };
        Ok(Loss::new(mean, count))
    }

    /// What follows the last step of each sample.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let Prediction::Logits(logits) = prediction else { return Err(wrong(prediction)) };
        let samples = outputs::rows::<f32>(logits)?;
        let answer = |rows: &Vec<Vec<f32>>| {
            let logits = rows.last().map_or(&[][..], Vec::as_slice);
            let (token, probabilities) = (argmax(logits), softmax(logits));
            let probability = probabilities.get(token).copied().unwrap_or(f32::NAN);
            let keys = [
                ("token".to_owned(), json!(token)),
                ("probability".to_owned(), answer::number(probability)),
            ];
            Answer::new(format!("token {token} {probability:.3}"), Map::from_iter(keys))
        };
        Ok(samples.iter().map(answer).collect())
    }
}

fn wrong(prediction: &Prediction) -> Error {
    Error::Prediction { found: prediction.kind(), expected: "logits" }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, DType, Device};
    use fgn_schema::IGNORED;

    use super::*;

    /// The log-likelihoods of clusters against the definition, computed from all log-probabilities, which sum to 1.
    #[test]
    fn clusters_are_one_distribution() {
        let config = NextToken { cutoffs: vec![3, 7], ..NextToken::new(12) };
        let mut parameters = Parameters::new(3, DType::F64, &Device::Cpu).unwrap();
        let adaptive = Adaptive::new(&mut parameters, "head", [8, 12], &config.cutoffs).unwrap();
        let values: Vec<f64> = (0..5 * 8).map(|at| f64::from(at * 7 % 11) / 3.0 - 1.5).collect();
        let rows = Tensor::from_vec(values, (5, 8), &Device::Cpu).unwrap();
        let all = adaptive.log_probabilities(&rows).unwrap();
        let sums = all.exp().unwrap().sum(D::Minus1).unwrap().to_vec1::<f64>().unwrap();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12), "{sums:?}");
        let tokens = [0, 3, 6, 11, IGNORED];
        let target = Tensor::new(&tokens, &Device::Cpu).unwrap();
        let found = adaptive.log_likelihoods(&rows, &target).unwrap().to_vec1::<f64>().unwrap();
        let all = all.to_vec2::<f64>().unwrap();
        for row in 0..4 {
            assert!((found[row] - all[row][tokens[row] as usize]).abs() < 1e-12, "row {row}");
        }
        let wrong = Tensor::new(&[0u32, 0, 0, 0, 12], &Device::Cpu).unwrap();
        assert!(matches!(adaptive.log_likelihoods(&rows, &wrong), Err(Error::Target { .. })));
    }

    #[test]
    fn options_that_fit_nothing_are_refused() {
        let head = NextToken::new(10);
        for (head, expected) in [
            (
                NextToken { cutoffs: vec![3, 3], ..head.clone() },
                "`head.cutoffs` is [3, 3], expected",
            ),
            (NextToken { cutoffs: vec![10], ..head.clone() }, "`head.cutoffs` is [10], expected"),
            (
                NextToken { cutoffs: vec![4], tied: Some(3), ..head.clone() },
                "`head.tied` is 3, expected left out",
            ),
            (NextToken { dropout: 1.0, ..head.clone() }, "`head.dropout` is 1"),
            (NextToken { activation_regularization: -1.0, ..head.clone() }, "`head.activation_reg"),
            (NextToken { vocabulary: 1, ..head }, "`head.vocabulary` is 1"),
        ] {
            let error = head.validate().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
