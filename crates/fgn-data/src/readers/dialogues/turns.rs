//! A dialogue in JSON.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a dialogue must be.
const EXPECTED: &str = "an array of turns as {\"speaker\": \"user\", \"text\": \"hi\"}, or an object with it under \
                        \"turns\" (\"messages\", \"role\" and \"content\" are known too)";

/// What one speaker says at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Who speaks.
    #[serde(alias = "role")]
    pub(crate) speaker: String,
    /// What is said; it may be nothing.
    #[serde(alias = "content")]
    pub(crate) text: String,
}

/// Turns under a name.
#[derive(Deserialize)]
struct Named {
    #[serde(alias = "messages")]
    turns: Vec<Turn>,
}

/// What is wrong in a line.
#[derive(Debug)]
pub(super) struct Problem {
    column: usize,
    found: String,
}

impl Problem {
    /// The error for the line of that number.
    pub(super) fn at(self, name: &str, (unit, number): (&str, u64)) -> Error {
        Error::Table {
            at: format!("{name}, {unit} {number}, column {}", self.column),
            found: self.found,
            expected: EXPECTED.into(),
        }
    }
}

/// The turns of a dialogue.
///
/// # Errors
/// JSON that is wrong, or is no dialogue.
pub(super) fn parse(line: &str) -> Result<Vec<Turn>, Problem> {
    let turns = match line.trim_start().starts_with('{') {
        true => serde_json::from_str::<Named>(line).map(|named| named.turns),
        false => serde_json::from_str(line),
    };
    turns.map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        Problem { column: error.column(), found: error.to_string().replace(&place, "") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_dialogue_is_understood() {
        for line in [
            r#"[{"speaker":"a","text":"x"},{"speaker":"b","text":""}]"#,
            r#" {"id":7,"turns":[{"speaker":"a","text":"x","time":1},{"text":"","speaker":"b"}]}"#,
            r#"{"messages":[{"role":"a","content":"x"},{"role":"b","content":""}]}"#,
        ] {
            let turns = parse(line).unwrap();
            let found: Vec<_> = turns.iter().map(|turn| (&*turn.speaker, &*turn.text)).collect();
            assert_eq!(found, [("a", "x"), ("b", "")], "{line}");
        }
        for (line, column, found) in [
            (r#"[{"speaker":"a"}]"#, 16, "missing field `text`"),
            (r#"{"speaker":"a","text":"x"}"#, 26, "missing field `turns`"),
            (r#"[{"speaker":"a","text":null}]"#, 27, "invalid type: null, expected a string"),
            (r#"[{"speaker":"a","role":"b","text":"x"}]"#, 22, "duplicate field `speaker`"),
            (r#"[{"speaker":"a","text":"x"}"#, 27, "EOF while parsing a list"),
            (r#"[] []"#, 4, "trailing characters"),
            (r#""hello""#, 7, "invalid type: string \"hello\", expected a sequence"),
        ] {
            let problem = parse(line).unwrap_err();
            assert_eq!((problem.column, &*problem.found), (column, found), "{line}");
        }
        assert!(parse(&"[".repeat(1_000_000)).is_err(), "no depth ends the program");
    }
}
