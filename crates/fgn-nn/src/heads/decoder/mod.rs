//! Sequences of tokens as answers: the decoder of an encoder-decoder.

mod attention;
mod config;
mod head;
mod hypotheses;
mod layers;
mod search;

pub use attention::Attention;
pub use config::Decoder;
use fgn_schema::{Statistics, TargetSchema};
use head::DecoderHead;
use serde_json::{Map, Value, json};

use super::kind::{Head, HeadKind};
use crate::check;
use crate::error::{Error, Result};
use crate::loss::LossOptions;
use crate::parameters::Parameters;
use crate::recurrent::RecurrentConfig;

impl HeadKind for Decoder {
    fn stand_in() -> TargetSchema {
        TargetSchema::Sequence { vocabulary: 2, tokenizer: None }
    }

    fn complete(
        _: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::Sequence { vocabulary, tokenizer } = targets else { return None };
        let mut keys = Map::from_iter([("vocabulary".into(), json!(vocabulary))]);
        if let Some(tokenizer) = tokenizer {
            keys.insert("tokenizer".into(), serde_json::to_value(tokenizer).ok()?);
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        self.check_values()
    }

    fn accepts_recurrent(&self, recurrent: &RecurrentConfig) -> Result<()> {
        self.check_states(recurrent)
    }

    fn target(&self) -> TargetSchema {
        let (vocabulary, tokenizer) = (self.vocabulary, self.tokenizer.clone());
        TargetSchema::Sequence { vocabulary, tokenizer }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["exact_match", "token_accuracy"]
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

    fn check_loss_options(&self, options: &LossOptions) -> Result<()> {
        options.without_class_weights()?;
        check::probability("label_smoothing", options.label_smoothing)
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        Ok(Box::new(DecoderHead::new(self, parameters, name, inputs)?))
    }
}

#[cfg(test)]
mod tests;
