//! What the metrics of token models share: the mean log-likelihood of the targets.

use candle_core::{D, DType};
use fgn_schema::{Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::tokens::are_tokens;
use super::values::{restored, wrong_prediction};
use crate::error::Result;

/// The sum of the negative log-likelihoods of some target tokens, in nats.
pub(super) struct Likelihood {
    nats: f64,
    tokens: u64,
}

impl Likelihood {
    /// `None` where the targets are not tokens.
    pub(super) fn new(target: &TargetSchema) -> Option<Likelihood> {
        are_tokens(target).then_some(Likelihood { nats: 0.0, tokens: 0 })
    }

    pub(super) fn update(
        &mut self,
        metric: &'static str,
        prediction: &Prediction,
        target: &Padded,
    ) -> Result<()> {
        let (rows, tokens) = prediction.rows(target)?;
        if tokens.elem_count() == 0 {
            return Ok(());
        }
        let likelihoods = match prediction {
            Prediction::Logits(_) => {
                let of_targets = rows.gather(&tokens.unsqueeze(1)?, 1)?.squeeze(1)?;
                (of_targets - rows.log_sum_exp(D::Minus1)?)?
            }
            Prediction::LogLikelihoods(_) => rows,
            _ => return Err(wrong_prediction(metric, "the logits of tokens")),
        };
        self.nats -= likelihoods.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
        self.tokens += tokens.elem_count() as u64;
        Ok(())
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
