//! `fgn data`.

use std::path::{Path, PathBuf};

use candle_core::Device;
use clap::{Args, value_parser};
use fgn_data::{Batches, DataConfig, Dataset, Order, Samples, TargetSchema, save_png};
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
  fgn data mnist --save 3     also writes three test images to the current folder, as PNG files
  fgn data emnist/ --set data.idx.transpose=true
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
    /// Save this many images of the test part, as a model sees them, to PNG files in the current folder:
    /// NAME-INDEX-CLASS.png
    #[arg(long, value_name = "N", requires = "source", value_parser = value_parser!(u32).range(1..))]
    save: Option<u32>,
}

impl DataArgs {
    pub(crate) fn run(self) -> Result<()> {
        let Some(mut source) = self.source else {
            let names: Vec<_> = fgn_data::names().collect();
            return print(&(names.join("\n") + "\n"));
        };
        let path = Path::new(&source);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if path.exists() {
            source = DataConfig::absolute(path)?;
        }
        let config = override_data(&DataConfig::new(source), &settings::parsed(&self.set)?)?;
        let dataset = open_data(&config)?;
        print(&described(&dataset)?)?;
        self.save.map_or(Ok(()), |count| save(&*dataset.test, &name, count))
    }
}

/// Saves `count` of the samples, of each class in turn. Nothing is overwritten: if one of the files is there,
/// none is written.
fn save(samples: &dyn Samples, name: &str, count: u32) -> Result<()> {
    if count as usize > samples.len() {
        let expected = format!("1 to {}, the samples of the test part", samples.len());
        let found = count.to_string();
        return Err(fgn_data::Error::Option { option: "--save", found, expected }.into());
    }
    let names = samples.schema().target.names();
    let mut counts = vec![0; names.len()];
    let rank = |(index, class): (u32, u32)| {
        let of_class = counts.get_mut(class as usize).map_or(index, |count| {
            *count += 1;
            *count
        });
        (of_class, class, index)
    };
    let mut all: Vec<_> = (0..).zip(classes(samples)?).map(rank).collect();
    all.sort_unstable();
    all.truncate(count as usize);
    let file = |(_, class, index): (u32, u32, u32)| {
        let class = names.get(class as usize).map_or(String::new(), |class| format!("-{class}"));
        (index, PathBuf::from(format!("{name}-{index}{class}.png")))
    };
    let files: Vec<_> = all.into_iter().map(file).collect();
    if let Some((_, file)) = files.iter().find(|(_, file)| file.exists()) {
        let found = std::io::Error::other("it is there already; move it away");
        let file = file.display().to_string();
        return Err(fgn_data::Error::Write { file, source: found }.into());
    }
    for (index, file) in files {
        save_png(samples, index, &file)?;
        print(&format!("saved     {}\n", file.display()))?;
    }
    Ok(())
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
    let parts =
        [("train", Some(train)), ("valid", dataset.valid.as_ref()), ("test", Some(&dataset.test))];
    for (name, part) in parts {
        if let Some(part) = part {
            text += &format!("{name:9} {} samples{}\n", grouped(part.len()), counted(&**part)?);
        }
    }
    Ok(text)
}

fn is_class_per_sample(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Class { per_step: false, .. })
}

/// The number of samples of each class, where each sample has a class.
fn counted(samples: &dyn Samples) -> Result<String> {
    let target = &samples.schema().target;
    if !is_class_per_sample(target) {
        return Ok(String::new());
    }
    let names = target.names();
    let mut counts = vec![0; names.len()];
    for class in classes(samples)? {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    let counted = names.iter().zip(counts);
    let counted: Vec<_> =
        counted.map(|(name, count)| format!("{name}: {}", grouped(count))).collect();
    Ok(format!("  ({})", counted.join("  ")))
}

/// The class of each sample; 0 where samples have none.
fn classes(samples: &dyn Samples) -> Result<Vec<u32>> {
    if !is_class_per_sample(&samples.schema().target) {
        return Ok(vec![0; samples.len()]);
    }
    let mut all = Vec::with_capacity(samples.len());
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        all.extend(batch?.target().tensor().to_vec1::<u32>()?);
    }
    Ok(all)
}
