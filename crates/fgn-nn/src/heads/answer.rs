//! What people and programs read of a prediction.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// How many entries of a list a text shows.
const SHOWN: usize = 20;

/// The answer for one sample: a text for people, and the keys of a JSON object for programs.
///
/// ```
/// use fgn_nn::Answer;
/// use serde_json::{Map, json};
///
/// let keys = Map::from_iter([("values".into(), json!({ "x": 0.5 }))]);
/// let answer = Answer::new("x: 0.500", keys);
/// assert_eq!(answer.to_string(), "x: 0.500");
/// assert_eq!(serde_json::to_string(&answer)?, r#"{"values":{"x":0.5}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    text: String,
    json: Map<String, Value>,
}

impl Answer {
    /// An answer with that text, of a few lines at most, and those keys.
    pub fn new(text: impl Into<String>, json: Map<String, Value>) -> Self {
        Self { text: text.into(), json }
    }

    /// The text. Further lines are indented.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The keys of the JSON object.
    pub fn json(&self) -> &Map<String, Value> {
        &self.json
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// Names and values on one line: `x: 1.0000  y: 2.0000`. Of many, the first.
pub(super) fn line(values: impl ExactSizeIterator<Item = (String, String)>) -> String {
    let count = values.len();
    let shown = values.take(SHOWN).map(|(name, value)| format!("{name}: {value}"));
    let mut shown: Vec<_> = shown.collect();
    if count > SHOWN {
        shown.push(format!("… {} more", count - SHOWN));
    }
    shown.join("  ")
}

/// The texts of several steps, a line each. Of many, the first.
pub(super) fn steps(texts: &[String]) -> String {
    let count = texts.len();
    let mut lines = vec![format!("{count} {}", if count == 1 { "step" } else { "steps" })];
    let numbered = texts.iter().enumerate().take(SHOWN);
    lines.extend(numbered.map(|(step, text)| format!("  {step}: {text}")));
    if count > SHOWN {
        lines.push(format!("  … {} more", count - SHOWN));
    }
    lines.join("\n")
}

/// A JSON object of named values.
pub(super) fn by_name(values: impl Iterator<Item = (String, Value)>) -> Value {
    values.collect::<Map<_, _>>().into()
}

/// A number with as many digits as an `f32` has; `null` if it is not finite.
pub(super) fn number(value: f32) -> Value {
    // The shortest text of the f32 is also that of the f64 nearest to it.
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded() {
        let values = (0..1000).map(|at| (at.to_string(), "0.500".to_owned()));
        let text = line(values);
        assert!(text.starts_with("0: 0.500  1: 0.500"), "{text}");
        assert!(text.ends_with("19: 0.500  … 980 more"), "{text}");
        let text = steps(&vec!["walk".to_owned(); 50]);
        assert!(text.starts_with("50 steps\n  0: walk\n"), "{text}");
        assert!(text.ends_with("19: walk\n  … 30 more"), "{text}");
        assert_eq!(steps(&["walk".to_owned()]), "1 step\n  0: walk");
    }

    #[test]
    fn numbers_have_the_digits_of_an_f32() {
        assert_eq!(number(0.1).to_string(), "0.1");
        assert_eq!(number(1e-20).to_string(), "1e-20");
        assert_eq!(number(f32::NAN), Value::Null);
        assert_eq!(number(f32::INFINITY), Value::Null);
    }
}
