//! Parameters of a model that take the numbers of tensors, all or none.

use std::collections::BTreeSet;

use candle_core::{DType, Var};

use super::weights::{Tensor, Tensors};
use crate::output::in_line;

/// A parameter, and the tensor whose numbers it has.
pub(super) struct Taken {
    pub(super) name: String,
    pub(super) tensor: Tensor,
}

/// Sets each of `parameters`, of `F32`, to the tensor of its name. With `round`, numbers of `F64` are rounded.
///
/// # Errors
/// All that does not fit, a line for each.
pub(super) fn fit(
    parameters: &[(String, Var)],
    mut tensors: Tensors,
    round: bool,
) -> Result<Vec<Taken>, String> {
    let (mut taken, mut missing, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for (name, var) in parameters {
        let Some(tensor) = tensors.remove(name) else {
            missing.push((name.as_str(), var.dims()));
            continue;
        };
        match numbers(&tensor, var.dims(), round) {
            Ok(numbers) => {
                var.set(&numbers).map_err(|error| error.to_string())?;
                taken.push(Taken { name: name.clone(), tensor });
            }
            Err(why) => wrong.push(format!("{} {why}", with_origin(name, &tensor))),
        }
    }
    if missing.is_empty() && wrong.is_empty() && tensors.is_empty() {
        return Ok(taken);
    }
    let listed = |what: &'static str| {
        move |(name, tensor): (&String, &Tensor)| {
            format!("{what}: {} {:?}", with_origin(name, tensor), tensor.shape)
        }
    };
    let fits = taken.iter().map(|Taken { name, tensor }| (name, tensor)).map(listed("taken"));
    let lacks = missing.iter().map(|(name, shape)| format!("missing: {name} {shape:?}"));
    let more = tensors.iter().map(listed("left over"));
    let lines = fits.chain(wrong).chain(lacks).chain(more).chain(hint(&missing, &tensors));
    let lines: String = lines.map(|line| format!("\n  {line}")).collect();
    Err(format!("the tensors do not make the model:{lines}"))
}

/// A name, and that in the file if it is another one.
fn with_origin(name: &str, tensor: &Tensor) -> String {
    let name = in_line(name);
    match tensor.name == *name {
        true => name.into_owned(),
        false => format!("{name} (from {})", in_line(&tensor.name)),
    }
}

/// The tensor in `F32`.
fn numbers(tensor: &Tensor, shape: &[usize], round: bool) -> Result<candle_core::Tensor, String> {
    if tensor.shape != shape {
        return Err(format!("has shape {:?}, expected {shape:?}", tensor.shape));
    }
    let Some(given) = &tensor.numbers else {
        let found = tensor.dtype.to_uppercase();
        return Err(format!("holds {found}, expected F16, BF16, F32 or F64"));
    };
    let failed = |error: candle_core::Error| error.to_string();
    let single = given.to_dtype(DType::F32).map_err(failed)?;
    if given.dtype() == DType::F64 && !round {
        let given = given.flatten_all().and_then(|flat| flat.to_vec1::<f64>()).map_err(failed)?;
        let inexact = |x: &&f64| !x.is_nan() && f64::from(**x as f32) != **x;
        if let Some(x) = given.iter().find(inexact) {
            return Err(format!("holds {x:?}, which F32 cannot hold exactly: --round rounds it"));
        }
    }
    Ok(single)
}

/// The renamings after which tensors that are left over have the names and shapes of parameters that are missing.
fn hint(missing: &[(&str, &[usize])], tensors: &Tensors) -> Option<String> {
    let maps = missing.iter().filter_map(|(name, shape)| {
        let (new, last) = name.rsplit_once('.')?;
        let fits = |(found, tensor): (&String, &Tensor)| {
            let old = found.strip_suffix(last)?;
            let is_part = old.is_empty() || old.ends_with(['.', '/']);
            (is_part && tensor.shape == *shape).then(|| old.trim_end_matches(['.', '/']).to_owned())
        };
        let mut olds = tensors.iter().filter_map(fits);
        let old = olds.next()?;
        olds.next().is_none().then(|| format!("--map {old}={new}"))
    });
    let maps: BTreeSet<_> = maps.collect();
    if !maps.is_empty() {
        let maps: Vec<_> = maps.into_iter().collect();
        return Some(format!("perhaps {}", maps.join(" ")));
    }
    (!tensors.is_empty()).then(|| "--ignore NAME leaves a tensor out".to_owned())
}
