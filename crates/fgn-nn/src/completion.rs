//! Completion of configurations from data: what a recipe leaves out of an input layer or a head follows from
//! the schema and the statistics of its samples.
//!
//! The rules are the same for every registry. The recipe's own keys win. Without a `kind`, the first kind of
//! the registry is taken that is for such data and that reads what the recipe says; if none reads it, the
//! first that is for such data, so that reading it names what is wrong.

use std::fmt::Display;

use fgn_schema::Statistics;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A kind of input layer or head, for samples or targets described by `S`.
pub(crate) struct Kind<S> {
    pub(crate) name: &'static str,
    /// The smallest samples that it is for.
    pub(crate) stand_in: fn() -> S,
    /// The keys that follow from the data; `None` if it is not for such data.
    pub(crate) complete: Complete<S>,
    /// Whether a table, without `kind`, is a configuration of it.
    pub(crate) reads: fn(Map<String, Value>) -> bool,
}

type Complete<S> = fn(&Map<String, Value>, &S, &Statistics) -> Option<Map<String, Value>>;

/// The smallest samples that an incomplete configuration may be for.
pub(crate) fn stand_in<S>(kinds: &[Kind<S>], given: &Map<String, Value>) -> Option<S> {
    let named = |kind: &&Kind<S>| Some(kind.name) == given.get("kind").and_then(Value::as_str);
    let reads = |kind: &&Kind<S>| {
        completed(kind, given, &(kind.stand_in)(), &Statistics::default())
            .is_some_and(|whole| kind.reads_whole(whole))
    };
    let kind = kinds.iter().find(named);
    let kind = kind.or_else(|| kinds.iter().find(reads)).or_else(|| kinds.first());
    kind.map(|kind| (kind.stand_in)())
}

/// `given` with all keys that follow from the data. `field` is the path of the configuration's `kind`.
///
/// # Errors
/// [`Error::Config`] if the kind that is given, or every one there is, is not for such data.
pub(crate) fn complete<S: Display>(
    kinds: &[Kind<S>],
    field: &'static str,
    given: &Map<String, Value>,
    schema: &S,
    statistics: &Statistics,
) -> Result<Map<String, Value>> {
    let candidates: Vec<_> = kinds
        .iter()
        .filter_map(|kind| Some((kind, completed(kind, given, schema, statistics)?)))
        .collect();
    let names: Vec<_> = candidates.iter().map(|(kind, _)| kind.name).collect();
    if let Some(named) = given.get("kind") {
        if !kinds.iter().any(|kind| named == kind.name) {
            return Ok(given.clone()); // Reading it says which ones there are.
        }
        let found = candidates.into_iter().find(|(kind, _)| named == kind.name);
        return found.map(|(_, whole)| whole).ok_or_else(|| Error::Config {
            field,
            found: named.as_str().unwrap_or_default().to_owned(),
            expected: match names.is_empty() {
                true => format!("one for {schema}, but there is none"),
                false => format!("one for {schema}: {}", names.join(", ")),
            },
        });
    }
    let fits = |(kind, whole): &&(&Kind<S>, Map<String, Value>)| kind.reads_whole(whole.clone());
    match candidates.iter().find(fits).or_else(|| candidates.first()) {
        Some((_, whole)) => Ok(whole.clone()),
        None => Err(Error::Config {
            field,
            found: "left out".into(),
            expected: format!("one for {schema}, but there is none"),
        }),
    }
}

fn completed<S>(
    kind: &Kind<S>,
    given: &Map<String, Value>,
    schema: &S,
    statistics: &Statistics,
) -> Option<Map<String, Value>> {
    let mut whole = (kind.complete)(given, schema, statistics)?;
    whole.insert("kind".into(), kind.name.into());
    whole.extend(given.clone());
    Some(whole)
}

impl<S> Kind<S> {
    fn reads_whole(&self, mut whole: Map<String, Value>) -> bool {
        whole.remove("kind");
        (self.reads)(whole)
    }
}

/// Moments as a configuration holds them.
pub(crate) fn moments(moments: &fgn_schema::Moments) -> Value {
    serde_json::json!({ "mean": moments.mean, "std": moments.std })
}
