//! What a recipe leaves out of its model, taken from the data: sizes, classes and scales.

use fgn_data::{Dataset, Form, Input, Moments, Samples as _, Statistics, Target};
use serde::Deserialize as _;
use toml::{Table, Value};

use crate::recipe::explain;
use crate::{Config, Result};

/// Reads the data, and completes `recipe` with what is known by it then. The data is given back whole.
///
/// # Errors
/// A slip anywhere, before the data is read; data that cannot be read or divided; something missing that no
/// data can tell.
pub(crate) fn complete(recipe: &Config<Table>, origin: &str) -> Result<(Config, Dataset)> {
    recipe.check_settings()?;
    recipe.data.check()?;
    let stand_in = stand_in(&recipe.model);
    with_model(recipe, filled(&recipe.model, &stand_in, &Statistics::default()), origin)?;
    let dataset = recipe.data.open()?;
    // What is held out is not to be seen, not even its mean.
    let train = recipe.data.divide(dataset.clone(), recipe.training.seed)?.train;
    let model = filled(&recipe.model, train.form(), &Statistics::of(&train)?);
    Ok((with_model(recipe, model, origin)?, dataset))
}

fn with_model(recipe: &Config<Table>, model: Table, origin: &str) -> Result<Config> {
    let told = |problem: &toml::de::Error| explain(problem, origin.to_owned());
    let mut whole: Table = recipe.to_toml()?.parse().map_err(|problem| told(&problem))?;
    whole.insert("model".into(), model.into());
    Config::deserialize(whole).map_err(|problem| told(&problem))
}

/// Of some data that the model might be for.
fn stand_in(model: &Table) -> Form {
    let kind = model.get("input").and_then(|input| input.get("kind")).and_then(Value::as_str);
    let input = match kind {
        Some(kind) if kind.starts_with("image") => {
            Input::Image { height: 4, width: 4, channels: 1 }
        }
        Some("symbols") => Input::Symbols { symbols: 2 },
        _ => Input::Series { features: 1 },
    };
    let target = match model.contains_key("numbers") {
        true => Target::Numbers(vec!["0".into()]),
        false => Target::Classes(vec!["0".into(), "1".into()]),
    };
    Form { input, target, each_step: false }
}

/// `model` with all that it does not say, as far as the data's form says it.
fn filled(model: &Table, form: &Form, found: &Statistics) -> Table {
    let mut model = model.clone();
    let told = ["classes", "numbers"].iter().any(|key| model.contains_key(*key));
    let (count, names) = match &form.target {
        Target::Classes(names) => ("classes", names),
        Target::Numbers(names) => ("numbers", names),
    };
    if !told {
        model.insert(count.into(), number(names.len()));
        // Those that are only counted need no names.
        if !names.iter().enumerate().all(|(at, name)| *name == at.to_string()) {
            let names: Vec<_> = names.iter().cloned().map(Value::String).collect();
            model.entry("names").or_insert(names.into());
        }
        if let Some(moments) = &found.target {
            model.entry("target_scale").or_insert(scale(moments));
        }
        if form.each_step {
            model.entry("each_step").or_insert(true.into());
        }
    }
    let input = model.entry("input").or_insert_with(|| Value::Table(Table::new()));
    let Some(input) = input.as_table_mut() else {
        return model; // The mistake is told when it is read.
    };
    let mut give = |key: &str, value: Value| {
        input.entry(key).or_insert(value);
    };
    match form.input {
        Input::Image { height, width, .. } => {
            give("kind", "image-rows".into());
            give("height", number(height));
            give("width", number(width));
        }
        Input::Series { features } => {
            give("kind", "series".into());
            give("features", number(features));
            if let Some(moments) = &found.input {
                give("scale", scale(moments));
            }
        }
        Input::Symbols { symbols } => {
            give("kind", "symbols".into());
            give("symbols", number(symbols));
        }
    }
    model
}

fn number(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn scale(moments: &Moments) -> Value {
    let numbers = |all: &[f64]| Value::Array(all.iter().copied().map(Value::Float).collect());
    let (mean, deviation) = (numbers(&moments.mean), numbers(&moments.deviation));
    Value::Table(Table::from_iter([("mean".to_owned(), mean), ("deviation".to_owned(), deviation)]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fgn_nn::{InputConfig, Scale};

    use super::*;
    use crate::{Error, Override};

    fn open(overrides: &[&str]) -> Result<(Config, Option<Dataset>)> {
        let overrides: Result<Vec<Override>> = overrides.iter().map(|text| text.parse()).collect();
        Config::open("series", &overrides?)
    }

    #[test]
    fn classes_sizes_and_scales_are_those_of_the_training_part() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("steps.csv");
        let mut text = "who,x,y,kind\n".to_owned();
        for who in 0..20 {
            for step in 0..=who % 3 {
                let kind = if who % 2 == 0 { "even" } else { "odd" };
                text += &format!("{who},{},{step},{kind}\n", 10 * who);
            }
        }
        fs::write(&file, text).unwrap();
        let source = format!("data.source={:?}", file.to_str().unwrap());
        let settings = ["data.series.id=who", "data.series.target=kind", "data.validation=4"];
        let all = [&[&source[..]], &settings[..]].concat();
        let (config, dataset) = open(&all).unwrap();
        assert_eq!(config.model.classes, 2);
        assert_eq!(config.model.names, ["even", "odd"]);
        let InputConfig::Series { features: 2, scale: Some(scale) } = &config.model.input else {
            panic!("{:?}", config.model.input);
        };
        let parts = config.data.divide(dataset.unwrap(), config.training.seed).unwrap();
        assert_eq!([parts.train.len(), parts.valid.unwrap().len(), parts.test.len()], [12, 4, 4]);
        let expected = Statistics::of(&parts.train).unwrap().input.unwrap();
        let expected = Scale { mean: expected.mean, deviation: expected.deviation };
        assert_eq!(*scale, expected);

        // Numbers in place of classes; what the recipe says stands.
        let numbers = ["data.series.task=numbers", "data.series.target=x"];
        let kept = ["data.series.ignore=kind", "model.recurrent.hidden_size=5"];
        let all = [&all[..], &numbers, &kept].concat();
        let (config, _) = open(&all).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((config.model.numbers, config.model.classes), (1, 0));
        assert_eq!(config.model.names, ["x"]);
        assert!(config.model.target_scale.is_some());
        assert_eq!(config.model.recurrent.hidden_size, 5);
        let text = config.to_toml().unwrap();
        assert_eq!(Config::parse(&text, "written", &[]).unwrap(), config, "it needs no data now");
    }

    #[test]
    fn slips_are_told_before_the_data_is_read() {
        for (slip, expected) in [
            ("model.recurrent.hiden_size=3", "did you mean \"hidden_size\"?"),
            ("model.clases=3", "did you mean \"classes\"?"),
            ("model.input={ kind = \"image-rows\", hight = 3 }", "did you mean \"height\"?"),
            ("training.epoch=3", "did you mean \"epochs\"?"),
            ("training.epochs=0", "training.epochs is 0"),
            ("data.series.tarjet=x", "did you mean \"target\"?"),
        ] {
            let message = open(&["data.source=no/such.csv", slip]).err().unwrap().to_string();
            assert!(message.contains(expected), "{slip}: {message}");
        }
        let settings = ["data.source=no/such.csv", "data.series.id=a", "data.series.target=b"];
        let error = open(&settings).err().unwrap();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn what_no_data_can_tell_is_still_missing() {
        let text = "name = \"a\"\n[data]\nsource = \"mnist\"\nvalidation = 100\n[training]\n\
                    epochs = 1\nbatch_size = 10\n[model]\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, text).unwrap();
        let message = Config::load(file.to_str().unwrap(), &[]).unwrap_err().to_string();
        assert!(message.contains("missing field `recurrent`"), "{message}");
        let whole =
            format!("{text}recurrent = {{ hidden_size = 3, cell = {{ name = \"lstm\" }} }}");
        fs::write(&file, whole).unwrap();
        let config = Config::load(file.to_str().unwrap(), &[]).unwrap();
        assert_eq!((config.model.classes, config.model.names.len()), (10, 0));
        assert_eq!(config.model.input, InputConfig::ImageRows { height: 28, width: 28 });
    }
}
