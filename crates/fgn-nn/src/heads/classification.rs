//! One of several classes.

use std::borrow::Cow;

use fgn_kernels::Emit;
use fgn_schema::{Padded, Prediction, Statistics, TargetSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::kind::{Encoded, Head, HeadKind};
use super::outputs;
use super::pool::{Pool, Pooled};
use crate::check;
use crate::cross_entropy::CrossEntropy;
use crate::dense::Linear;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::logits::{argmax, softmax};
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;

/// Predicts one of several classes for each sample, or for each of its steps: a linear layer, and softmax
/// cross entropy as the loss. Its parameters are those of a [`Linear`] layer, and of [`Pool`].
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// The number of classes, at least 2.
    pub classes: usize,
    /// The names of the classes; if not given, they are counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether each step has a class, rather than each sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_step: bool,
    /// What is read of the outputs of the steps, where each sample has a class.
    #[serde(default, skip_serializing_if = "Pool::is_last")]
    pub pool: Pool,
}

impl Classification {
    /// One of `classes` for each sample.
    pub fn new(classes: usize) -> Self {
        Self { classes, names: Vec::new(), per_step: false, pool: Pool::Last }
    }
}

impl HeadKind for Classification {
    fn stand_in() -> TargetSchema {
        TargetSchema::Class { names: outputs::names(&[], 2), per_step: false }
    }

    /// A recipe that says how many classes there are says all about them: nothing is added to it.
    fn complete(
        given: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::Class { names, per_step } = targets else { return None };
        match given.contains_key("classes") {
            true => Some(Map::new()),
            false => Some(outputs::keys("classes", names, *per_step)),
        }
    }

    fn validate(&self) -> Result<()> {
        check::size("head.classes", self.classes, 2)?;
        self.pool.validate(self.per_step)?;
        check::names("head.names", &self.names, self.classes)
    }

    fn target(&self) -> TargetSchema {
        let names = outputs::names(&self.names, self.classes);
        TargetSchema::Class { names, per_step: self.per_step }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["accuracy"]
    }

    /// A data set may have fewer classes than the head. A head without names numbers its classes from 0, so it
    /// refuses classes whose names are other numbers.
    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match targets {
            TargetSchema::Class { names, .. } if names.len() <= self.classes => {
                outputs::accepts_steps(targets, self.per_step)?;
                outputs::accepts_names(targets, &self.names)?;
                match self.names.is_empty() && are_other_numbers(names) {
                    false => Ok(()),
                    true => Err(Error::Mismatch {
                        found: format!("classes called {}", outputs::listed(names)),
                        expected: format!(
                            "{} called 0, 1, and so on (model.head; --set 'model.head={{}}' takes them from the \
                             data)",
                            self.classes
                        ),
                    }),
                }
            }
            _ => Err(Error::Mismatch {
                found: targets.to_string(),
                expected: format!("at most {} classes (model.head.classes)", self.classes),
            }),
        }
    }

    fn check_loss_options(&self, options: &LossOptions) -> Result<()> {
        cross_entropy(options).check(self.classes)
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        Ok(Box::new(ClassificationHead {
            linear: Linear::new(parameters, name, inputs, self.classes)?,
            pooled: Pooled::new(self.pool, parameters, name, inputs)?,
            names: outputs::names(&self.names, self.classes),
            per_step: self.per_step,
        }))
    }
}

#[derive(Debug)]
struct ClassificationHead {
    linear: Linear,
    pooled: Pooled,
    names: Vec<String>,
    per_step: bool,
}

impl Head for ClassificationHead {
    fn emit(&self) -> Emit {
        self.pooled.emit(self.per_step)
    }

    fn forward(
        &self,
        encoded: &Encoded<'_>,
        _: Option<&Padded>,
        _: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let logits = self.linear.forward(&self.pooled.forward(encoded)?)?;
        Ok(Prediction::Logits(outputs::batch(logits, self.per_step, encoded)?))
    }

    fn linear(&self) -> Option<&Linear> {
        self.pooled.is_of_one_step().then_some(&self.linear)
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        logits(prediction)?;
        let (logits, classes) = prediction.rows(target)?;
        match classes.dim(0)? {
            0 => Ok(Loss::new(logits.sum_all()?, 0)),
            _ => cross_entropy(options).loss(&logits, &classes),
        }
    }

    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let samples = outputs::rows::<f32>(logits(prediction)?)?;
        Ok(samples.iter().map(|rows| self.answer(rows)).collect())
    }
}

impl ClassificationHead {
    /// The answer for a sample, from the logits of the sample or of its steps.
    fn answer(&self, rows: &[Vec<f32>]) -> Answer {
        if !self.per_step {
            let logits = rows.first().map_or(&[][..], Vec::as_slice);
            let (class, probabilities) = (argmax(logits), softmax(logits));
            let named = probabilities.iter().enumerate();
            let named = named.map(|(class, &p)| (self.name(class).into_owned(), p));
            let mut keys = self.keys(class);
            let numbers = named.clone().map(|(name, p)| (name, answer::number(p)));
            keys.insert("probabilities".into(), answer::by_name(numbers));
            let named = named.map(|(name, p)| (name, format!("{p:.3}")));
            let line = answer::line(named);
            return Answer::new(format!("{}\n  {line}", self.name(class)), keys);
        }
        let (mut texts, mut steps) = (Vec::new(), Vec::new());
        for logits in rows {
            let (class, probabilities) = (argmax(logits), softmax(logits));
            let probability = probabilities.get(class).copied().unwrap_or(f32::NAN);
            texts.push(format!("{} {probability:.3}", self.name(class)));
            let mut keys = self.keys(class);
            keys.insert("probability".into(), answer::number(probability));
            steps.push(Value::from(keys));
        }
        Answer::new(answer::steps(&texts), Map::from_iter([("steps".into(), steps.into())]))
    }

    fn keys(&self, class: usize) -> Map<String, Value> {
        let name = ("name".to_owned(), json!(self.name(class)));
        Map::from_iter([("class".to_owned(), json!(class)), name])
    }

    fn name(&self, class: usize) -> Cow<'_, str> {
        self.names.get(class).map_or_else(|| class.to_string().into(), |name| name.as_str().into())
    }
}

/// The cross entropy with the options of a loss.
fn cross_entropy(options: &LossOptions) -> CrossEntropy {
    CrossEntropy::default()
        .with_class_weights(options.class_weights.clone())
        .with_label_smoothing(options.label_smoothing)
        .with_focal_gamma(options.focal_gamma)
}

fn logits(prediction: &Prediction) -> Result<&Padded> {
    match prediction {
        Prediction::Logits(logits) => Ok(logits),
        _ => Err(Error::Prediction { found: prediction.kind(), expected: "logits" }),
    }
}

/// Whether the names are whole numbers, but not their indices.
fn are_other_numbers(names: &[String]) -> bool {
    let is_number = |name: &String| name.parse::<u64>().is_ok();
    names.iter().all(is_number)
        && names.iter().enumerate().any(|(index, name)| *name != index.to_string())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use fgn_schema::IGNORED;

    use super::*;

    #[test]
    fn a_data_set_may_have_fewer_classes_and_names_must_agree() {
        let class = |names: &[&str], per_step| TargetSchema::Class {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            per_step,
        };
        let head = Classification::new(3);
        for names in [&["a", "b", "c"][..], &["a", "b"]] {
            head.accepts(&class(names, false)).unwrap();
        }
        let named =
            Classification { names: vec!["a".into(), "b".into()], ..Classification::new(2) };
        named.accepts(&class(&["a", "b"], false)).unwrap();
        let value = TargetSchema::Value { names: vec!["x".into()], per_step: false };
        for (head, targets, expected) in [
            (&head, class(&["a"; 4], false), "4 classes, expected at most 3 classes"),
            (&head, value, "1 value, expected at most 3 classes (model.head.classes)"),
            (&head, class(&["a"], true), "a target per step, expected a target per sample"),
            (&head, TargetSchema::None, "no target, expected at most 3 classes"),
            (
                &named,
                class(&["b", "a"], false),
                "targets called b, a, expected targets called a, b",
            ),
        ] {
            let error = head.accepts(&targets).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the data has {expected}")), "{error}");
        }
        // Of very many names the error shows the first.
        let many = |last: &str| -> Vec<String> {
            (0..50_256).map(|at| format!("w{at}")).chain([last.to_owned()]).collect()
        };
        let named = Classification { names: many("x"), ..Classification::new(50_257) };
        let targets = TargetSchema::Class { names: many("y"), per_step: false };
        let error = named.accepts(&targets).unwrap_err().to_string();
        assert!(error.contains("called w0, w1, ") && error.contains("and 50247 more"), "{error}");
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn steps_without_a_target_do_not_count() {
        let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
        let head = ClassificationHead {
            pooled: Pooled::new(Pool::Last, &mut parameters, "head", 2).unwrap(),
            linear: Linear::new(&mut parameters, "head", 2, 3).unwrap(),
            names: outputs::names(&[], 3),
            per_step: true,
        };
        let rows = [[[1.0f32, 0.0, -1.0], [5.0, 9.0, 2.0]], [[0.5, 0.5, 3.0], [0.0, 1.0, 2.0]]];
        let prediction = Prediction::Logits(Tensor::new(&rows, &Device::Cpu).unwrap().into());
        let loss = |target: [[u32; 2]; 2]| {
            let target = Tensor::new(&target, &Device::Cpu).unwrap().into();
            let loss = head.loss(&prediction, &target, &LossOptions::default()).unwrap();
            (loss.targets, loss.mean.to_scalar::<f32>().unwrap())
        };
        let of = |row: [f32; 3], class: usize| -softmax(&row)[class].ln();
        let (targets, mean) = loss([[0, IGNORED], [IGNORED, 1]]);
        assert_eq!(targets, 2);
        let expected = (of(rows[0][0], 0) + of(rows[1][1], 1)) / 2.0;
        assert!((mean - expected).abs() < 1e-6, "{mean}, {expected} expected");
        assert_eq!(loss([[IGNORED; 2]; 2]).0, 0);
        let wrong = Tensor::new(&[[0u32, 3], [0, 0]], &Device::Cpu).unwrap().into();
        assert!(head.loss(&prediction, &wrong, &LossOptions::default()).is_err());
    }

    #[test]
    fn names_that_only_count_are_not_written() {
        let complete = |given: Value, names: &[&str], per_step| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let targets = TargetSchema::Class { names, per_step };
            let given = given.as_object().unwrap().clone();
            Classification::complete(&given, &targets, &Statistics::default()).map(Value::from)
        };
        assert_eq!(complete(json!({}), &["0", "1", "2"], false), Some(json!({ "classes": 3 })));
        let named = json!({ "classes": 2, "names": ["no", "yes"], "per_step": true });
        assert_eq!(complete(json!({}), &["no", "yes"], true), Some(named));
        assert_eq!(complete(json!({ "classes": 5 }), &["no", "yes"], true), Some(json!({})));
    }

    #[test]
    fn classes_are_not_given_other_numbers() {
        let accepts = |head: &Classification, names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            head.accepts(&TargetSchema::Class { names, per_step: false })
        };
        let counted = Classification::new(10);
        accepts(&counted, &["0", "1", "2"]).unwrap();
        accepts(&counted, &["a", "1"]).unwrap();
        let many: Vec<_> = (1..=300).map(|name: u32| name.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let error = accepts(&Classification::new(300), &many).unwrap_err().to_string();
        assert!(error.contains("9, 10 and 290 more, expected 300 called 0, 1"), "{error}");
        let error = accepts(&counted, &["0", "2", "3"]).unwrap_err().to_string();
        let expected = "the data has classes called 0, 2, 3, expected 10 called 0, 1, and so on";
        assert!(error.starts_with(expected), "{error}");
        let named =
            Classification { names: vec!["0".into(), "2".into()], ..Classification::new(2) };
        accepts(&named, &["0", "2"]).unwrap();
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let error = Classification::new(1).validate().unwrap_err().to_string();
        assert_eq!(error, "`head.classes` is 1, expected 2 to 16777216");
        let names = Classification { names: vec!["a".into()], ..Classification::new(3) };
        let error = names.validate().unwrap_err().to_string();
        assert_eq!(error, "`head.names` is 1, expected 3, one for each output, or none");
        let names = Classification { names: vec!["a".into(); 2], ..Classification::new(2) };
        let error = names.validate().unwrap_err().to_string();
        assert_eq!(error, "`head.names` is \"a\" twice, expected distinct names");
    }
}
