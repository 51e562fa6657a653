//! Cells of other crates beside the built-in ones.

use std::any::Any;
use std::error::Error;
use std::fmt;

use crate::cell::{Cell, MAX_BLOCKS, MAX_STATES, MAX_VECTORS};
use crate::cells::{AnyCell, CellVisitor as _, Registered, add};
use crate::print::{Functions, StepBody};
use crate::recording::{Record, RecordedStep};
use crate::spec::Spec;

/// Why a cell cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterError(String);

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for RegisterError {}

/// Makes `cell` known as `name`, for as long as the program runs: in place of a built-in cell, and in configurations as
/// `{ name = "…" }`. Its C source and its recording are those of its [`Cell::step`] and [`Cell::grad`].
///
/// `backend` is whatever the crate that runs cells needs to run this one, and gets back from
/// [`RegisteredCell::backend`](crate::cells::RegisteredCell::backend). `fgn_kernels::register` calls this function with
/// its kernels; call that one for a cell that is to run.
///
/// # Errors
/// If the name is not of lower-case letters, digits and hyphens, or is taken; if the cell's [`Spec`] is not one.
pub fn register<C: Cell>(
    name: &'static str,
    cell: C,
    backend: Box<dyn Any + Send + Sync>,
) -> Result<AnyCell, RegisterError> {
    let fail =
        |why: String| RegisterError(format!("the cell {name:?} cannot be registered: {why}"));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(fail("expected a name of lower-case letters, digits and hyphens".into()));
    }
    check(&C::SPEC).map_err(fail)?;
    let is_built_in = AnyCell::all().iter().any(|cell| cell.name() == name);
    let added = if is_built_in { None } else { add(Box::new(Entry { name, cell, backend })) };
    added.map(AnyCell::Registered).ok_or_else(|| fail("there is a cell of that name".into()))
}

/// Says what is wrong with a description.
fn check(spec: &Spec) -> Result<(), String> {
    for (what, found, least, most) in [
        ("blocks", spec.blocks.len(), 1, MAX_BLOCKS),
        ("states", spec.states.len(), 1, MAX_STATES),
        ("vectors", spec.vectors.len(), 0, MAX_VECTORS),
    ] {
        if !(least..=most).contains(&found) {
            return Err(format!("it has {found} {what}, expected {least} to {most}"));
        }
    }
    let states = spec.states.len();
    for (what, place) in [("memory", spec.memory), ("divisor", spec.divisor)] {
        if let Some(place) = place.filter(|&place| place >= states) {
            return Err(format!("its {what} is state {place}, and it has {states} states"));
        }
    }
    let inputs = spec.blocks.iter().take_while(|block| block.reads_input()).count();
    if let Some(late) = spec.blocks[inputs..].iter().find(|block| block.reads_input()) {
        return Err(format!("block {:?} reads the input, and one before it does not", late.name));
    }
    // Tensors of a layer, which are found by their names.
    let taken =
        |name: &&&str| ["weight_", "bias_", "norm_"].iter().any(|start| name.starts_with(start));
    if let Some(vector) = spec.vectors.iter().find(taken) {
        return Err(format!(
            "its vector {vector:?} is called as the matrices, biases and norms of layers are"
        ));
    }
    let blocks = spec.blocks.iter().map(|block| block.name);
    for names in [blocks.collect(), spec.states.to_vec(), spec.vectors.to_vec()] {
        for (place, name) in names.iter().enumerate() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(format!(
                    "it has the name {name:?}, expected letters, digits and underscores"
                ));
            }
            if names[..place].contains(name) {
                return Err(format!("it has {name:?} twice"));
            }
        }
    }
    Ok(())
}

struct Entry<C> {
    name: &'static str,
    cell: C,
    backend: Box<dyn Any + Send + Sync>,
}

impl<C: Cell> Registered for Entry<C> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn spec(&self) -> &'static Spec {
        &C::SPEC
    }

    fn has_threshold(&self, block: usize) -> bool {
        self.cell.has_threshold(block)
    }

    fn recorded(&self, normalized: bool) -> RecordedStep {
        Record { normalized }.visit(self.cell)
    }

    fn functions(&self, prefix: &str) -> String {
        Functions(prefix).visit(self.cell)
    }

    fn step_body(&self, normalized: bool) -> String {
        StepBody { normalized }.visit(self.cell)
    }

    fn backend(&self) -> &(dyn Any + Send + Sync) {
        &*self.backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Lstm, RegisteredCell};
    use crate::print;

    #[test]
    fn a_registered_cell_is_known_by_its_name_and_prints_its_equations() {
        let cell = register("own-lstm", Lstm, Box::new(7_u8)).unwrap();
        assert_eq!(cell.name(), "own-lstm");
        assert_eq!(cell.spec(), AnyCell::LSTM.spec());
        assert_eq!(RegisteredCell::find("own-lstm"), cell.registered());
        assert_eq!(cell.registered().unwrap().backend().downcast_ref(), Some(&7_u8));
        for normalized in [false, true] {
            let same =
                |cell| (RecordedStep::new(cell, normalized), print::step_body(cell, normalized));
            assert_eq!(same(cell), same(AnyCell::LSTM));
        }
        assert_eq!(print::functions(cell, "p"), print::functions(AnyCell::LSTM, "p"));
        for taken in ["own-lstm", "lstm"] {
            let error = register(taken, Lstm, Box::new(())).unwrap_err().to_string();
            assert!(error.contains("there is a cell of that name"), "{error}");
        }
        for odd in ["", "Own", "own lstm"] {
            assert!(register(odd, Lstm, Box::new(())).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn descriptions_that_are_none_are_refused() {
        let spec = *AnyCell::LSTM.spec();
        assert_eq!(check(&spec), Ok(()));
        for (wrong, part) in [
            (Spec { states: &[], ..spec }, "it has 0 states"),
            (Spec { states: &["h", "h"], ..spec }, "\"h\" twice"),
            (Spec { states: &["h", ""], ..spec }, "the name \"\""),
            (Spec { memory: Some(2), ..spec }, "its memory is state 2"),
            (Spec { vectors: &["weight_ih"], ..spec }, "its vector \"weight_ih\""),
        ] {
            let error = check(&wrong).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
