//! What heads have in common: names, steps, rows of values, and sequences of tokens.

use candle_core::{DType, Tensor, WithDType};
use fgn_kernels::Emit;
use fgn_schema::{Padded, TargetSchema};
use serde_json::{Map, Value, json};

use super::kind::Encoded;
use crate::check::wrong_shape;
use crate::error::{Error, Result};

/// How many names an error shows.
const SHOWN: usize = 10;

/// The names of `count` outputs: those given, or their indices.
pub(super) fn names(given: &[String], count: usize) -> Vec<String> {
    match given.is_empty() {
        true => (0..count).map(|index| index.to_string()).collect(),
        false => given.to_vec(),
    }
}

/// The keys that follow from the names and steps of the targets. Names that only count need not be written.
pub(super) fn keys(count: &str, names: &[String], per_step: bool) -> Map<String, Value> {
    let mut keys = Map::from_iter([(count.to_owned(), json!(names.len()))]);
    if !names.iter().enumerate().all(|(index, name)| *name == index.to_string()) {
        keys.insert("names".into(), json!(names));
    }
    if per_step {
        keys.insert("per_step".into(), true.into());
    }
    keys
}

/// Refuses targets that have other names than the outputs, where these are given, or another rhythm.
pub(super) fn accepts_names(targets: &TargetSchema, given: &[String]) -> Result<()> {
    if given.is_empty() || targets.names() == given {
        return Ok(());
    }
    let named = |names: &[String]| format!("targets called {}", listed(names));
    let expected = format!("{} (model.head.names)", named(given));
    Err(Error::Mismatch { found: named(targets.names()), expected })
}

/// The names in a line; of many, the first and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    match names.get(..SHOWN) {
        Some(first) if names.len() > SHOWN => {
            format!("{} and {} more", first.join(", "), names.len() - SHOWN)
        }
        _ => names.join(", "),
    }
}

/// Refuses targets per step for outputs per sample, and the reverse.
pub(super) fn accepts_steps(targets: &TargetSchema, per_step: bool) -> Result<()> {
    if targets.is_per_step() == per_step {
        return Ok(());
    }
    let of = |per_step| if per_step { "a target per step" } else { "a target per sample" };
    let expected = format!("{} (model.head.per_step)", of(per_step));
    Err(Error::Mismatch { found: of(!per_step).into(), expected })
}

/// The recurrent outputs that a head needs.
pub(super) fn emit(per_step: bool) -> Emit {
    if per_step { Emit::All } else { Emit::Last }
}

/// Outputs `[B, O]`, or `[T, B, O]` per step, as a batch: `[B, O]`, or `[B, T, O]` with the lengths.
pub(super) fn batch(outputs: Tensor, per_step: bool, encoded: &Encoded<'_>) -> Result<Padded> {
    if !per_step {
        return Ok(Padded::new(outputs));
    }
    padded(outputs.transpose(0, 1)?.contiguous()?, encoded)
}

/// Outputs of each step, `[B, T, ..]`, with the lengths.
pub(super) fn padded(outputs: Tensor, encoded: &Encoded<'_>) -> Result<Padded> {
    Ok(match encoded.lengths {
        Some(lengths) => Padded::with_lengths(outputs, lengths.to_vec())?,
        None => Padded::new(outputs),
    })
}

/// The outputs of each sample: one row, or one for each step that is not padding.
pub(super) fn rows<T: WithDType>(outputs: &Padded) -> Result<Vec<Vec<Vec<T>>>> {
    let tensor = outputs.tensor().to_dtype(T::DTYPE)?;
    if tensor.rank() == 2 {
        return Ok(tensor.to_vec2()?.into_iter().map(|row| vec![row]).collect());
    }
    let mut all = tensor.to_vec3()?;
    for (rows, &length) in all.iter_mut().zip(outputs.lengths().unwrap_or_default()) {
        rows.truncate(length);
    }
    Ok(all)
}

/// The target sequences of a batch of that size, with their padding: `[B][U]`.
pub(super) fn tokens(target: &Padded, batch: usize) -> Result<Vec<Vec<u32>>> {
    let tensor = target.tensor();
    if !matches!(*tensor.dims(), [found, steps] if found == batch && steps > 0) {
        return Err(wrong_shape("targets", tensor, format!("[{batch}, U], U not zero")));
    }
    if tensor.dtype() != DType::U32 {
        let found = tensor.dtype();
        return Err(Error::DType { what: "targets", found, expected: "U32" });
    }
    Ok(tensor.to_vec2()?)
}
