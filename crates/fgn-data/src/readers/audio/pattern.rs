//! Patterns of file names: `{class}_{speaker}_{index}`.

use crate::error::{Error, Result};

/// What the names of files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    /// What stands before the first field.
    start: String,
    /// Each field, and what stands after it.
    fields: Vec<(String, String)>,
}

impl Pattern {
    /// # Errors
    /// [`Error::Option`] for a text without fields, braces that are not closed, a field without a name or with that of
    /// another, and two fields with nothing between them.
    pub(super) fn new(text: &str) -> Result<Pattern> {
        let wrong = |expected: &str| Error::Option {
            option: "data.audio.names",
            found: format!("{text:?}"),
            expected: expected.to_owned(),
        };
        let mut pieces = text.split('{');
        let start = pieces.next().unwrap_or_default().to_owned();
        let mut fields: Vec<(String, String)> = Vec::new();
        for piece in pieces {
            let (field, after) = piece.split_once('}').ok_or_else(|| wrong("a } for each {"))?;
            if field.is_empty() || fields.iter().any(|(other, _)| other == field) {
                return Err(wrong("a name of its own in each pair of braces"));
            }
            if fields.last().is_some_and(|(_, after)| after.is_empty()) {
                return Err(wrong("something between two fields"));
            }
            fields.push((field.to_owned(), after.to_owned()));
        }
        let stray = |text: &String| text.contains('}');
        if fields.is_empty() || stray(&start) || fields.iter().any(|(_, after)| stray(after)) {
            return Err(wrong("fields in braces, as in {class}_{speaker}_{index}"));
        }
        Ok(Pattern { text: text.to_owned(), start, fields })
    }

    /// The names of the fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(field, _)| &field[..])
    }

    /// The text that it was made from.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the fields are in a file's name, if it fits. No field is empty, and none holds what stands before or after
    /// it, so that there is one way to read a name.
    pub(super) fn read(&self, name: &str) -> Option<Vec<String>> {
        let mut rest = name.strip_prefix(&self.start[..])?;
        let mut before = &self.start[..];
        let mut values = Vec::with_capacity(self.fields.len());
        for (at, (_, after)) in self.fields.iter().enumerate() {
            let is_last = at + 1 == self.fields.len();
            let value = match is_last {
                true => rest.strip_suffix(&after[..])?,
                false => rest.split_once(&after[..])?.0,
            };
            let holds = |text: &str| !text.is_empty() && value.contains(text);
            if value.is_empty() || holds(before) || holds(after) {
                return None;
            }
            values.push(value.to_owned());
            rest = &rest[value.len() + after.len()..];
            before = after;
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, name: &str) -> Option<Vec<String>> {
        Pattern::new(pattern).unwrap().read(name)
    }

    #[test]
    fn names_that_fit_give_their_fields() {
        for (pattern, name, expected) in [
            ("{class}_{speaker}_{index}", "7_jackson_32", &["7", "jackson", "32"][..]),
            ("{speaker}-nohash-{n}", "0a7c-nohash-1", &["0a7c", "1"]),
            ("take {n} ({who})", "take 12 (Zoë)", &["12", "Zoë"]),
            ("{class}", "yes", &["yes"]),
        ] {
            assert_eq!(read(pattern, name).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn other_names_do_not_fit() {
        for (pattern, name) in [
            ("{class}_{speaker}_{index}", "7_jackson"),
            ("{class}_{speaker}_{index}", "7_jackson_32_2"),
            ("{class}_{speaker}_{index}", "7__32"),
            ("{class}_{speaker}_{index}", "_a_b"),
            ("take {n}", "Take 1"),
            ("take {n} ({who})", "take 1 (a) (b)"),
            ("{class}.x", "yes"),
            ("{class}", ""),
        ] {
            assert_eq!(read(pattern, name), None, "{pattern}: {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "class", "{class", "class}", "{}", "{a}_{a}", "{a}{b}", "{a}_}", "}{a}"] {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("data.audio.names is {text:?}")), "{error}");
        }
    }
}
