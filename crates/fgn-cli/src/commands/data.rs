//! `fgn data`.

use std::path::Path;

use candle_core::Device;
use clap::Args;
use fgn_data::{
    Batches, DataConfig, Dataset, Order, Samples, TargetSchema, indistinct, statistics,
};
use fgn_report::grouped;
use fgn_train::{open_data, override_data};

use crate::error::Result;
use crate::output::print;
use crate::settings;

pub(crate) const HELP: &str = "\
Examples:
  fgn data                    the names of the built-in data sets
  fgn data mnist
  fgn data fashion-mnist/     data of your own, read as `fgn train --data` would read it
  fgn data photos --set data.images.size=[28,28]
  fgn data steps.csv --set data.series.id=who --set data.series.target=kind
  fgn data steps.csv --set data.series.id=who --set data.series.task=regression \\
    --set data.series.target=level

The keys of --set are those of a recipe's [data]. Each reader has a table of its own.";

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The name of a data set, or the path of a file or folder
    source: Option<String>,
    /// Set a key of a recipe's [data]; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "source")]
    set: Vec<String>,
}

impl DataArgs {
    pub(crate) fn run(self) -> Result<()> {
        let Some(mut source) = self.source else {
            let names: Vec<_> = fgn_data::names().collect();
            return print(&(names.join("\n") + "\n"));
        };
        let path = Path::new(&source);
        if path.exists() {
            source = DataConfig::absolute(path)?;
        }
        let config = override_data(&DataConfig::new(source), &settings::parsed(&self.set)?)?;
        print(&described(&open_data(&config)?)?)
    }
}

fn described(dataset: &Dataset) -> Result<String> {
    let train = &dataset.train;
    let schema = train.schema();
    let mut text = format!("input     {}\ntarget    {}", schema.input, schema.target);
    let names = schema.target.names();
    if !is_class_per_sample(&schema.target) && !names.is_empty() {
        text += &format!(": {}", names.join(", "));
    }
    text += "\n";
    if !train.features().is_empty() {
        text += &format!("features  {}\n", train.features().join(", "));
    }
    let found = statistics(&**train)?;
    if !found.constant.is_empty() {
        let names = found.constant.join(", ");
        text += &format!("constant  {names} (the same number everywhere: nothing to learn from)\n");
    }
    let alike = indistinct(&**train, found.input.as_ref())?;
    if !alike.is_empty() {
        let names = alike.join(", ");
        text += &format!(
            "alike     {names} (most differences are lost in f32: a few numbers are far from all others)\n"
        );
    }
    let parts =
        [("train", Some(train)), ("valid", dataset.valid.as_ref()), ("test", Some(&dataset.test))];
    for (name, part) in parts {
        if let Some(part) = part {
            text += &format!("{name:9} {} samples{}\n", grouped(part.len()), classes(&**part)?);
        }
    }
    Ok(text)
}

fn is_class_per_sample(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Class { per_step: false, .. })
}

/// The number of samples of each class, where each sample has a class.
fn classes(samples: &dyn Samples) -> Result<String> {
    let target = &samples.schema().target;
    if !is_class_per_sample(target) {
        return Ok(String::new());
    }
    let names = target.names();
    let mut counts = vec![0; names.len()];
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        for class in batch?.target().tensor().to_vec1::<u32>()? {
            if let Some(count) = counts.get_mut(class as usize) {
                *count += 1;
            }
        }
    }
    let counted = names.iter().zip(counts);
    let counted: Vec<_> =
        counted.map(|(name, count)| format!("{name}: {}", grouped(count))).collect();
    Ok(format!("  ({})", counted.join("  ")))
}
