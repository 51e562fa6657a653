//! The names of tensors: which become which, and which do not count.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::weights::{Tensor, Tensors};

/// `OLD=NEW` of `--map`: names that begin with the parts `old` begin with `new`.
#[derive(Clone, Debug)]
pub(super) struct Renaming {
    old: String,
    new: String,
}

impl FromStr for Renaming {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Renaming, Self::Err> {
        let (old, new) =
            text.split_once('=').ok_or("expected OLD=NEW, as in lstm=recurrent or =recurrent")?;
        Ok(Renaming { old: trimmed(old), new: trimmed(new) })
    }
}

/// A prefix without the separator that it may end with.
fn trimmed(prefix: &str) -> String {
    prefix.trim_end_matches(['.', '/']).to_owned()
}

/// What follows in `name` after the parts `prefix`; `None` if it does not begin with them. Keras separates parts by `/`.
fn after<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (begin, rest) = name.split_at_checked(prefix.len())?;
    if begin.replace('/', ".") != prefix.replace('/', ".") {
        return None;
    }
    match prefix.is_empty() || rest.is_empty() {
        true => Some(rest),
        false => rest.strip_prefix(['.', '/']),
    }
}

/// Takes those out whose names begin with one of `prefixes`.
///
/// # Errors
/// A prefix that no tensor has.
pub(super) fn ignored(tensors: &mut Tensors, prefixes: &[String]) -> Result<Vec<Tensor>, String> {
    let mut all = Vec::new();
    for prefix in prefixes {
        let prefix = trimmed(prefix);
        let names = tensors.keys().filter(|name| after(name, &prefix).is_some());
        let names: Vec<_> = names.cloned().collect();
        if names.is_empty() {
            return Err(format!("no tensor begins with --ignore {prefix}; {}", listed(tensors)));
        }
        all.extend(names.iter().filter_map(|name| tensors.remove(name)));
    }
    Ok(all)
}

/// The tensors under their new names.
///
/// # Errors
/// A renaming of nothing, two of the same, and two tensors that get the same name.
pub(super) fn renamed(tensors: Tensors, renamings: &[Renaming]) -> Result<Tensors, String> {
    let mut olds = BTreeSet::new();
    for Renaming { old, .. } in renamings {
        if !olds.insert(old) {
            return Err(format!("--map {old}=… is given twice"));
        }
        if !tensors.keys().any(|name| after(name, old).is_some()) {
            return Err(format!("no tensor begins with --map {old}=…; {}", listed(&tensors)));
        }
    }
    let mut all = Tensors::new();
    for (name, tensor) in tensors {
        let fitting = renamings.iter().filter_map(|Renaming { old, new }| {
            after(&name, old).map(|rest| (old.len(), new, rest))
        });
        let new = match fitting.max_by_key(|(length, ..)| *length) {
            Some((_, new, rest)) if new.is_empty() || rest.is_empty() => format!("{new}{rest}"),
            Some((_, new, rest)) => format!("{new}.{rest}"),
            None => name,
        };
        let from = tensor.name.clone();
        if let Some(other) = all.insert(new.clone(), tensor) {
            return Err(format!("{} and {from} both become {new} by --map", other.name));
        }
    }
    Ok(all)
}

fn listed(tensors: &Tensors) -> String {
    let names: Vec<_> = tensors.values().map(|tensor| tensor.name.as_str()).collect();
    format!("found {}", names.join(", "))
}
