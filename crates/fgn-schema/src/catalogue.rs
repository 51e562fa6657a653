//! The items that a recommender knows.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits::MAX_SIZE;

/// The items that a recommender knows: the name of each, and how often it was taken in training. An item is known by
/// its index, from 0 on. Clones share the names.
///
/// ```
/// use fgn_schema::Catalogue;
///
/// let items = Catalogue::new(vec!["tea".into(), "milk".into()], vec![7, 5])?;
/// assert_eq!(items.index("milk"), Some(1));
/// assert_eq!((items.name(0), items.count(0)), ("tea", 7));
/// assert_eq!(items.index("coffee"), None);
/// # Ok::<(), fgn_schema::Error>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Columns", try_from = "Columns")]
pub struct Catalogue(Arc<Inner>);

struct Inner {
    names: Vec<String>,
    counts: Vec<u64>,
    /// The indices in the order of the names, in which a name is searched.
    sorted: Vec<u32>,
}

/// As a catalogue is saved.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename = "catalogue", deny_unknown_fields)]
struct Columns {
    names: Vec<String>,
    counts: Vec<u64>,
}

impl Catalogue {
    /// Items of these names, each taken so often.
    ///
    /// # Errors
    /// [`Error::Catalogue`] for no items, more than [`MAX_SIZE`], two of one name, or another number of counts.
    pub fn new(names: Vec<String>, counts: Vec<u64>) -> Result<Catalogue> {
        let wrong = |found: String, expected: String| Err(Error::Catalogue { found, expected });
        if names.is_empty() || names.len() > MAX_SIZE {
            return wrong(format!("{} items", names.len()), format!("1 to {MAX_SIZE}"));
        }
        if counts.len() != names.len() {
            return wrong(format!("{} counts", counts.len()), format!("{}", names.len()));
        }
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_unstable_by_key(|&index| &names[index as usize]);
        let same = |pair: &&[u32]| names[pair[0] as usize] == names[pair[1] as usize];
        if let Some(pair) = sorted.windows(2).find(same) {
            let found = format!("two items called {:?}", names[pair[0] as usize]);
            return wrong(found, "a name of its own for each".into());
        }
        Ok(Catalogue(Arc::new(Inner { names, counts, sorted })))
    }

    /// How many items there are, at least 1.
    pub fn len(&self) -> usize {
        self.0.names.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of all items, by index.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// How often each item was taken in training, by index.
    pub fn counts(&self) -> &[u64] {
        &self.0.counts
    }

    /// The name of an item; empty where there is no such item.
    pub fn name(&self, index: u32) -> &str {
        self.0.names.get(index as usize).map_or("", String::as_str)
    }

    /// How often an item was taken in training; 0 where there is no such item.
    pub fn count(&self, index: u32) -> u64 {
        self.0.counts.get(index as usize).copied().unwrap_or(0)
    }

    /// The item of that name.
    pub fn index(&self, name: &str) -> Option<u32> {
        let Inner { names, sorted, .. } = &*self.0;
        let found = sorted.binary_search_by(|&index| names[index as usize].as_str().cmp(name));
        found.ok().map(|at| sorted[at])
    }
}

impl PartialEq for Catalogue {
    fn eq(&self, other: &Catalogue) -> bool {
        let (one, other) = (&self.0, &other.0);
        Arc::ptr_eq(one, other) || (one.names == other.names && one.counts == other.counts)
    }
}

impl Eq for Catalogue {}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({} items)", self.len())
    }
}

impl From<Catalogue> for Columns {
    fn from(catalogue: Catalogue) -> Columns {
        Columns { names: catalogue.0.names.clone(), counts: catalogue.0.counts.clone() }
    }
}

impl TryFrom<Columns> for Catalogue {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Catalogue> {
        Catalogue::new(columns.names, columns.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str], counts: &[u64]) -> Result<Catalogue> {
        Catalogue::new(names.iter().map(|&name| name.to_owned()).collect(), counts.to_vec())
    }

    #[test]
    fn every_name_is_found() {
        let catalogue = named(&["b", "a", "", "ab", "B"], &[5, 4, 3, 2, 1]).unwrap();
        for index in 0..5 {
            assert_eq!(catalogue.index(catalogue.name(index)), Some(index));
            assert_eq!(catalogue.count(index), u64::from(5 - index));
        }
        assert_eq!([catalogue.index("c"), catalogue.index("aa")], [None, None]);
        assert_eq!((catalogue.name(5), catalogue.count(5)), ("", 0));
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let catalogue = named(&["b", "a"], &[5, 4]).unwrap();
        let text = serde_json::to_string(&catalogue).unwrap();
        assert_eq!(text, r#"{"names":["b","a"],"counts":[5,4]}"#);
        assert_eq!(serde_json::from_str::<Catalogue>(&text).unwrap(), catalogue);
        let error = serde_json::from_str::<Catalogue>(r#"{"names":["a"],"counts":[]}"#);
        assert!(error.unwrap_err().to_string().contains("0 counts, expected 1"));
    }

    #[test]
    fn names_that_are_not_distinct_are_refused() {
        let error = named(&["a", "b", "a"], &[1, 1, 1]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the catalogue has two items called \"a\", expected a name of its own for each"
        );
        assert!(named(&[], &[]).is_err());
        assert!(named(&["a"], &[1, 2]).is_err());
    }
}
