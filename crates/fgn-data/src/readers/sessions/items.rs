//! The items of a log, and what is counted of those that are left out.

use std::collections::HashMap;

use fgn_schema::{Catalogue, MAX_SIZE};
use tracing::{info, warn};

/// The index of an item that a model does not know.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// How many names a message shows.
const SHOWN: usize = 5;

/// Items by name.
#[derive(Debug)]
pub(super) enum Items {
    /// Those of a model.
    Known { catalogue: Catalogue, unknown: Unknown },
    /// Those found so far, in the order in which they appeared.
    Found { indices: HashMap<Box<str>, u32>, most: usize },
}

impl Items {
    /// None yet, or those of a model.
    pub(super) fn new(known: Option<&Catalogue>) -> Items {
        match known {
            Some(catalogue) => {
                Items::Known { catalogue: catalogue.clone(), unknown: Unknown::default() }
            }
            None => Items::found(MAX_SIZE),
        }
    }

    fn found(most: usize) -> Items {
        Items::Found { indices: HashMap::new(), most }
    }

    /// The index of the item of that name; [`UNKNOWN`] if a model does not know it.
    ///
    /// # Errors
    /// More items than there may be: what was found, and what was expected.
    pub(super) fn index(&mut self, name: &str) -> Result<u32, (String, String)> {
        match self {
            Items::Known { catalogue, unknown } => Ok(catalogue.index(name).unwrap_or_else(|| {
                unknown.add(name);
                UNKNOWN
            })),
            Items::Found { indices, most } => {
                if let Some(&index) = indices.get(name) {
                    return Ok(index);
                }
                let count = indices.len();
                if count >= *most {
                    let expected = "fewer items: is it the right column?".to_owned();
                    return Err((format!("more than {most} different items"), expected));
                }
                indices.insert(name.into(), count as u32);
                Ok(count as u32)
            }
        }
    }

    /// The names of the items that were found, in the order of their indices.
    pub(super) fn into_names(self) -> Vec<String> {
        let Items::Found { indices, .. } = self else { return Vec::new() };
        let mut names = vec![String::new(); indices.len()];
        indices.into_iter().for_each(|(name, index)| names[index as usize] = name.into());
        names
    }
}

/// Events of items that are not known.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    events: u64,
    /// Some of the items.
    names: Vec<String>,
}

impl Unknown {
    /// Adds an event of the item of that name.
    pub(super) fn add(&mut self, name: &str) {
        self.events += 1;
        if self.names.len() < SHOWN && self.names.iter().all(|known| known != name) {
            self.names.push(name.to_owned());
        }
    }

    /// Warns of the events, if there are any. `whose` says who does not know the items.
    pub(super) fn warn(&self, name: &str, whose: &str) {
        if self.events > 0 {
            let names: Vec<String> = self.names.iter().map(|name| format!("{name:?}")).collect();
            let (events, names) = (self.events, names.join(", "));
            let events = if events == 1 { "1 event".into() } else { format!("{events} events") };
            warn!("{name}: left out {events} of items that {whose} lacks, as {names}");
        }
    }
}

/// What is left out because the options say so.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Events of the same item as the event before.
    pub(super) repeated: u64,
    /// Sessions that are too short.
    pub(super) short: u64,
    /// Items that are rare, and their events.
    pub(super) rare: (u64, u64),
}

impl LeftOut {
    /// Reports what was left out of the log called `name`, if anything was.
    pub(super) fn report(&self, name: &str, min_length: usize) {
        let LeftOut { repeated, short, rare: (items, events) } = self;
        if repeated + short + items > 0 {
            info!(
                "{name}: left out {short} sessions of fewer than {min_length} events, {events} events of {items} \
                 rare items, and {repeated} repeated events"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_in_the_order_in_which_they_appear() {
        let mut items = Items::found(3);
        let indices = ["b", "a", "b", "", "a"].map(|name| items.index(name).unwrap());
        assert_eq!(indices, [0, 1, 0, 2, 1]);
        let (found, expected) = items.index("c").unwrap_err();
        assert_eq!(found, "more than 3 different items");
        assert!(expected.ends_with("is it the right column?"));
        assert_eq!(items.into_names(), ["b", "a", ""]);
    }
}
