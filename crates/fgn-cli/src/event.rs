//! Events of sessions as lines of text.

use serde::Deserialize;
use serde_json::Value;

/// An item that was taken in a session.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) session: String,
    pub(crate) item: String,
}

/// An event as JSON; further keys mean nothing.
#[derive(Deserialize)]
struct Object {
    session: Value,
    item: Value,
}

impl Event {
    /// The event of a line: `SESSION<tab>ITEM`; without a tab, two fields of CSV; or an object, whose names may be whole
    /// numbers.
    ///
    /// # Errors
    /// What was found in its place.
    pub(crate) fn parse(line: &[u8]) -> Result<Event, String> {
        let text = std::str::from_utf8(line).map_err(|_| "text that is not UTF-8".to_owned())?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if text.starts_with('{') {
            return object(text);
        }
        let all = match text.contains('\t') {
            true => text.split('\t').map(str::to_owned).collect(),
            false => fields(text)?,
        };
        match <[String; 2]>::try_from(all) {
            Ok([session, item]) => Ok(Event { session, item }),
            Err(all) if all.len() == 1 => Err("1 field".into()),
            Err(all) => Err(format!("{} fields", all.len())),
        }
    }
}

fn object(text: &str) -> Result<Event, String> {
    let Object { session, item } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Event { session: name("session", session)?, item: name("item", item)? })
}

fn name(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(name) => Ok(name),
        Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
        other => Err(format!("{key:?}: {other}")),
    }
}

/// The fields of a line of CSV: a name with commas is quoted.
///
/// # Errors
/// What was found in its place.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).buffer_capacity(line.len().max(1));
    let mut records = reader.from_reader(line.as_bytes()).into_records();
    let first = records.next().transpose().map_err(|error| error.to_string())?;
    match records.next() {
        Some(_) => Err("several lines".into()),
        None => Ok(first.iter().flatten().map(str::to_owned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_session_and_an_item() {
        for (line, session, item) in [
            ("s1\ttea", "s1", "tea"),
            ("s1\ttea, green\r\n", "s1", "tea, green"),
            ("s1,tea\n", "s1", "tea"),
            ("s1,\"tea, green\"", "s1", "tea, green"),
            ("\u{feff}s1,7", "s1", "7"),
            ("{\"session\": 12, \"item\": \"tea\", \"time\": 3.5}", "12", "tea"),
        ] {
            let expected = Event { session: session.into(), item: item.into() };
            assert_eq!(Event::parse(line.as_bytes()), Ok(expected), "{line:?}");
        }
        for (line, found) in [
            (&b"alone"[..], "1 field"),
            (b"a\tb\tc", "3 fields"),
            (b"a,b,c", "3 fields"),
            (b"\xff\t7", "text that is not UTF-8"),
            (b"{\"session\": \"a\"}", "missing field `item`"),
            (b"{\"session\": \"a\", \"item\": 1.5}", "\"item\": 1.5"),
            (b"{\"session\": null, \"item\": \"x\"}", "\"session\": null"),
            (b"{\"session\"", "EOF while parsing"),
        ] {
            let error = Event::parse(line).unwrap_err();
            assert!(error.contains(found), "no {found:?} in {error:?}");
        }
    }

    #[test]
    fn names_with_commas_are_quoted() {
        let all = |line| fields(line).unwrap();
        assert_eq!(all("a,\"b, c\",\"say \"\"d\"\"\""), ["a", "b, c", "say \"d\""]);
        assert!(all("").is_empty());
        assert_eq!(fields("a,b\nc"), Err("several lines".into()));
    }
}
