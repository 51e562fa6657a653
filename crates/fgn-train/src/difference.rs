//! Where two configurations differ.

use toml::{Table, Value};

/// Where data is, which may be moved: that its content is the same is known by its fingerprint.
pub(crate) const DATA_SOURCE: &str = "data.source";

/// How long a training is: it may be given more epochs.
pub(crate) const EPOCHS: &str = "training.epochs";

/// The keys that may differ between the configuration of a training and that of a checkpoint that it resumes from:
/// where the data is, and the number of epochs, if there are more now.
pub(crate) fn resumable(now: &str, saved: &str) -> Vec<&'static str> {
    let epochs =
        |text: &str| text.parse::<Table>().ok()?.get("training")?.get("epochs")?.as_integer();
    match (epochs(now), epochs(saved)) {
        (Some(now), Some(saved)) if now > saved => vec![DATA_SOURCE, EPOCHS],
        _ => vec![DATA_SOURCE],
    }
}

/// The alphabetically first key whose values differ between two configurations in TOML: `training.epochs is 4, and
/// 3`. The keys and tables in `aside`, such as [`DATA_SOURCE`], are not compared.
pub(crate) fn first_difference(one: &str, other: &str, aside: &[&str]) -> Option<String> {
    match (one.parse(), other.parse()) {
        (Ok(one), Ok(other)) => in_tables("", &one, &other, aside),
        _ => (one != other).then(|| "it is not TOML, and".into()),
    }
}

fn in_tables(parent: &str, one: &Table, other: &Table, aside: &[&str]) -> Option<String> {
    let mut keys: Vec<_> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().find_map(|key| {
        let path = if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") };
        match (one.get(key), other.get(key)) {
            _ if aside.contains(&&path[..]) => None,
            (Some(Value::Table(one)), Some(Value::Table(other))) => {
                in_tables(&path, one, other, aside)
            }
            (one, other) if one == other => None,
            (one, other) => {
                let text = |value: Option<&Value>| value.map_or("not set".into(), short);
                Some(format!("{path} is {}, and {}", text(one), text(other)))
            }
        }
    })
}

/// A value in a line of readable length.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_differs_is_named() {
        let of = |one: &str, other: &str| first_difference(one, other, &[DATA_SOURCE]);
        let text = "b = 1\n[data]\nsource = \"x\"\n[m.n]\nk = 2\n";
        assert_eq!(of(text, text), None);
        assert_eq!(of(text, "# a comment\nb = 1\ndata = {}\nm = { n = { k = 2 } }"), None);
        for (other, expected) in [
            (text.replace('2', "3"), "m.n.k is 2, and 3"),
            (text.replace("b = 1", ""), "b is 1, and not set"),
            (text.replace("b = 1", "b = 2").replace("k = 2", "k = 3"), "b is 1, and 2"),
            (text.replace("[data]", "[data]\nseed = 1"), "data.seed is not set, and 1"),
        ] {
            assert_eq!(of(text, &other).as_deref(), Some(expected));
        }
        let [more, fewer] = [4, 3].map(|epochs| format!("[training]\nepochs = {epochs}\n"));
        assert_eq!(resumable(&more, &fewer), [DATA_SOURCE, EPOCHS]);
        assert_eq!(resumable(&fewer, &more), [DATA_SOURCE]);
        assert_eq!(resumable(&more, &more), [DATA_SOURCE]);
        let long = format!("b = \"{}\"", "ö".repeat(100));
        assert!(of(&long, "").is_some_and(|found| found.ends_with("ö…, and not set")));
        assert!(of("b = ", text).is_some());
    }
}
