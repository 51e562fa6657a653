//! How much the targets of each class count in the loss.

use candle_core::Device;
use fgn_data::{Batches, Order, Samples};
use fgn_schema::IGNORED;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ranges::expect;

/// How much the targets of each class count in the loss: `training.class_weights`. The loss is the weighted mean over the
/// targets, as with PyTorch's `weight`; so is the loss of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[non_exhaustive]
pub enum ClassWeights {
    /// The rarer a class, the more it counts: `n / (classes · count)` for `count` of `n` targets of the training part.
    /// [`Config::settle`](crate::Config::settle) computes these numbers.
    Balanced,
    /// These, one for each class in the order of the head, each above 0.
    Given(Vec<f64>),
}

const KEY: &str = "training.class_weights";
const BALANCED: &str = "balanced";

/// As a recipe has them.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a list of numbers, or \"balanced\"")]
enum Written {
    Name(String),
    Numbers(Vec<f64>),
}

impl TryFrom<Written> for ClassWeights {
    type Error = String;

    fn try_from(written: Written) -> std::result::Result<ClassWeights, String> {
        match written {
            Written::Numbers(weights) => Ok(ClassWeights::Given(weights)),
            Written::Name(name) if name == BALANCED => Ok(ClassWeights::Balanced),
            Written::Name(name) => Err(format!(
                "unknown class weights {name:?}, expected a list of numbers, or {BALANCED:?}"
            )),
        }
    }
}

impl From<ClassWeights> for Written {
    fn from(weights: ClassWeights) -> Written {
        match weights {
            ClassWeights::Balanced => Written::Name(BALANCED.into()),
            ClassWeights::Given(weights) => Written::Numbers(weights),
        }
    }
}

impl ClassWeights {
    /// # Errors
    /// A number that no weight can be.
    pub(crate) fn check(&self) -> Result<()> {
        let ClassWeights::Given(weights) = self else { return Ok(()) };
        expect(!weights.is_empty(), KEY, "[]", "a number for each class, or \"balanced\"")?;
        let wrong = weights.iter().find(|&&weight| !(weight > 0.0 && weight.is_finite()));
        let found = wrong.copied().unwrap_or(1.0);
        expect(wrong.is_none(), KEY, format!("a list with {found}"), "finite numbers above 0")
    }

    /// The numbers.
    ///
    /// # Errors
    /// [`Error::Value`] for those that are yet to be computed.
    pub(crate) fn given(&self) -> Result<&[f64]> {
        match self {
            ClassWeights::Given(weights) => Ok(weights),
            ClassWeights::Balanced => {
                let expected = "numbers, which Config::settle computes of the training part";
                expect(false, KEY, "\"balanced\"", expected).map(|()| &[][..])
            }
        }
    }
}

/// The weights of `names`, the classes of a head, by which all classes of the targets of `train` count the same.
///
/// # Errors
/// [`Error::Value`] for a class without targets; whatever reading the samples gives.
pub(crate) fn balanced(train: &dyn Samples, names: &[String]) -> Result<Vec<f64>> {
    let mut counts = vec![0u64; names.len()];
    let size = train.len().min(64);
    for batch in Batches::new(train, Order::AsGiven, size, &Device::Cpu)? {
        let batch = batch?;
        let target = batch.target();
        let targets = match target.tensor().rank() {
            1 => target.tensor().clone(),
            _ => target.steps()?,
        };
        for class in targets.to_vec1::<u32>()?.into_iter().filter(|&class| class != IGNORED) {
            let known = format!("0 to {}, the classes of the model", names.len().saturating_sub(1));
            let count = counts.get_mut(class as usize).ok_or_else(|| Error::Value {
                key: KEY,
                found: format!("\"balanced\", and a target of {} is class {class}", train.name()),
                expected: known,
            })?;
            *count += 1;
        }
    }
    if let Some(class) = counts.iter().position(|&count| count == 0) {
        let found =
            format!("\"balanced\", and no target of the training part is {:?}", names[class]);
        let expected =
            "targets of every class: name the weights, or leave the class out of the model";
        return Err(Error::Value { key: KEY, found, expected: expected.into() });
    }
    let all: u64 = counts.iter().sum();
    let weight = |&count: &u64| all as f64 / (names.len() as f64 * count as f64);
    Ok(counts.iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::training_config::TrainingConfig;

    #[test]
    fn they_are_a_list_or_balanced() {
        let read = |text: &str| {
            toml::from_str::<TrainingConfig>(&format!("epochs = 1\nbatch_size = 1\n{text}"))
        };
        let weights = |text: &str| read(text).unwrap().class_weights;
        assert_eq!(weights("class_weights = \"balanced\""), Some(ClassWeights::Balanced));
        let given = Some(ClassWeights::Given(vec![1.0, 0.5]));
        assert_eq!(weights("class_weights = [1, 0.5]"), given);
        assert_eq!(weights(""), None);
        for wrong in ["class_weights = \"balance\"", "class_weights = 2", "class_weights = [\"a\"]"]
        {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("expected a list of numbers, or \"balanced\""), "{error}");
        }
        for written in ["class_weights = \"balanced\"", "class_weights = [1.0, 0.5]"] {
            let text = toml::to_string(&read(written).unwrap()).unwrap();
            assert!(text.contains(written), "{text}");
        }
    }

    #[test]
    fn what_does_not_suit_the_model_is_refused() {
        for (setting, expected) in [
            (
                "training.class_weights=[1, 2]",
                "`class_weights` is 2 numbers, expected 3, one for each",
            ),
            ("training.class_weights=[1, 0, 2]", "a list with 0, expected finite numbers above 0"),
            (
                "training.class_weights=[]",
                "training.class_weights is [], expected a number for each",
            ),
            ("training.focal_gamma=-1", "training.focal_gamma is -1, expected 0, or"),
        ] {
            let error = testing::load(&[setting]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let both = ["training.focal_gamma=2", "training.label_smoothing=0.1"];
        assert!(testing::load(&both).is_err());
        testing::load(&["training.class_weights=balanced"]).unwrap();
        let error = ClassWeights::Balanced.given().unwrap_err().to_string();
        assert!(error.contains("Config::settle"), "{error}");
    }

    #[test]
    fn balanced_weights_are_inverse_to_the_counts() {
        let names = ["0", "1", "2"].map(String::from);
        // 90 targets, of which 60 are 0, 20 are 1 and 10 are 2.
        let dataset = testing::dataset_with(|labels| {
            for (at, label) in labels.iter_mut().enumerate() {
                *label = if at < 60 { 0 } else { u8::from(at >= 80) + 1 };
            }
        });
        let found = balanced(&dataset.train, &names).unwrap();
        assert_eq!(found, [90.0 / 180.0, 90.0 / 60.0, 90.0 / 30.0]);
        let lacking = testing::dataset_with(|labels| labels.iter_mut().for_each(|at| *at %= 2));
        let error = balanced(&lacking.train, &names).unwrap_err().to_string();
        assert!(error.contains("no target of the training part is \"2\""), "{error}");
        let error = balanced(&dataset.train, &names[..2]).unwrap_err().to_string();
        assert!(error.contains("is class 2, expected 0 to 1"), "{error}");
    }
}
