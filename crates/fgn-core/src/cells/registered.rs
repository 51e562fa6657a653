//! Cells that are not built in: by name, without their types.

use std::any::Any;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use crate::recording::node::RecordedStep;
use crate::spec::Spec;

/// A cell that was registered by [`register`](crate::register()), in place of its type.
#[derive(Clone, Copy)]
pub struct RegisteredCell(&'static dyn Registered);

/// What is known of a registered cell wherever its type is not.
pub(crate) trait Registered: Send + Sync {
    fn name(&self) -> &'static str;
    fn spec(&self) -> &'static Spec;
    fn has_threshold(&self, block: usize) -> bool;
    fn recorded(&self, normalized: bool) -> RecordedStep;
    fn functions(&self, prefix: &str) -> String;
    fn step_body(&self, normalized: bool) -> String;
    fn backend(&self) -> &(dyn Any + Send + Sync);
}

/// All cells that were registered.
static CELLS: RwLock<Vec<RegisteredCell>> = RwLock::new(Vec::new());

/// Adds a cell, which then lives as long as the program. `None` if there is one of its name.
pub(crate) fn add(cell: Box<dyn Registered>) -> Option<RegisteredCell> {
    let mut cells = CELLS.write().unwrap_or_else(PoisonError::into_inner);
    if cells.iter().any(|known| known.name() == cell.name()) {
        return None;
    }
    let cell = RegisteredCell(Box::leak(cell));
    cells.push(cell);
    Some(cell)
}

impl RegisteredCell {
    /// The cell that was registered under `name`, if there is one.
    ///
    /// ```
    /// assert!(fgn_core::cells::RegisteredCell::find("nobody's").is_none());
    /// ```
    pub fn find(name: &str) -> Option<Self> {
        let cells = CELLS.read().unwrap_or_else(PoisonError::into_inner);
        cells.iter().copied().find(|cell| cell.name() == name)
    }

    /// The name that it was registered under.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The description of the cell.
    pub fn spec(self) -> &'static Spec {
        self.0.spec()
    }

    /// See [`Cell::has_threshold`](crate::Cell::has_threshold).
    pub fn has_threshold(self, block: usize) -> bool {
        self.0.has_threshold(block)
    }

    /// What the crate that runs cells gave to [`register`](crate::register()).
    pub fn backend(self) -> &'static (dyn Any + Send + Sync) {
        self.0.backend()
    }

    /// See [`RecordedStep`].
    pub(crate) fn recorded(self, normalized: bool) -> RecordedStep {
        self.0.recorded(normalized)
    }

    /// See [`functions`](crate::print::functions).
    pub(crate) fn functions(self, prefix: &str) -> String {
        self.0.functions(prefix)
    }

    /// See [`step_body`](crate::print::step_body).
    pub(crate) fn step_body(self, normalized: bool) -> String {
        self.0.step_body(normalized)
    }
}

impl PartialEq for RegisteredCell {
    /// A name is registered once.
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for RegisteredCell {}

impl fmt::Debug for RegisteredCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegisteredCell").field(&self.name()).finish()
    }
}
