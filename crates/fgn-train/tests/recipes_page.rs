//! `docs/recipes.md` has every key of a recipe, and no other.
//!
//! Which keys there are is what the errors for an unknown key name.

use std::collections::BTreeSet;

use fgn_data::{
    AudioOptions, DataConfig, DialogueOptions, DocumentOptions, IdxOptions, ImageOptions,
    PairOptions, SeriesOptions, StringOptions, Task, TaskOptions, TestFiles, TextOptions,
    TokenizerOptions, TsOptions,
};
use fgn_nn::fgn_audio::features::FeaturesConfig;
use fgn_nn::{
    AudioAugment, BlockConfig, DenseConfig, HeadConfig, ImageAugment, InitConfig, InitRule,
    InputConfig, ModelConfig, RecurrentConfig, SeriesAugment,
};
use fgn_train::{
    CheckpointConfig, Clip, Config, EarlyStopping, OptimizerConfig, ParameterGroup, ReportConfig,
    Schedule, TrainingConfig,
};
use serde::de::DeserializeOwned;

const PAGE: &str = include_str!("../../../docs/recipes.md");

type Names = BTreeSet<String>;

/// What is in backquotes.
fn quoted(text: &str) -> Names {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names that `T` expects in place of one that it does not know.
fn expected<T: DeserializeOwned>(text: &str) -> Names {
    let error = toml::from_str::<T>(text).err().expect("an unknown name").message().to_owned();
    let (found, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    assert!(found.contains("unknown") && found.contains("`zzz`"), "{text}: {error}");
    quoted(expected)
}

/// The keys of a table.
fn keys<T: DeserializeOwned>(text: &str) -> Names {
    expected::<T>(&format!("zzz = 1\n{text}"))
}

/// The keys of a table for each of the names that say which it is, and the key of that name.
fn tagged<T: DeserializeOwned>(tag: &str) -> (Names, Names) {
    let names = expected::<T>(&format!("{tag} = \"zzz\""));
    let mut all = Names::from([tag.to_owned()]);
    for name in &names {
        let text = format!("{tag} = \"{name}\"\nzzz = 1");
        // Some have no keys at all.
        let error = toml::from_str::<T>(&text).err().map(|error| error.message().to_owned());
        if let Some((_, expected)) = error.as_deref().and_then(|text| text.split_once("expected")) {
            all.extend(quoted(expected));
        }
    }
    (all, names)
}

/// A section of the page, by its heading.
fn section(heading: &str) -> &'static str {
    let begin = format!("\n## {heading}\n");
    let (_, rest) = PAGE.split_once(&begin).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The keys of the table in a section.
fn documented(heading: &str) -> Names {
    let rows = section(heading).lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| quoted(&format!("`{}", row.split(" | ").next().unwrap_or(row)))).collect()
}

#[test]
fn every_key_is_on_the_page() {
    for (heading, keys) in [
        ("Top level", keys::<Config>("")),
        ("`[data]`", keys::<DataConfig>("")),
        ("`[data.series]`", keys::<SeriesOptions>("")),
        ("`[data.documents]`", keys::<DocumentOptions>("")),
        ("`[data.pairs]`", keys::<PairOptions>("")),
        ("`[data.text]`", keys::<TextOptions>("")),
        ("`[data.dialogues]`", keys::<DialogueOptions>("")),
        ("`[data.text.tokenizer]`", keys::<TokenizerOptions>("")),
        ("`[data.ts]`", keys::<TsOptions>("")),
        ("`[data.audio]`", keys::<AudioOptions>("")),
        ("`[data.audio.test]`", keys::<TestFiles>("")),
        ("`[data.audio.strings]`", keys::<StringOptions>("")),
        ("`[data.images]`", keys::<ImageOptions>("")),
        ("`[data.idx]`", keys::<IdxOptions>("")),
        ("`[data.task]`", keys::<TaskOptions>("")),
        ("`[training]`", keys::<TrainingConfig>("")),
        ("`[clip]`", keys::<Clip>("")),
        ("`[[groups]]`", keys::<ParameterGroup>("")),
        ("`[early_stopping]`", keys::<EarlyStopping>("")),
        ("`[checkpoint]`", keys::<CheckpointConfig>("")),
        ("`[report]`", keys::<ReportConfig>("")),
        ("`[model]`", keys::<ModelConfig>("")),
        ("`[model.input.front_end]`", keys::<FeaturesConfig>("")),
        ("`[model.input.augment]` of sounds", keys::<AudioAugment>("")),
        ("`[model.input.augment]` of images", keys::<ImageAugment>("")),
        ("`[model.input.augment]` of series", keys::<SeriesAugment>("")),
        ("`[model.dense]`", keys::<DenseConfig>("")),
        ("`[model.recurrent]`", keys::<RecurrentConfig>("")),
        ("`[model.recurrent.block]`", keys::<BlockConfig>("")),
        ("`[model.recurrent.init]`", keys::<InitConfig>("")),
        ("`[[model.recurrent.init.rules]]`", keys::<InitRule>("")),
    ] {
        assert_eq!(documented(heading), keys, "{heading}");
    }
    // Of a table with this name the reader of TOML has an error of its own.
    let error = serde_json::from_str::<Task>("{ \"forecast\": { \"zzz\": 1 } }").unwrap_err();
    let forecast = quoted(error.to_string().split_once("expected").expect("the keys").1);
    assert_eq!(documented("`[data.series.task.forecast]`"), forecast);
}

#[test]
fn every_kind_is_on_the_page_with_its_keys() {
    for (heading, (keys, names)) in [
        ("`[optimizer]`", tagged::<OptimizerConfig>("name")),
        ("`[schedule]`", tagged::<Schedule>("name")),
        ("`[model.input]`", tagged::<InputConfig>("kind")),
        ("`[model.recurrent.cell]`", tagged::<fgn_core::AnyCell>("name")),
        ("`[model.head]`", tagged::<HeadConfig>("kind")),
    ] {
        assert_eq!(documented(heading), keys, "{heading}");
        for name in names {
            assert!(section(heading).contains(&format!("`\"{name}\"`")), "{heading}: {name}");
        }
    }
}
