//! The suite that the built-in cells pass, for a cell of your own.

use fgn_core::{AnyCell, Cell, CellVisitor as _};

use crate::cpu::option_tests::EveryOption;
use crate::cpu::stream::tests::EveryFormat;
use crate::cpu::tests::EveryShape;

/// Checks `cell`, which was registered as `registered`, as the built-in cells are checked: on every instruction set that
/// this machine has, in `f32` and `f64`, on random inputs of awkward sizes,
/// - outputs, final states and all gradients against the oracle, which computes in `f64`;
/// - each option (lengths, resets, both directions, projection, normalisation, zoneout, dropout, clipping), with gradients
///   against exact ones, which dual numbers give;
/// - streams in `f32`, `bf16` and 8-bit integers.
///
/// It takes a few seconds where your crate is optimised. Call it in a test:
///
/// ```
/// use fgn_core::cells::Lstm;
///
/// # fn main() -> fgn_kernels::candle_core::Result<()> {
/// let registered = fgn_kernels::register("my-lstm", Lstm)?;
/// fgn_kernels::testing::check_cell(registered, Lstm);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// At the first difference, which it names; if `registered` is another cell.
pub fn check_cell<C: Cell>(registered: AnyCell, cell: C) {
    assert_eq!(registered.spec(), &C::SPEC, "{registered} is another cell");
    EveryShape::<f32>::of(registered).visit(cell);
    EveryShape::<f64>::of(registered).visit(cell);
    EveryOption(registered).visit(cell);
    EveryFormat(registered, 0).visit(cell);
}
