//! A cell's equations as compiled for the instruction set at hand. All that is not a cell's own is
//! compiled once for all of them, and calls these for a tile at a time.

use std::any::Any;
use std::ops::Range;

use candle_core::Result;
use fgn_core::{Cell, CellVisitor, Spec};

use crate::cpu::cell::backward_rows::BackwardRows;
use crate::cpu::cell::context::Stage;
use crate::cpu::cell::forward_rows::ForwardRows;
use crate::cpu::cell::gradient::CellGradient;
use crate::cpu::cell::step::CellStep;
use crate::run::backend::Backend;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// A cell of any type.
pub(crate) trait Equations<E: Element>: Sync {
    fn spec(&self) -> &'static Spec;

    /// The step for some vectors of units, `units`, of the rows `members`.
    fn step(
        &self,
        rows: &ForwardRows<'_, E>,
        members: Range<usize>,
        units: Range<usize>,
        stage: Stage,
    );

    /// The gradient of the step for whole vectors of units, `offsets`, of a row.
    fn grad(&self, rows: &BackwardRows<'_, E>, row: usize, offsets: Range<usize>, stage: Stage);
}

/// Makes [`Equations`] of a cell.
pub(crate) struct Compiled(pub(crate) Isa);

impl Compiled {
    /// # Errors
    /// If the cell was registered without kernels.
    pub(crate) fn of<E: Element>(self, cell: fgn_core::AnyCell) -> Result<Box<dyn Equations<E>>> {
        struct Visit<E>(Isa, std::marker::PhantomData<E>);
        impl<E: Element> CellVisitor for Visit<E> {
            type Output = Box<dyn Equations<E>>;
            fn visit<C: Cell>(self, cell: C) -> Self::Output {
                Box::new(For { cell, isa: self.0 })
            }
        }
        match cell.registered() {
            Some(cell) => Ok(Backend::part::<CompiledFor<E>>(cell)?.0(self.0)),
            None => match cell.visit(Visit(self.0, std::marker::PhantomData)) {
                Some(equations) => Ok(equations),
                None => candle_core::bail!("{cell}: no kernels"),
            },
        }
    }
}

/// Makes [`Equations`] of a registered cell.
pub(crate) struct CompiledFor<E>(Box<dyn Fn(Isa) -> Box<dyn Equations<E>> + Send + Sync>);

impl<E: Element> CompiledFor<E> {
    /// The part of a [`Backend`] for `cell` and numbers of type `E`.
    pub(crate) fn part<C: Cell>(cell: C) -> Box<dyn Any + Send + Sync> {
        Box::new(Self(Box::new(move |isa| Box::new(For { cell, isa }))))
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
        self.isa.run(CellStep { cell: self.cell, rows, members, units, stage });
    }

    fn grad(&self, rows: &BackwardRows<'_, E>, row: usize, offsets: Range<usize>, stage: Stage) {
        self.isa.run(CellGradient { cell: self.cell, rows, row, offsets, stage });
    }
}
