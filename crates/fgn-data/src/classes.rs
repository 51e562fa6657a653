//! The classes of samples, as they are found or as they are known.

use std::collections::HashMap;

use fgn_schema::MAX_SIZE;

use crate::names::{shortened, sorted_classes};

/// Names of classes, and the index of each.
pub(crate) struct Classes {
    names: Vec<String>,
    indices: HashMap<String, u32>,
    are_known: bool,
}

impl Classes {
    /// Those `known`, or those that will be found.
    pub(crate) fn new(known: Option<&[String]>) -> Classes {
        let names = known.unwrap_or_default().to_vec();
        let indices = names.iter().cloned().zip(0..).collect();
        Classes { names, indices, are_known: known.is_some() }
    }

    /// The names, in the order of the indices.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The index of a class, which is added where others may be found.
    ///
    /// # Errors
    /// What was found, and what was expected: for a class that is not known, or one more than [`MAX_SIZE`].
    pub(crate) fn find(&mut self, name: &str) -> Result<u32, (String, String)> {
        if let Some(&index) = self.indices.get(name) {
            return Ok(index);
        }
        if self.are_known {
            let known = shortened(&self.names.join(", "));
            return Err((shortened(name), format!("a known class: {known}")));
        }
        let is_room = self.names.len() < MAX_SIZE;
        let index = u32::try_from(self.names.len()).ok().filter(|_| is_room).ok_or_else(|| {
            let expected = format!("at most {MAX_SIZE} classes (or task = \"regression\")");
            ("one more class".to_owned(), expected)
        })?;
        self.names.push(name.to_owned());
        self.indices.insert(name.to_owned(), index);
        Ok(index)
    }

    /// The names, sorted if they were found; `labels` are changed to fit.
    pub(crate) fn sorted(self, labels: &mut [u32]) -> Vec<String> {
        if self.are_known { self.names } else { sorted_classes(self.names, labels) }
    }
}
