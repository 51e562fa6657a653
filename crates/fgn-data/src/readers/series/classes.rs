//! The classes of a table, as they are found or as they are known.

use std::collections::HashMap;

use crate::names::sorted_classes;

/// The most classes that a model can have.
pub(super) const MOST_CLASSES: usize = 1 << 14;

/// Names of classes, and the index of each.
pub(super) struct Classes {
    names: Vec<String>,
    indices: HashMap<String, u32>,
    are_known: bool,
}

impl Classes {
    /// Those `known`, or those that will be found.
    pub(super) fn new(known: Option<&[String]>) -> Classes {
        let names = known.unwrap_or_default().to_vec();
        let indices = names.iter().cloned().zip(0..).collect();
        Classes { names, indices, are_known: known.is_some() }
    }

    /// The names, in the order of the indices.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether no other classes may be found.
    pub(super) fn are_known(&self) -> bool {
        self.are_known
    }

    /// The index of a class, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    /// Adds a class that is not there, unless there are [`MOST_CLASSES`].
    pub(super) fn add(&mut self, name: String) -> Option<u32> {
        let is_room = self.names.len() < MOST_CLASSES;
        let index = u32::try_from(self.names.len()).ok().filter(|_| is_room)?;
        self.names.push(name.clone());
        self.indices.insert(name, index);
        Some(index)
    }

    /// The names, sorted if they were found; `labels` are changed to fit.
    pub(super) fn sorted(self, labels: &mut [u32]) -> Vec<String> {
        if self.are_known { self.names } else { sorted_classes(self.names, labels) }
    }
}
