//! `fgn data`.

use std::path::Path;

use candle_core::Device;
use clap::Args;
use fgn_data::{Batches, Dataset, Order, Samples, Target};

use super::print;
use crate::console::grouped;
use crate::data::{absolute, is_table};
use crate::{DataConfig, Result};

pub(super) const HELP: &str = "\
Examples:
  fgn data                    the data sets that are built in
  fgn data mnist
  fgn data fashion-mnist/     a folder of your own, looked through as `fgn train --data` would
  fgn data steps.csv --set data.series.id=who --set data.series.target=kind";

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// A data set's name, a folder, or a table (.csv, .tsv, .parquet)
    source: Option<String>,
    /// Sets any key of a recipe's [data]; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "source")]
    set: Vec<String>,
}

impl DataArgs {
    pub(super) fn run(self) -> Result<()> {
        let Some(mut source) = self.source else {
            let names: Vec<_> = fgn_data::names().collect();
            return print(&(names.join("\n") + "\n"));
        };
        let path = Path::new(&source);
        if path.is_dir() || is_table(path) {
            source = absolute(path)?;
        }
        let settings = self.set.iter().map(|text| text.parse());
        let settings = settings.collect::<Result<Vec<_>>>()?;
        print(&described(&DataConfig::new(source).with(&settings)?.open()?)?)
    }
}

fn described(dataset: &Dataset) -> Result<String> {
    let form = dataset.train.form();
    let mut text = format!("input   {}\ntarget  {}\n", form.input, form.target);
    if let Target::Numbers(names) = &form.target {
        text = text.trim_end().to_owned() + &format!(": {}\n", names.join(", "));
    }
    if !dataset.train.features().is_empty() {
        text += &format!("steps   {}\n", dataset.train.features().join(", "));
    }
    let parts = [
        ("train", Some(&dataset.train)),
        ("valid", dataset.valid.as_ref()),
        ("test", Some(&dataset.test)),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            text += &format!("{name:7} {} samples{}\n", grouped(part.len()), classes(&**part)?);
        }
    }
    Ok(text)
}

/// How many samples there are of each class, where there are classes.
fn classes(samples: &dyn Samples) -> Result<String> {
    let form = samples.form();
    let Target::Classes(names) = &form.target else {
        return Ok(String::new());
    };
    if form.each_step {
        return Ok(String::new());
    }
    let mut counts = vec![0; names.len()];
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        for class in batch?.target.to_vec1::<u32>()? {
            if let Some(count) = counts.get_mut(class as usize) {
                *count += 1;
            }
        }
    }
    let each = names.iter().zip(counts);
    let each: Vec<_> = each.map(|(name, count)| format!("{name}: {}", grouped(count))).collect();
    Ok(format!("  ({})", each.join("  ")))
}
