//! What is known after an epoch: a line of `metrics.jsonl`.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::metrics::Measures;

/// What is known after an epoch.
///
/// It is written as one flat object: the training's loss and metrics as `train_loss`, `train_accuracy` and so
/// on, those of the validation part as `valid_loss`, …; NaN is `null`.
///
/// ```
/// use fgn_train::{EpochMetrics, Measures};
///
/// let line = r#"{"epoch":1,"step":55,"train_loss":0.5,"valid_loss":0.25,"valid_accuracy":0.9,
///     "learning_rate":0.001,"seconds":2.0,"samples_per_second":27500.0}"#;
/// let epoch: EpochMetrics = serde_json::from_str(line)?;
/// assert_eq!(epoch.valid, Some(Measures::new(0.25).with("accuracy", 0.9)));
/// assert_eq!(epoch.loss(), 0.25);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Optimizer steps up to here, over all epochs.
    pub step: usize,
    /// Over the epoch's training targets, each measured before the step that used it, with dropout; NaN where
    /// every step was skipped.
    pub train: Measures,
    /// Over the validation part, after the epoch; none where there is no such part.
    pub valid: Option<Measures>,
    /// The learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// How long the epoch's steps took, without validation.
    pub seconds: f64,
    /// Training samples a second.
    pub samples_per_second: f64,
}

impl EpochMetrics {
    /// Those measures after `step` steps of the optimizer, without times and learning rate.
    pub fn new(
        epoch: usize,
        step: usize,
        train: Measures,
        valid: Option<Measures>,
    ) -> EpochMetrics {
        let (learning_rate, seconds, samples_per_second) = (0.0, 0.0, 0.0);
        EpochMetrics { epoch, step, train, valid, learning_rate, seconds, samples_per_second }
    }

    /// What says how good the model is: those of the validation part, or of the training where there is none.
    pub fn measured(&self) -> &Measures {
        self.valid.as_ref().unwrap_or(&self.train)
    }

    /// The loss among [`measured`](Self::measured).
    pub fn loss(&self) -> f64 {
        self.measured().loss()
    }
}

/// What the keys of both parts begin with.
const TRAIN: &str = "train_";
const VALID: &str = "valid_";

impl Serialize for EpochMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.serialize_entry("step", &self.step)?;
        for (prefix, part) in [(TRAIN, Some(&self.train)), (VALID, self.valid.as_ref())] {
            for (name, value) in part.into_iter().flat_map(Measures::iter) {
                // JSON has no NaN and no infinity.
                let value = Some(value).filter(|value| value.is_finite());
                map.serialize_entry(&format!("{prefix}{name}"), &value)?;
            }
        }
        map.serialize_entry("learning_rate", &self.learning_rate)?;
        map.serialize_entry("seconds", &self.seconds)?;
        map.serialize_entry("samples_per_second", &self.samples_per_second)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for EpochMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EpochVisitor)
    }
}

struct EpochVisitor;

impl<'de> Visitor<'de> for EpochVisitor {
    type Value = EpochMetrics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metrics of an epoch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EpochMetrics, A::Error> {
        let (mut epoch, mut step) = (None, None);
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        let (mut learning_rate, mut seconds, mut samples_per_second) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match &key[..] {
                "epoch" => epoch = Some(map.next_value()?),
                "step" => step = Some(map.next_value()?),
                "learning_rate" => learning_rate = Some(map.next_value()?),
                "seconds" => seconds = Some(map.next_value()?),
                "samples_per_second" => samples_per_second = Some(map.next_value()?),
                _ => {
                    let (part, name) = match (key.strip_prefix(TRAIN), key.strip_prefix(VALID)) {
                        (Some(name), _) => (&mut train, name),
                        (_, Some(name)) => (&mut valid, name),
                        _ => return Err(A::Error::custom(format_args!("unknown key `{key}`"))),
                    };
                    let value = map.next_value::<Option<f64>>()?.unwrap_or(f64::NAN);
                    part.push((name.to_owned(), value));
                }
            }
        }
        let valid = (!valid.is_empty()).then(|| Measures::from_values(valid));
        Ok(EpochMetrics {
            epoch: epoch.ok_or_else(|| A::Error::missing_field("epoch"))?,
            step: step.ok_or_else(|| A::Error::missing_field("step"))?,
            train: Measures::from_values(train),
            valid,
            learning_rate: learning_rate.ok_or_else(|| A::Error::missing_field("learning_rate"))?,
            seconds: seconds.ok_or_else(|| A::Error::missing_field("seconds"))?,
            samples_per_second: samples_per_second
                .ok_or_else(|| A::Error::missing_field("samples_per_second"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let whole = EpochMetrics {
            epoch: 3,
            step: 55,
            train: Measures::new(f64::NAN).with("accuracy", 0.84),
            valid: Some(Measures::new(0.1).with("accuracy", 0.976).with("r2", f64::NAN)),
            learning_rate: 0.1,
            seconds: 2.0,
            samples_per_second: 12_345.6,
        };
        let bare = EpochMetrics { valid: None, train: Measures::new(1e-300), ..whole };
        for epoch in [whole, bare] {
            let text = serde_json::to_string(&epoch).unwrap();
            let again: EpochMetrics = serde_json::from_str(&text).unwrap();
            assert_eq!(again, epoch, "{text}");
        }
    }

    #[test]
    fn keys_that_are_missing_or_unknown_are_named() {
        let error =
            |text: &str| serde_json::from_str::<EpochMetrics>(text).unwrap_err().to_string();
        assert!(error(r#"{"epoch":1}"#).contains("missing field `step`"));
        assert!(error(r#"{"epohc":1}"#).contains("unknown key `epohc`"));
    }
}
