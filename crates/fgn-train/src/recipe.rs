//! Recipes: configurations in TOML, embedded or from a file, with overrides.

use std::borrow::Cow;
use std::path::Path;

use fgn_data::Dataset;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;

use crate::completion::complete;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::overrides::Override;
use crate::toml_error::{explain, in_file};

/// The embedded recipes, as names and TOML: one file and one line each.
pub const RECIPES: &[(&str, &str)] = &[
    ("mnist", include_str!("../recipes/mnist.toml")),
    ("mnist-rows", include_str!("../recipes/mnist-rows.toml")),
    ("mnist-pixels", include_str!("../recipes/mnist-pixels.toml")),
    ("mnist-permuted", include_str!("../recipes/mnist-permuted.toml")),
    ("mnist-binary", include_str!("../recipes/mnist-binary.toml")),
    ("series", include_str!("../recipes/series.toml")),
    ("images", include_str!("../recipes/images.toml")),
    ("shakespeare", include_str!("../recipes/shakespeare.toml")),
    ("scan", include_str!("../recipes/scan.toml")),
    ("booking", include_str!("../recipes/booking.toml")),
    ("names", include_str!("../recipes/names.toml")),
    ("text", include_str!("../recipes/text.toml")),
    ("documents", include_str!("../recipes/documents.toml")),
    ("tags", include_str!("../recipes/tags.toml")),
    ("pairs", include_str!("../recipes/pairs.toml")),
    ("dialogues", include_str!("../recipes/dialogues.toml")),
    ("dtmf", include_str!("../recipes/dtmf.toml")),
    ("digits", include_str!("../recipes/digits.toml")),
    ("digit-strings", include_str!("../recipes/digit-strings.toml")),
    ("keywords", include_str!("../recipes/keywords.toml")),
    ("vowels", include_str!("../recipes/vowels.toml")),
    ("shop", include_str!("../recipes/shop.toml")),
    ("sessions", include_str!("../recipes/sessions.toml")),
    ("msnbc", include_str!("../recipes/msnbc.toml")),
    ("movielens", include_str!("../recipes/movielens.toml")),
    ("adding", include_str!("../recipes/adding.toml")),
    ("copy", include_str!("../recipes/copy.toml")),
    ("selective-copy", include_str!("../recipes/selective-copy.toml")),
    ("reber", include_str!("../recipes/reber.toml")),
    ("recall", include_str!("../recipes/recall.toml")),
    ("parity", include_str!("../recipes/parity.toml")),
];

impl Config {
    /// An embedded recipe, as it is.
    ///
    /// # Errors
    /// An unknown name; the error lists the known ones.
    ///
    /// ```
    /// let config = fgn_train::Config::recipe("mnist")?;
    /// assert_eq!(config.training.epochs, 10);
    ///
    /// let error = fgn_train::Config::recipe("mnits").unwrap_err();
    /// assert!(error.to_string().ends_with("did you mean \"mnist\"?"));
    /// # Ok::<(), fgn_train::Error>(())
    /// ```
    pub fn recipe(name: &str) -> Result<Config> {
        Config::load(name, &[])
    }

    /// An embedded recipe's text, with its comments.
    ///
    /// # Errors
    /// An unknown name; the error lists the known ones.
    pub fn recipe_text(name: &str) -> Result<&'static str> {
        let recipe = RECIPES.iter().find(|(known, _)| *known == name);
        recipe.map(|(_, text)| *text).ok_or_else(|| unknown(name))
    }

    /// The recipe of that name, or in that file if it ends in `.toml`, with `overrides` applied
    /// in their order; checked. What it leaves out of the model is taken from the data, which is read then.
    ///
    /// # Errors
    /// An unknown recipe; a file that cannot be read or is no TOML; an unknown key or a value that
    /// does not fit, with the nearest known one; whatever [`Config::check`] refuses; data that is needed and
    /// cannot be read.
    pub fn load(recipe: &str, overrides: &[Override]) -> Result<Config> {
        Ok(Config::open(recipe, overrides)?.0)
    }

    /// As [`load`](Self::load), with the data set, if it had to be read: whole, as
    /// [`DataConfig::open`](crate::DataConfig::open) gives it.
    ///
    /// # Errors
    /// As there.
    pub fn open(recipe: &str, overrides: &[Override]) -> Result<(Config, Option<Dataset>)> {
        let text: Cow<'_, str> = match RECIPES.iter().find(|(name, _)| *name == recipe) {
            Some((_, text)) => (*text).into(),
            None if Path::new(recipe).extension().is_some_and(|extension| extension == "toml") => {
                std::fs::read_to_string(recipe).map_err(Error::io("read", recipe))?.into()
            }
            None => return Err(unknown(recipe)),
        };
        let (config, dataset) = match Config::parse(&text, recipe, overrides) {
            Err(Error::Recipe { message, .. }) if message.starts_with(MISSING) => {
                let open = Config::parse(&text, recipe, overrides)?;
                let (config, dataset) = complete(&open, recipe)?;
                (config, Some(dataset))
            }
            parsed => (parsed?, None),
        };
        config.check()?;
        Ok((config, dataset))
    }
}

/// How serde begins to say that something is left out.
const MISSING: &str = "missing field";

impl<M: DeserializeOwned, D: DeserializeOwned> Config<M, D> {
    /// A recipe's text with `overrides` applied in their order; `origin` names it in errors. Nothing
    /// is checked but names and types.
    ///
    /// # Errors
    /// A text that is no TOML; an unknown key or a value that does not fit, with the nearest known one.
    pub fn parse(text: &str, origin: &str, overrides: &[Override]) -> Result<Config<M, D>> {
        // The text must be right as it stands; so an error in it is reported with its line.
        let config = toml::from_str(text).map_err(|problem| in_file(&problem, text, origin))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let mut table = text.parse().map_err(|problem| in_file(&problem, text, origin))?;
        for setting in overrides {
            setting.apply(&mut table)?;
        }
        Config::deserialize(table).map_err(|problem| {
            let given: Vec<_> = overrides.iter().map(Override::to_string).collect();
            explain(&problem, format!("with {} applied to {origin}", given.join(", ")))
        })
    }
}

fn unknown(recipe: &str) -> Error {
    let names = || RECIPES.iter().map(|(name, _)| *name);
    Error::UnknownRecipe {
        name: recipe.to_owned(),
        known: names().collect::<Vec<_>>().join(", "),
        nearest: nearest(recipe, names()),
    }
}

#[cfg(test)]
mod tests {
    use fgn_nn::ModelConfig;
    use toml::Table;

    use super::*;
    use crate::optimizer::rules::sgd::Sgd;
    use crate::schedule::Schedule;

    fn load(recipe: &str, overrides: &[&str]) -> Result<Config> {
        let overrides = overrides.iter().map(|text| text.parse()).collect::<Result<Vec<_>>>()?;
        Config::load(recipe, &overrides)
    }

    #[test]
    fn every_recipe_is_right_and_survives_being_written() {
        for (name, text) in RECIPES {
            let text = *text;
            if text.contains("source = \"")
                && text.lines().next().is_some_and(|line| line.contains("--data"))
            {
                // Their data is the user's: the tests of the command line train them.
                let config = Config::<Table>::parse(text, name, &[]).unwrap();
                assert_eq!(config.name, *name);
            } else {
                let config = Config::recipe(name).unwrap();
                assert_eq!(config.name, *name);
                let written = config.to_toml().unwrap();
                let again = Config::<ModelConfig>::parse(&written, "written", &[]).unwrap();
                assert_eq!(config, again);
            }
            assert!(text.starts_with("# "), "{name} opens with a line that says what it is");
        }
    }

    #[test]
    fn overrides_are_applied_in_order() {
        let settings = [
            "training.epochs=3",
            "training.epochs = 4",
            "optimizer={ name = \"sgd\", momentum = 0.5 }",
            "optimizer.learning_rate=1",
            "schedule.name=constant",
            "model.recurrent.cell.name=lstm",
            "data.source=some/folder",
        ];
        let config = load("mnist-rows", &settings).unwrap();
        assert_eq!(config.training.epochs, 4);
        assert_eq!(config.optimizer.learning_rate(), 1.0);
        assert_eq!(config.schedule, Schedule::Constant);
        let expected = Sgd { learning_rate: 1.0, momentum: 0.5, ..Sgd::default() };
        assert_eq!(config.optimizer, expected.into());
        assert_eq!(config.model.recurrent.cell, fgn_core::AnyCell::LSTM);
        assert_eq!(config.data.source, "some/folder");
    }

    #[test]
    fn typos_in_overrides_are_reported_with_what_was_meant() {
        let typos = [
            ("training.epoch=3", "unknown field `epoch`", "did you mean \"epochs\"?"),
            (
                "model.recurent.hidden_size=3",
                "unknown field `recurent`",
                "did you mean \"recurrent\"?",
            ),
            ("model.recurrent.cell.name=lstn", "unknown variant `lstn`", "did you mean \"lstm\"?"),
            ("schedule.name=cosin", "unknown variant `cosin`", "did you mean \"cosine\"?"),
            ("training.epochs=many", "invalid type: string \"many\"", "applied to mnist"),
            ("training.epochs=-3", "integer `-3`", "training.epochs=-3"),
            ("training.epochs.x=3", "\"epochs\" is a value", ""),
            ("training.epochs", "expected key=value", ""),
            ("=3", "is no dotted key", ""),
            ("training.epochs={", "is no TOML value", ""),
            ("training.epochs=3\nx=1", "is more than one value", ""),
            ("training.epochs=", "is no TOML value", ""),
        ];
        for (text, found, hint) in typos {
            let message = load("mnist", &[text]).unwrap_err().to_string();
            assert!(message.contains(found) && message.contains(hint), "{text}: {message}");
        }
    }

    #[test]
    fn keys_by_other_names_are_suggested_whole() {
        for (text, key) in [
            ("lr=1", "optimizer.learning_rate"),
            ("optimizer.lr=1", "optimizer.learning_rate"),
            ("training.lr=1", "optimizer.learning_rate"),
            ("learning_rate=1", "optimizer.learning_rate"),
            ("batch_size=1", "training.batch_size"),
            ("epochs=1", "training.epochs"),
            ("seed=1", "training.seed"),
            ("hidden_size=1", "model.recurrent.hidden_size"),
            ("model.hidden_size=1", "model.recurrent.hidden_size"),
            ("model.recurrent.units=1", "model.recurrent.hidden_size"),
            ("model.cell=lstm", "model.recurrent.cell.name"),
            ("model.recurrent.cell=lstm", "model.recurrent.cell.name"),
            ("model.recurrent.dropout=0.2", "model.recurrent.dropout.rate"),
            ("model.head=regression", "model.head.kind"),
            ("model.input=series", "model.input.kind"),
            ("model.dense=100", "model.dense.size"),
            ("optimizer=sgd", "optimizer.name"),
            ("schedule=cosine", "schedule.name"),
            ("clip=1.0", "clip.norm"),
            ("early_stopping=3", "early_stopping.patience"),
        ] {
            let message = load("mnist-rows", &[text]).unwrap_err().to_string();
            let hint = format!("; did you mean {key:?}?");
            assert!(message.ends_with(&hint), "{text}: {message}");
        }
        let text = RECIPES[1].1.replace("\nlearning_rate = ", "\nlr = ");
        let message = Config::<ModelConfig>::parse(&text, "my.toml", &[]).unwrap_err().to_string();
        assert!(message.ends_with("; did you mean \"optimizer.learning_rate\"?"), "{message}");
    }

    #[test]
    fn typos_in_a_file_are_reported_by_line() {
        let text = RECIPES[0].1;
        let line_of =
            |part: &str| text.lines().position(|line| line.starts_with(part)).unwrap() + 1;
        for (good, bad) in [("epochs", "epoch"), ("hidden_size", "hiden_size"), ("height", "hight")]
        {
            let spoiled = text.replace(&format!("\n{good} = "), &format!("\n{bad} = "));
            let message =
                Config::<ModelConfig>::parse(&spoiled, "my.toml", &[]).unwrap_err().to_string();
            assert!(message.contains(&format!("did you mean {good:?}?")), "{message}");
            assert!(message.starts_with(&format!("my.toml, line {}:", line_of(good))), "{message}");
        }
        let message = Config::<ModelConfig>::parse("name = \"x\"\ndata = [", "my.toml", &[])
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("my.toml, line 2: "), "{message}");
    }

    #[test]
    fn unknown_recipes_are_reported_with_the_known() {
        let message = load("mnist-row", &[]).unwrap_err().to_string();
        assert!(
            message.contains("mnist, mnist-rows, mnist-pixels, mnist-permuted, mnist-binary"),
            "{message}"
        );
        assert!(message.ends_with("did you mean \"mnist-rows\"?"), "{message}");
        let message = load("no/such.toml", &[]).unwrap_err().to_string();
        assert_eq!(message, "cannot read no/such.toml");
    }
}
