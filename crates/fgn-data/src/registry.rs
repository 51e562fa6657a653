//! Data sets by name: one line each.

use crate::{Dataset, Error, Result, mnist::mnist};

type Open = fn() -> Result<Dataset>;

const DATASETS: &[(&str, Open)] = &[("mnist", || Ok(mnist()?.shared()))];

/// Edits by which a name may differ from a known one and still be taken for a slip.
const SLIP: usize = 3;

/// The names that [`open`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    DATASETS.iter().map(|&(name, _)| name)
}

/// Opens the data set of that name.
///
/// # Errors
/// A name that is not known (the error lists those that are, and the nearest), or what opening the
/// data set gives.
///
/// ```
/// let error = fgn_data::open("mnits").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"no data set is called "mnits"; known: mnist (did you mean "mnist"?)"#,
/// );
/// ```
pub fn open(name: &str) -> Result<Dataset> {
    match DATASETS.iter().find(|(known, _)| *known == name) {
        Some((_, open)) => open(),
        None => Err(Error::Unknown {
            name: name.to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
            nearest: nearest(name, names()),
        }),
    }
}

/// The one of `known` that `name` is probably a slip for.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|&(edits, known)| edits <= SLIP.min(known.len().saturating_sub(1)))
        .min()
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        for slip in ["MNIST", "mnits", "minst", "mnist-", "nist"] {
            assert_eq!(nearest(slip, names()).as_deref(), Some("mnist"), "{slip}");
        }
        for stranger in ["", "imagenet", "fashion-mnist"] {
            assert_eq!(nearest(stranger, names()), None, "{stranger}");
        }
    }

    #[test]
    fn names_are_distinct() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), DATASETS.len());
    }
}
