//! What the metrics of models of tokens, items and pixels share: the mean log-likelihood of the targets.

use candle_core::{D, DType, Tensor};
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::ranks::ranked;
use super::tokens::are_tokens;
use super::values::{restored, wrong_prediction};
use crate::error::Result;

/// The sum of the negative log-likelihoods of some target tokens, items or pixels, in nats.
pub(super) struct Likelihood {
    nats: f64,
    tokens: u64,
}

impl Likelihood {
    /// `None` where the targets are neither tokens nor items nor pixels.
    pub(super) fn new(target: &TargetSchema) -> Option<Likelihood> {
        let others = matches!(target, TargetSchema::NextItem { .. } | TargetSchema::Pixels { .. });
        let suits = are_tokens(target) || others;
        suits.then_some(Likelihood { nats: 0.0, tokens: 0 })
    }

    /// Adds a batch. The losses of steps are left out: they say nothing of the probability among all.
    pub(super) fn update(
        &mut self,
        metric: &str,
        prediction: &Prediction,
        target: &Padded,
    ) -> Result<()> {
        let likelihoods = match prediction {
            Prediction::StepLosses(_) => return Ok(()),
            Prediction::Ranking(ranking) => {
                ranked(metric, ranking, target)?.0.log_likelihoods.clone()
            }
            _ => self::likelihoods(metric, prediction, target)?,
        };
        if likelihoods.elem_count() > 0 {
            self.nats -= likelihoods.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
            self.tokens += likelihoods.elem_count() as u64;
        }
        Ok(())
    }

    /// The sum, in nats.
    pub(super) fn sum(&self) -> f64 {
        self.nats
    }

    /// The mean, in nats a token.
    pub(super) fn mean(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    pub(super) fn save(&self) -> Value {
        json!([self.nats, self.tokens])
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        (self.nats, self.tokens) = restored(saved)?;
        Ok(())
    }
}

/// The log-likelihood of each target that counts.
fn likelihoods(metric: &str, prediction: &Prediction, target: &Padded) -> Result<Tensor> {
    let (rows, tokens) = prediction.rows(target)?;
    match prediction {
        Prediction::Logits(_) if tokens.elem_count() > 0 => {
            let of_targets = rows.gather(&tokens.unsqueeze(1)?, 1)?.squeeze(1)?;
            Ok((of_targets - rows.log_sum_exp(D::Minus1)?)?)
        }
        Prediction::Logits(_) => Ok(tokens),
        Prediction::LogLikelihoods(_) => Ok(rows),
        _ => Err(wrong_prediction(metric, "the logits of tokens")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranks::tests::{IGN, Steps, items, logits, ranking, sampled};
    use super::*;

    #[test]
    fn items_have_likelihoods_in_logits_and_in_rankings() {
        let steps = Steps::new(&[vec![2, IGN, 0], vec![1]]);
        let scores = [[0.0, 1.0, 2.0], [9.0, 9.0, 9.0], [3.0, 1.0, 0.5], [0.0, 0.0, 0.0]];
        let log_sum = |row: &[f64]| row.iter().map(|score| score.exp()).sum::<f64>().ln();
        let nats = [2.0 - log_sum(&scores[0]), 3.0 - log_sum(&scores[2]), -3f64.ln()];
        let expected = -nats.iter().sum::<f64>() / 3.0;
        let scores: Vec<Vec<f64>> = scores.iter().map(|row| row.to_vec()).collect();

        let mut of_logits = Likelihood::new(&items(&[1, 1, 1])).unwrap();
        of_logits.update("bits", &sampled(&steps), &steps.targets()).unwrap();
        assert!(of_logits.mean().is_nan(), "sampled losses say nothing");
        of_logits.update("bits", &logits(&steps, &scores), &steps.targets()).unwrap();
        assert!((of_logits.mean() - expected).abs() < 1e-12);

        let mut of_rankings = Likelihood::new(&items(&[1, 1, 1])).unwrap();
        of_rankings.update("bits", &ranking(&steps, &scores, 2), &steps.targets()).unwrap();
        assert!((of_rankings.mean() - expected).abs() < 1e-12);
        of_logits.restore(&of_rankings.save()).unwrap();
        assert_eq!(of_logits.mean(), of_rankings.mean());
        let other = Steps::new(&[vec![2, 1, 0], vec![1]]);
        let wrong = of_rankings.update("bits", &ranking(&steps, &scores, 2), &other.targets());
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "bits needs a row for each of 4 targets, the ranking has 3"
        );
    }
}
