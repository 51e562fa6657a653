//! The most recently used of many values.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Values by name, of which the least recently used is forgotten where there are too many.
pub(crate) struct Recent<V> {
    most: usize,
    /// Each value, and when it was used.
    values: HashMap<Arc<str>, (u64, V)>,
    /// The names, by when they were used.
    order: BTreeMap<u64, Arc<str>>,
    /// How often any was used.
    uses: u64,
}

impl<V: Default> Recent<V> {
    /// At most `most` values; one if it is 0.
    pub(crate) fn new(most: usize) -> Recent<V> {
        Recent { most: most.max(1), values: HashMap::new(), order: BTreeMap::new(), uses: 0 }
    }

    /// Whether a new name takes the place of another.
    pub(crate) fn is_full(&self) -> bool {
        self.values.len() >= self.most
    }

    /// The value of a name, which does not count as a use.
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.values.get(name).map(|(_, value)| value)
    }

    /// The value of a name, to be used; that of a new name is the default.
    pub(crate) fn entry(&mut self, name: &str) -> &mut V {
        let known = self.values.get(name).and_then(|(used, _)| self.order.remove(used));
        if known.is_none()
            && self.is_full()
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
        let name = known.unwrap_or_else(|| name.into());
        self.uses += 1;
        self.order.insert(self.uses, name.clone());
        let (used, value) = self.values.entry(name).or_default();
        *used = self.uses;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let mut recent = Recent::<u32>::new(2);
        *recent.entry("a") = 1;
        assert!(!recent.is_full());
        *recent.entry("b") = 2;
        assert_eq!((*recent.entry("a"), recent.is_full()), (1, true));
        // To look at "b" is no use of it.
        assert_eq!(recent.get("b"), Some(&2));
        *recent.entry("c") = 3;
        assert_eq!(["a", "b", "c"].map(|name| recent.get(name).copied()), [Some(1), None, Some(3)]);
        assert_eq!(*recent.entry("b"), 0);
        assert_eq!([recent.values.len(), recent.order.len()], [2, 2]);
    }
}
