//! `fgn import`.

mod description;
mod fit;
mod keras;
mod renaming;
mod weights;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use fgn_nn::Model;
use fgn_train::TrainedRun;
use serde_json::{Value, json};

use crate::complete;
use crate::error::{Error, Result};
use crate::output::{in_line, new_file, print, print_json};
use description::described_model;
use fit::{Taken, fit};
use keras::KerasArgs;
use renaming::{Renaming, ignored, renamed};
use weights::Tensor;

pub(crate) const HELP: &str = "\
Examples:
  python -c 'import torch; torch.save(model.state_dict(), \"weights.pt\")'
  fgn import weights.pt model.safetensors --config model.toml --map lstm=recurrent --map fc=head
  fgn predict model.safetensors new.csv

WEIGHTS is a state dict of PyTorch, as safetensors (.safetensors) or as torch.save writes it (.pt,
.pth), or a safetensors file of Keras' weights, with --keras. FILE is a complete model, as `fgn
export` writes it: `fgn predict`, `fgn eval --data`, `fgn inspect` and `fgn export` to .onnx or --c
take it in place of a run folder.

--config describes the model by the keys of a recipe: `name` and [model], whose input, recurrent
layer and head must be complete, because no data is read. [data] says how `fgn predict` reads
files, and [training] may be left out. The config.toml of a run will do, and so will the name of a
complete recipe.

The parameters of PyTorch's nn.LSTM, nn.GRU, nn.RNN, nn.Linear and nn.Embedding fit as they are,
under our names: recurrent.weight_ih_l0, …, head.weight, head.bias, input.embedding.weight. --map
OLD=NEW replaces the parts OLD that a name begins with; an empty OLD stands before every name, and
of several the longest one counts.

A parameter that is missing, a tensor that is left over, another shape, and numbers that f32
cannot hold exactly are errors, which list them all; nothing is written then.

The result of --json:
  {\"file\":\"model.safetensors\",\"taken\":[{\"name\":\"head.bias\",\"shape\":[3],\"from\":\"fc.bias\",\"dtype\":\"f32\"},…],
   \"ignored\":[{\"name\":\"fc2.bias\",\"shape\":[5]}]}";

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The weights: .safetensors, .pt or .pth
    weights: PathBuf,
    /// The file to write; it ends in .safetensors
    file: PathBuf,
    /// What the model is: a TOML file with the keys of a recipe, or the name of a recipe
    #[arg(long, value_name = "RECIPE", add = ArgValueCompleter::new(complete::recipes))]
    config: String,
    /// Set a key of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE", add = ArgValueCompleter::new(complete::keys))]
    set: Vec<String>,
    /// Names that begin with OLD begin with NEW instead; may be repeated
    #[arg(long, value_name = "OLD=NEW")]
    map: Vec<Renaming>,
    /// Leave out the tensors whose names in WEIGHTS begin with NAME; may be repeated
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,
    /// Of a .pt or .pth file: the key of the dictionary that holds the state dict, such as `state_dict`
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Round numbers of float64 that float32 cannot hold exactly
    #[arg(long)]
    round: bool,
    #[command(flatten)]
    keras: KerasArgs,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl ImportArgs {
    pub(crate) fn run(self) -> Result<()> {
        let reason = "it holds a whole model, as a file of `fgn export` does";
        new_file(&self.file, "safetensors", reason, self.force)?;
        let config = described_model(&self.config, &self.set)?;
        let model = Model::new(&config.model, 0, DType::F32, &Device::Cpu)?;
        let refused = |message| Error::Weights { file: self.weights.clone(), message };
        let mut tensors = weights::read(&self.weights, self.key.as_deref()).map_err(refused)?;
        let ignored = ignored(&mut tensors, &self.ignore).map_err(refused)?;
        let tensors = self.keras.converted(tensors, &self.weights, &config.model)?;
        let tensors = renamed(tensors, &self.map).map_err(refused)?;
        let taken = fit(model.parameters(), tensors, self.round).map_err(refused)?;
        TrainedRun { config, model }.export(&self.file)?;
        match self.json {
            true => print_json(&document(&self.file, &taken, &ignored)),
            false => print(&text(&taken, &ignored)),
        }
    }
}

fn document(file: &Path, taken: &[Taken], ignored: &[Tensor]) -> Value {
    let taken = taken.iter().map(|Taken { name, tensor }| {
        json!({ "name": name, "shape": tensor.shape, "from": tensor.name, "dtype": tensor.dtype })
    });
    let ignored = ignored.iter().map(|found| json!({ "name": found.name, "shape": found.shape }));
    json!({
        "file": file.to_string_lossy(),
        "taken": taken.collect::<Vec<_>>(),
        "ignored": ignored.collect::<Vec<_>>(),
    })
}

fn text(taken: &[Taken], ignored: &[Tensor]) -> String {
    let taken = taken.iter().map(|Taken { name, tensor }| {
        let Tensor { name: from, shape, dtype, .. } = tensor;
        format!("{name} {shape:?} from {} ({dtype})\n", in_line(from))
    });
    let ignored = ignored.iter().map(|found| format!("ignored {} {:?}\n", found.name, found.shape));
    taken.chain(ignored).collect()
}
