//! A cell's equations as compiled for the instruction set at hand. All that is not a cell's own is
//! compiled once for all of them, and calls these for a tile at a time.

use std::ops::Range;

use fgn_core::{Cell, CellVisitor, Spec};

use super::backward_rows::StepRows as BackwardRows;
use super::cell_grad::Grad;
use super::cell_step::Step;
use super::forward_step::StepRows as ForwardRows;
use super::isa::Isa;
use super::simd::Element;

/// A cell of any type.
pub(crate) trait Equations<E: Element>: Sync {
    fn spec(&self) -> &'static Spec;

    /// The step for some registers of units, `units`, of the rows `members`.
    fn step(
        &self,
        rows: &ForwardRows<'_, E>,
        members: Range<usize>,
        units: Range<usize>,
        stage: Stage,
    );

    /// The gradient of the step for whole registers of units, `places`, of a row.
    fn grad(&self, rows: &BackwardRows<'_, E>, row: usize, places: Range<usize>, stage: Stage);
}

/// What of a step is kept: all at once, or, where the memory is normalised in between, one after the
/// other.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    /// All of it.
    Whole,
    /// What is to be normalised: the memory, or the derivatives by the normalised one.
    Memory,
    /// All of it, reading the normalised memory.
    Seen,
}

/// Makes [`Equations`] of a cell.
pub(crate) struct Compiled(pub(crate) Isa);

impl Compiled {
    pub(crate) fn of<E: Element>(self, cell: fgn_core::AnyCell) -> Box<dyn Equations<E>> {
        struct Visit<E>(Isa, std::marker::PhantomData<E>);
        impl<E: Element> CellVisitor for Visit<E> {
            type Output = Box<dyn Equations<E>>;
            fn visit<C: Cell>(self, cell: C) -> Self::Output {
                Box::new(For { cell, isa: self.0 })
            }
        }
        cell.visit(Visit(self.0, std::marker::PhantomData))
    }
}

struct For<C> {
    cell: C,
    isa: Isa,
}

impl<E: Element, C: Cell> Equations<E> for For<C> {
    fn spec(&self) -> &'static Spec {
        &C::SPEC
    }

    fn step(
        &self,
        rows: &ForwardRows<'_, E>,
        members: Range<usize>,
        units: Range<usize>,
        stage: Stage,
    ) {
        self.isa.run(Step { cell: self.cell, rows, members, units, stage });
    }

    fn grad(&self, rows: &BackwardRows<'_, E>, row: usize, places: Range<usize>, stage: Stage) {
        self.isa.run(Grad { cell: self.cell, rows, row, places, stage });
    }
}
