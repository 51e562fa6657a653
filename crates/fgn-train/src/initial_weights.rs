//! Initial weights from another model: those that fit by name and shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor, Var};

use crate::error::{Error, Result};
use crate::run::no_run;
use crate::run_files::MODEL;

/// Which parameters began with the weights of another model, and which did not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitialWeights {
    /// The run folder or file of the other model.
    pub source: PathBuf,
    /// The names of the parameters whose weights were taken over.
    pub taken: Vec<String>,
    /// Those that kept their own initial values.
    pub kept: Vec<KeptWeights>,
    /// The tensors of the other model that no parameter has the name of.
    pub unused: Vec<String>,
}

/// A parameter that kept its own initial values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptWeights {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The shape of the tensor of that name; none if the other model has no such tensor.
    pub found: Option<Vec<usize>>,
}

impl fmt::Display for KeptWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{} ({found:?} there, {:?} here)", self.name, self.shape),
            None => write!(f, "{} (not there)", self.name),
        }
    }
}

/// The line of a summary: `initial weights of 8 parameters from runs/a-1; their own: head.weight ([3, 8] there, …)`.
impl fmt::Display for InitialWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.taken.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "initial weights of {count} parameter{plural} from {}", self.source.display())?;
        if !self.kept.is_empty() {
            let kept: Vec<_> = self.kept.iter().map(KeptWeights::to_string).collect();
            write!(f, "; their own: {}", kept.join(", "))?;
        }
        if !self.unused.is_empty() {
            write!(f, "; not used: {}", self.unused.join(", "))?;
        }
        Ok(())
    }
}

/// Sets each of `parameters` whose name and shape a tensor of `source` has to that tensor, in the parameter's own type.
/// The source is a run folder, or a safetensors file.
///
/// # Errors
/// A source that cannot be read, or of which nothing fits.
pub(crate) fn take_over(parameters: &[(String, Var)], source: &Path) -> Result<InitialWeights> {
    let mut tensors = read(source)?;
    let mut found = InitialWeights {
        source: source.to_owned(),
        taken: Vec::new(),
        kept: Vec::new(),
        unused: Vec::new(),
    };
    for (name, var) in parameters {
        let tensor = tensors.remove(name);
        match tensor.as_ref().filter(|tensor| tensor.dims() == var.dims()) {
            Some(tensor) => {
                var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
                found.taken.push(name.clone());
            }
            None => found.kept.push(KeptWeights {
                name: name.clone(),
                shape: var.dims().to_vec(),
                found: tensor.map(|tensor| tensor.dims().to_vec()),
            }),
        }
    }
    found.unused = tensors.into_keys().collect();
    match found.taken.is_empty() {
        false => Ok(found),
        true => Err(Error::NoInitialWeights {
            source_path: source.to_owned(),
            found: found.unused.into_iter().chain(differing(&found.kept)).collect(),
            expected: parameters.iter().map(|(name, _)| name.clone()).collect(),
        }),
    }
}

/// The names of tensors that have another shape, with it.
fn differing(kept: &[KeptWeights]) -> BTreeSet<String> {
    kept.iter().filter(|kept| kept.found.is_some()).map(KeptWeights::to_string).collect()
}

fn read(source: &Path) -> Result<BTreeMap<String, Tensor>> {
    let file = match source.is_file() {
        true => source.to_owned(),
        false => source.join(MODEL),
    };
    if !file.is_file() {
        return Err(no_run(source, MODEL));
    }
    let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
    let broken = |error: candle_core::Error| Error::InitialFile { file, what: error.to_string() };
    Ok(tensors.map_err(broken)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::DType;

    use super::*;

    fn var(values: &[f64]) -> Var {
        Var::new(values, &Device::Cpu).unwrap()
    }

    #[test]
    fn what_fits_by_name_and_shape_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let tensors = HashMap::from([
            ("a".to_owned(), tensor(&[0.5, 1.5])),
            ("b".to_owned(), tensor(&[1.0, 2.0, 3.0])),
            ("z".to_owned(), tensor(&[7.0])),
        ]);
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let parameters = [
            ("a".to_owned(), var(&[0.0, 0.0])),
            ("b".into(), var(&[0.25, 0.25])),
            ("c".into(), var(&[0.125])),
        ];
        // The folder of a run, or the file.
        for source in [folder.path(), &file] {
            let found = take_over(&parameters, source).unwrap();
            let values = |at: usize| parameters[at].1.to_vec1::<f64>().unwrap();
            assert_eq!(
                (values(0), values(1), values(2)),
                (vec![0.5, 1.5], vec![0.25; 2], vec![0.125])
            );
            assert_eq!(parameters[0].1.dtype(), DType::F64);
            let expected = format!(
                "initial weights of 1 parameter from {}; their own: b ([3] there, [2] here), c (not there); not used: z",
                source.display()
            );
            assert_eq!(found.to_string(), expected);
        }
    }

    #[test]
    fn what_gives_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = take_over(&[("a".into(), var(&[1.0]))], folder.path()).unwrap_err();
        assert!(matches!(error, Error::NoRun { file: MODEL, .. }), "{error}");
        let file = folder.path().join("model.safetensors");
        std::fs::write(&file, "no tensors").unwrap();
        let error = take_over(&[("a".into(), var(&[1.0]))], &file).unwrap_err().to_string();
        assert!(error.contains("model.safetensors holds no weights"), "{error}");
        let other = HashMap::from([("b".to_owned(), Tensor::new(&[1f32], &Device::Cpu).unwrap())]);
        candle_core::safetensors::save(&other, &file).unwrap();
        let error = take_over(&[("a".into(), var(&[1.0]))], &file).unwrap_err().to_string();
        assert!(error.contains("no weights that fit: found b, expected some of a"), "{error}");
    }
}
