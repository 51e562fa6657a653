//! `fgn data`.

use std::path::Path;

use clap::{Args, value_parser};
use clap_complete::engine::ArgValueCompleter;
use fgn_data::{DataConfig, Dataset, Samples, indistinct, statistics};
use fgn_report::grouped;
use fgn_train::{open_data, override_data};
use serde_json::{Map, Value, json};

use crate::classes::{classes, is_class_per_sample};
use crate::complete;
use crate::error::Result;
use crate::items;
use crate::output::{in_line, print, print_json};
use crate::saved_samples::save;
use crate::settings;
use crate::sounds;
use crate::stdin::Source;
use crate::texts;

pub(crate) const HELP: &str = "\
Examples:
  fgn data                    the names of the built-in data sets
  fgn data mnist
  fgn data fashion-mnist/     data of your own, read as `fgn train --data` would read it
  fgn data mnist --save 3     also writes three test images to the current folder, as PNG files
  fgn data dtmf --save 3      three sounds, as WAV files
  fgn data shakespeare        the vocabulary and the beginning of a text
  fgn data shop               the items, the most frequent ones, and a session
  fgn data adding --set data.task.length=5000    a long-memory task
  fgn data emnist/ --set data.idx.transpose=true
  fgn data photos --set data.images.size=[28,28]
  fgn data steps.csv --set data.series.id=who --set data.series.target=kind
  fgn data steps.csv --set data.series.id=who --set data.series.task=regression \\
    --set data.series.target=level

The keys of --set are those of a recipe's [data]. Each reader has a table of its own.

With --json: {\"input\":\"series of 2 features\",\"target\":\"2 classes\",\"names\":[\"falling\",\"rising\"],
\"features\":[\"x\",\"noise\"],\"parts\":{\"train\":{\"samples\":240,\"classes\":{\"falling\":113,…}},…}}";

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The name of a data set, or the path of a file or folder; - for a table on standard input
    #[arg(add = ArgValueCompleter::new(complete::data))]
    source: Option<String>,
    /// Set a key of a recipe's [data]; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "source",
        add = ArgValueCompleter::new(complete::data_keys))]
    set: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Save this many images or sounds of the test part, as a model sees them, to PNG or WAV files in the current
    /// folder: NAME-INDEX-CLASS.png
    #[arg(long, value_name = "N", requires = "source", value_parser = value_parser!(u32).range(1..))]
    save: Option<u32>,
}

impl DataArgs {
    pub(crate) fn run(self) -> Result<()> {
        let Some(mut source) = self.source else {
            let names: Vec<_> = fgn_data::names().collect();
            return match self.json {
                true => print_json(&json!({ "names": names })),
                false => print(&(names.join("\n") + "\n")),
            };
        };
        let path = Path::new(&source).to_owned();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let input = Source::open(&path, "csv")?;
        if input.path().exists() {
            source = DataConfig::absolute(input.path())?;
        }
        let config = override_data(&DataConfig::new(source), &settings::parsed(&self.set)?)?;
        let dataset = open_data(&config).map_err(|error| input.explain(error.into()))?;
        if !self.json {
            print(&described(&dataset)?)?;
        }
        let saved = match self.save {
            Some(count) => save(&*dataset.test, &name, count)?,
            None => Vec::new(),
        };
        match self.json {
            true => print_json(&json(&dataset, &saved)?),
            false => saved.iter().try_for_each(|file| print(&format!("saved     {file}\n"))),
        }
    }
}

/// The parts that there are, by name.
fn parts(dataset: &Dataset) -> impl Iterator<Item = (&'static str, &dyn Samples)> {
    let valid = dataset.valid.as_deref();
    let all = [("train", Some(&*dataset.train)), ("valid", valid), ("test", Some(&*dataset.test))];
    all.into_iter().filter_map(|(name, part)| Some((name, part?)))
}

/// What `--json` prints.
fn json(dataset: &Dataset, saved: &[String]) -> Result<Value> {
    let schema = dataset.train.schema();
    let found = statistics(&*dataset.train)?;
    let mut described = Map::new();
    for (name, part) in parts(dataset) {
        let mut object = json!({ "samples": part.len() });
        if let Some(counts) = class_counts(part)? {
            let named =
                schema.target.names().iter().cloned().zip(counts.into_iter().map(Value::from));
            object["classes"] = named.collect::<Map<_, _>>().into();
        }
        if schema.input.tokenizer().is_some() {
            object["tokens"] = texts::tokens(part)?.into();
        }
        if let Some(events) = items::events(part)? {
            object["events"] = events.into();
        }
        described.insert(name.into(), object);
    }
    Ok(json!({
        "input": schema.input.to_string(),
        "target": schema.target.to_string(),
        "names": schema.target.names(),
        "features": dataset.train.features(),
        "constant": found.constant,
        "alike": indistinct(&*dataset.train, found.input.as_ref())?,
        "sounds": sounds::json(&*dataset.train)?,
        "items": items::json(&*dataset.train),
        "vocabulary": texts::vocabulary(&*dataset.train),
        "parts": described,
        "saved": saved,
    }))
}

fn described(dataset: &Dataset) -> Result<String> {
    let train = &dataset.train;
    let schema = train.schema();
    let mut text = format!("input     {}\ntarget    {}", schema.input, schema.target);
    let names = schema.target.names();
    if !is_class_per_sample(&schema.target) && !names.is_empty() {
        text += &format!(": {}", in_line(&names.join(", ")));
    }
    text += "\n";
    if !train.features().is_empty() {
        text += &format!("features  {}\n", in_line(&train.features().join(", ")));
    }
    let found = statistics(&**train)?;
    if !found.constant.is_empty() {
        let names = found.constant.join(", ");
        let names = in_line(&names);
        text += &format!("constant  {names} (the same number everywhere: nothing to learn from)\n");
    }
    let alike = indistinct(&**train, found.input.as_ref())?.join(", ");
    if !alike.is_empty() {
        text += &format!(
            "alike     {} (most differences are lost in f32: a few numbers are far from all others)\n",
            in_line(&alike)
        );
    }
    text += &sounds::described(&**train)?;
    text += &texts::described(&**train)?;
    text += &items::described(&**train)?;
    for (name, part) in parts(dataset) {
        text += &format!("{name:9} {} samples{}\n", grouped(part.len()), counted(part)?);
    }
    Ok(text)
}

/// The number of samples of each class as text, where each sample has a class; of texts the number of tokens, of sessions that
/// of the events to predict.
fn counted(samples: &dyn Samples) -> Result<String> {
    if samples.schema().input.tokenizer().is_some() && class_counts(samples)?.is_none() {
        return Ok(format!("  ({} tokens)", grouped(texts::tokens(samples)? as usize)));
    }
    if let Some(events) = items::events(samples)? {
        return Ok(format!("  ({} events to predict)", grouped(events as usize)));
    }
    let Some(counts) = class_counts(samples)? else { return Ok(String::new()) };
    let counted = samples.schema().target.names().iter().zip(counts);
    let counted: Vec<_> =
        counted.map(|(name, count)| format!("{}: {}", in_line(name), grouped(count))).collect();
    Ok(format!("  ({})", counted.join("  ")))
}

/// The number of samples of each class, where each sample has a class.
fn class_counts(samples: &dyn Samples) -> Result<Option<Vec<usize>>> {
    let target = &samples.schema().target;
    if !is_class_per_sample(target) {
        return Ok(None);
    }
    let mut counts = vec![0; target.names().len()];
    for class in classes(samples)? {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    Ok(Some(counts))
}
