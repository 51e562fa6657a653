//! `fgn data`.

use std::path::Path;

use candle_core::Device;
use clap::Args;
use fgn_data::{Batches, Dataset, Order, Samples, Target};

use super::{print, source};
use crate::console::grouped;
use crate::{DataConfig, Result};

pub(super) const HELP: &str = "\
Examples:
  fgn data                    the data sets that are built in
  fgn data mnist
  fgn data fashion-mnist/     a folder of your own, looked through as `fgn train --data` would";

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// A data set's name, or a folder
    source: Option<String>,
}

impl DataArgs {
    pub(super) fn run(self) -> Result<()> {
        let Some(named) = self.source else {
            let names: Vec<_> = fgn_data::names().collect();
            return print(&(names.join("\n") + "\n"));
        };
        let is_folder = Path::new(&named).is_dir() || named.contains(std::path::MAIN_SEPARATOR);
        let source = if is_folder { source(Path::new(&named))? } else { named };
        let dataset = DataConfig { source, validation: 0 }.open()?;
        print(&described(&dataset)?)
    }
}

fn described(dataset: &Dataset) -> Result<String> {
    let form = dataset.train.form();
    let mut text = format!("input   {}\ntarget  {}\n", form.input, form.target);
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
