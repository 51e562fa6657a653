//! What was measured of a baseline, and how it is kept.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use crate::durable::replace_file;
use crate::error::{Error, Result};
use crate::metrics::{LOSS, Measures};
use crate::run_files::BASELINES;

/// What was measured of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineResult {
    /// What it is called.
    pub name: String,
    /// The loss, which is the mean negative log-likelihood in nats, and the metrics over all steps. What needs
    /// probabilities is NaN for baselines without.
    pub measures: Measures,
}

/// The key of the name; no metric is called so.
const NAME: &str = "name";

impl BaselineResult {
    /// As an object: `{"name":"popularity","loss":2.5,"recall@20":0.25}`; NaN is `null`.
    pub fn json(&self) -> Value {
        let number = |value| serde_json::Number::from_f64(value).into();
        let values = self.measures.iter().map(|(name, value)| (name.to_owned(), number(value)));
        let name = (NAME.to_owned(), Value::from(&self.name[..]));
        [name].into_iter().chain(values).collect::<Map<_, _>>().into()
    }

    fn of(object: &Map<String, Value>) -> Option<BaselineResult> {
        let name = object.get(NAME)?.as_str()?.to_owned();
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let metrics = object.iter().filter(|(key, _)| ![NAME, LOSS].contains(&key.as_str()));
        let measures = Measures::new(number(object.get(LOSS)?));
        let measures = metrics.fold(measures, |all, (key, value)| all.with(key, number(value)));
        Some(BaselineResult { name, measures })
    }
}

/// Writes `baselines.json` into the run folder `folder`.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write(folder: &Path, results: &[BaselineResult]) -> Result<()> {
    let text = Value::from_iter(results.iter().map(BaselineResult::json)).to_string();
    replace_file(&folder.join(BASELINES), (text + "\n").as_bytes())
}

/// The baselines of the finished run in `folder`, as training wrote them down; none where it measured none.
///
/// # Errors
/// A file that cannot be read, or is not as training wrote it.
pub fn read_baselines(folder: &Path) -> Result<Vec<BaselineResult>> {
    let file = folder.join(BASELINES);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    let objects = serde_json::from_str::<Vec<Map<String, Value>>>(&text);
    let objects = objects.map_err(|error| Error::io("read", &file)(error.into()))?;
    let results = objects.iter().map(BaselineResult::of).collect::<Option<_>>();
    let wrong = "expected objects with a name and a loss";
    results
        .ok_or_else(|| Error::io("read", file)(std::io::Error::new(ErrorKind::InvalidData, wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_baselines(folder.path()).unwrap(), []);
        let results = [
            BaselineResult {
                name: "popularity".into(),
                measures: Measures::new(0.1 + 0.2).with("recall@20", 0.25),
            },
            BaselineResult { name: "S-KNN".into(), measures: Measures::new(f64::NAN) },
        ];
        write(folder.path(), &results).unwrap();
        assert_eq!(read_baselines(folder.path()).unwrap(), results);
        for wrong in ["{}", "[{\"name\":\"x\"}]", "[{\"loss\":1}]", "["] {
            fs::write(folder.path().join(BASELINES), wrong).unwrap();
            assert!(read_baselines(folder.path()).is_err(), "{wrong}");
        }
    }
}
