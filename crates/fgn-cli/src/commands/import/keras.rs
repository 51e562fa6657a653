//! Weights in Keras' layout as those of our layers.

use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use clap::Args;
use fgn_nn::{Keras, KerasOptions, ModelConfig, Recurrent};

use super::weights::{Tensor, Tensors};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct KerasArgs {
    /// The weights have Keras' layout; FILE holds the JSON of `get_config()` of a recurrent layer
    #[arg(long, value_name = "FILE")]
    keras: Option<PathBuf>,
    /// With --keras: what stands before `kernel` and `recurrent_kernel`, such as lstm/lstm_cell; once for each layer
    /// and direction, in the order l0, l0_reverse, l1, …
    #[arg(long, value_name = "NAME", requires = "keras")]
    cell: Vec<String>,
}

impl KerasArgs {
    /// The tensors in our layout: recurrent layers under our names, others with `.` and `weight` in their names. Without
    /// `--keras`, as they are.
    pub(super) fn converted(
        &self,
        mut tensors: Tensors,
        file: &Path,
        model: &ModelConfig,
    ) -> Result<Tensors> {
        let Some(options) = &self.keras else { return Ok(tensors) };
        self.check_cells(&tensors, file, model)?;
        let prefixes: Vec<_> = self.cell.iter().map(|name| separated(name)).collect();
        let recurrent = recurrent(&prefixes, &read_options(options)?, file, model)?;
        let recurrent = recurrent.into_iter().map(|(prefix, name, numbers)| {
            // All tensors of a cell have one type.
            let dtype = tensors.values().find(|found| found.name.starts_with(prefix));
            let dtype = dtype.map_or_else(String::new, |found| found.dtype.clone());
            let (from, shape) = (prefix.trim_end_matches('/').to_owned(), numbers.dims().to_vec());
            (name, Tensor { name: from, shape, dtype, numbers: Some(numbers) })
        });
        let recurrent: Vec<_> = recurrent.collect();
        tensors.retain(|name, _| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
        let others = tensors.into_values().map(other);
        let others: candle_core::Result<Vec<_>> = others.collect();
        Ok(others?.into_iter().chain(recurrent).collect())
    }

    /// Checks the number of cells, and names those of the file if it is another one.
    fn check_cells(&self, tensors: &Tensors, file: &Path, model: &ModelConfig) -> Result<()> {
        let expected = model.recurrent.layers * if model.recurrent.bidirectional { 2 } else { 1 };
        let found = self.cell.len();
        if found == expected {
            return Ok(());
        }
        let cells = tensors.keys().filter_map(|name| {
            let name = name.trim_end_matches(":0").strip_suffix("recurrent_kernel")?;
            Some(name.trim_end_matches('/'))
        });
        let cells: Vec<_> = cells.collect();
        let cells = if cells.is_empty() { "none".to_owned() } else { cells.join(", ") };
        let message = format!(
            "--cell is given {found} times, expected {expected}, once for each layer and direction of the model; the \
             file has {cells}"
        );
        Err(Error::Weights { file: file.to_owned(), message })
    }
}

/// The parameters of the recurrent layers by our names, with the prefix of the cell that each is of.
fn recurrent<'a>(
    prefixes: &'a [String],
    options: &KerasOptions,
    file: &Path,
    model: &ModelConfig,
) -> Result<Vec<(&'a str, String, candle_core::Tensor)>> {
    let config = &model.recurrent;
    let input_size = model.dense.as_ref().map_or(model.input.features(), |dense| dense.size);
    let prefixes: Vec<_> = prefixes.iter().map(String::as_str).collect();
    let keras = Keras { name: "recurrent", input_size, config, prefixes: &prefixes, options };
    // As wide as any tensor of the file: nothing is rounded here.
    let mut parameters = keras.load(file, DType::F64, &Device::Cpu)?;
    Recurrent::new(&mut parameters, keras.name, input_size, config)?;
    let list = parameters.list();
    let cells = list.chunks(list.len().div_ceil(prefixes.len())).zip(&prefixes);
    let named = cells.flat_map(|(cell, &prefix)| {
        cell.iter().map(move |(name, var)| (prefix, name.clone(), var.as_detached_tensor()))
    });
    Ok(named.collect())
}

/// With the separator that Keras has at the end of a prefix.
fn separated(name: &str) -> String {
    format!("{}/", name.trim_end_matches('/'))
}

fn read_options(path: &Path) -> Result<KerasOptions> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| Error::Weights {
        file: path.to_owned(),
        message: format!("not the JSON of a recurrent layer's get_config(): {error}"),
    })
}

/// A tensor of another layer: `dense/kernel`, `[in, out]`, is `dense.weight`, `[out, in]`.
fn other(tensor: Tensor) -> candle_core::Result<(String, Tensor)> {
    let name = tensor.name.trim_end_matches(":0").replace('/', ".");
    if let Some(layer) = name.strip_suffix(".embeddings") {
        return Ok((format!("{layer}.weight"), tensor));
    }
    match name.strip_suffix(".kernel") {
        Some(layer) if tensor.shape.len() == 2 => {
            let numbers = tensor.numbers.map(|numbers| numbers.t()?.contiguous()).transpose()?;
            let shape = vec![tensor.shape[1], tensor.shape[0]];
            Ok((format!("{layer}.weight"), Tensor { shape, numbers, ..tensor }))
        }
        _ => Ok((name, tensor)),
    }
}
