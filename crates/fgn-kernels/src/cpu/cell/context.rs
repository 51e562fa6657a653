//! What a cell's equations read beside their rows.

use crate::cpu::cell::units::Units;
use crate::cpu::memory::geometry::Geometry;
use crate::run::plan::Plan;

/// What of a step is kept: all at once, or, where the memory is normalised in between, one after the
/// other.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    /// All of it.
    Whole,
    /// What is to be normalised: the memory, or the gradients with respect to the normalised one.
    Memory,
    /// All of it, reading the normalised memory.
    NormalizedMemory,
}

/// What the equations of all steps of a pass have in common.
pub(crate) struct CellContext<'a, E> {
    pub(crate) g: &'a Geometry,
    pub(crate) plan: &'a Plan,
    pub(crate) units: &'a Units<E>,
    /// Whether the plan is plain, see [`Plan::is_plain`].
    pub(crate) plain: bool,
    /// Whether blocks are stored as the values of their activations, see [`Plan::activates`].
    pub(crate) activates: bool,
}
