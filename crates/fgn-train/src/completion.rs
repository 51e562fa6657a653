//! What a recipe leaves out of its model, completed from the data: sizes, classes and scales.

use fgn_data::{Dataset, Samples as _, indistinct, statistics};
use fgn_nn::ModelConfig;
use fgn_schema::{Schema, Statistics};
use serde::Deserialize as _;
use toml::Table;
use tracing::warn;

use crate::config::Config;
use crate::data::open_data;
use crate::error::{Error, Result};
use crate::toml_error::explain;

/// Reads the data, and completes `recipe` with what follows from it. The data is given back whole.
///
/// # Errors
/// A typo anywhere, before the data is read; data that cannot be read or divided; a missing value that does not
/// follow from data.
pub(crate) fn complete(recipe: &Config<Table>, origin: &str) -> Result<(Config, Dataset)> {
    recipe.check_settings()?;
    recipe.data.check()?;
    let stand_in = ModelConfig::stand_in(&json(&recipe.model));
    let smallest = completed(recipe, &stand_in, &Statistics::default(), origin)?;
    if recipe.model.get("head").is_some_and(|head| head.get("kind").is_some()) {
        smallest.check_measures()?;
    }
    let dataset = open_data(&recipe.data)?;
    // The validation part must not be used, not even its mean.
    let train = recipe.data.divide(dataset.clone(), recipe.training.seed)?.train;
    let found = statistics(&train)?;
    if !found.constant.is_empty() {
        let names = found.constant.join(", ");
        warn!(
            "the same number in all of the training part, from which nothing is learned: {names}"
        );
    }
    let config = completed(recipe, train.schema(), &found, origin)?;
    let alike = indistinct(&train, config.model.input.scale())?;
    if !alike.is_empty() {
        let names = alike.join(", ");
        warn!(
            "most differences between the numbers of one column are lost in f32, in which the model computes: \
             {names}. A few that are far from the others do that, or a model.input.scale that is not of this data"
        );
    }
    Ok((config, dataset))
}

fn completed(
    recipe: &Config<Table>,
    data: &Schema,
    statistics: &Statistics,
    origin: &str,
) -> Result<Config> {
    let error = |problem: &toml::de::Error| explain(problem, origin.to_owned());
    let model = ModelConfig::complete(&json(&recipe.model), data, statistics)?;
    let model = Table::try_from(model).map_err(|problem| Error::Recipe {
        origin: origin.to_owned(),
        message: problem.to_string(),
        nearest: None,
    })?;
    let mut whole: Table = recipe.to_toml()?.parse().map_err(|problem| error(&problem))?;
    whole.insert("model".into(), model.into());
    Config::deserialize(whole).map_err(|problem| error(&problem))
}

/// The table of a recipe as `fgn-nn` takes it.
fn json(model: &Table) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(model) {
        Ok(serde_json::Value::Object(map)) => map,
        // A table always is an object.
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fgn_nn::{HeadConfig, ImageRows, InputConfig};

    use super::*;
    use crate::error::Error;
    use crate::overrides::Override;

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
        let HeadConfig::Classification(head) = &config.model.head else {
            panic!("{:?}", config.model.head);
        };
        assert_eq!((head.classes, &head.names[..]), (2, &["even".to_owned(), "odd".into()][..]));
        let InputConfig::Series(input) = &config.model.input else {
            panic!("{:?}", config.model.input);
        };
        assert_eq!(input.features, 2);
        let parts = config.data.divide(dataset.unwrap(), config.training.seed).unwrap();
        assert_eq!([parts.train.len(), parts.valid.unwrap().len(), parts.test.len()], [12, 4, 4]);
        assert_eq!(input.scale, statistics(&parts.train).unwrap().input);

        // Numbers in place of classes; what the recipe says stands.
        let numbers = ["data.series.task=regression", "data.series.target=x"];
        let kept = ["data.series.ignore=kind", "model.recurrent.hidden_size=5"];
        let all = [&all[..], &numbers, &kept].concat();
        let (config, _) = open(&all).unwrap_or_else(|error| panic!("{error}"));
        let HeadConfig::Regression(head) = &config.model.head else {
            panic!("{:?}", config.model.head);
        };
        assert_eq!((head.values, &head.names[..]), (1, &["x".to_owned()][..]));
        assert!(head.scale.is_some());
        assert_eq!(config.model.recurrent.hidden_size, 5);
        let text = config.to_toml().unwrap();
        assert_eq!(Config::parse(&text, "written", &[]).unwrap(), config, "it needs no data now");
    }

    #[test]
    fn typos_are_reported_before_the_data_is_read() {
        for (typo, expected) in [
            ("model.recurrent.hiden_size=3", "did you mean \"hidden_size\"?"),
            ("model.head.clases=3", "did you mean \"classes\"?"),
            ("model.input={ kind = \"image-rows\", hight = 3 }", "did you mean \"height\"?"),
            ("training.epoch=3", "did you mean \"epochs\"?"),
            ("training.epochs=0", "training.epochs is 0"),
            ("data.series.tarjet=x", "did you mean \"target\"?"),
            ("model.hidden_size=3", "did you mean \"model.recurrent.hidden_size\"?"),
        ] {
            let message = open(&["data.source=no/such.csv", typo]).err().unwrap().to_string();
            assert!(message.contains(expected), "{typo}: {message}");
        }
        for (measure, expected) in [
            ("monitor=mea", "monitor is \"mea\", expected one of loss, mae, rmse, r2"),
            ("metrics=[\"accuracy\"]", "metrics has \"accuracy\", which is not for 1 value"),
        ] {
            let settings = ["data.source=no/such.csv", "model.head.kind=regression", measure];
            let message = open(&settings).err().unwrap().to_string();
            assert!(message.contains(expected), "{measure}: {message}");
        }
        let settings = ["data.source=no/such.csv", "data.series.id=a", "data.series.target=b"];
        let error = open(&settings).err().unwrap();
        assert!(matches!(error, Error::Data(fgn_data::Error::Read { .. })), "{error}");
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
        assert_eq!(config.model.head, fgn_nn::Classification::new(10).into());
        assert_eq!(config.model.input, ImageRows::new(28, 28).into());
    }
}
