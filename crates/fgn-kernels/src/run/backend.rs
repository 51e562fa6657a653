//! What runs a registered cell: a part for each place that must know its type.

use std::any::Any;

use candle_core::{Result, bail};
use fgn_core::AnyCell;
use fgn_core::cells::RegisteredCell;

/// What [`register`](crate::register()) hands to `fgn-core` with a cell.
pub(crate) struct Backend(pub(crate) Vec<Box<dyn Any + Send + Sync>>);

impl Backend {
    /// The part of type `T` of a cell.
    pub(crate) fn part<T: Any>(cell: RegisteredCell) -> Result<&'static T> {
        let parts = cell.backend().downcast_ref::<Self>().into_iter().flat_map(|all| &all.0);
        match parts.filter_map(|part| part.downcast_ref()).next() {
            Some(part) => Ok(part),
            None => bail!("{}: expected a cell that fgn_kernels::register registered", cell.name()),
        }
    }

    /// Checks that there are kernels for a cell.
    pub(crate) fn check(cell: AnyCell) -> Result<()> {
        match cell.registered() {
            Some(cell) if !cell.backend().is::<Self>() => {
                bail!("{}: expected a cell that fgn_kernels::register registered", cell.name())
            }
            _ => Ok(()),
        }
    }
}
