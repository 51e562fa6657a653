//! Data sets by name: one line each.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::mnist::mnist;
use crate::names::nearest;

type Open = fn() -> Result<Dataset>;

const DATASETS: &[(&str, Open)] = &[("mnist", || Ok(mnist()?.shared()))];

/// The names that [`open`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    DATASETS.iter().map(|&(name, _)| name)
}

/// Opens the data set of that name.
///
/// # Errors
/// [`Error::Unknown`] for a name that is not known; it lists those that are, and the nearest. Whatever opening
/// the data set gives.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), DATASETS.len());
    }
}
