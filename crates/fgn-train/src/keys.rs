//! The keys that a recipe may have, for those who type one.

use std::collections::BTreeSet;

use fgn_nn::ModelConfig;
use toml::Table;

use crate::config::Config;
use crate::error::Error;
use crate::overrides::Override;
use crate::recipe::RECIPES;

/// Every dotted key that `--set` takes: `training.epochs`, `optimizer.momentum`, `model.recurrent.cell.name`.
///
/// No list of them is kept: the types of the configuration are asked, with keys that no table has. So those of
/// every optimizer, schedule, input layer, cell and head are there.
///
/// ```
/// let keys = fgn_train::recipe_keys();
/// for key in ["training.epochs", "data.series.id", "schedule.factor", "optimizer.momentum"] {
///     assert!(keys.iter().any(|known| known == key), "{key}");
/// }
/// ```
pub fn recipe_keys() -> Vec<String> {
    let mut keys = BTreeSet::new();
    // Recipes that leave something of the model open say nothing of the rest.
    let is_whole = |text: &str| Config::<ModelConfig>::parse(text, "", &[]).is_ok();
    for (_, text) in RECIPES.iter().filter(|(_, text)| is_whole(text)) {
        add(text, "", &[], &mut keys);
    }
    keys.into_iter().collect()
}

/// A key, and a name, that nothing has.
const NONE: &str = "?";
/// The keys that say of which kind a table is.
const TAGS: [&str; 2] = ["name", "kind"];

/// Adds the keys below `table` in the recipe `text` changed by `with`; gives whether it is a table.
fn add(text: &str, table: &str, with: &[Override], keys: &mut BTreeSet<String>) -> bool {
    let dotted =
        |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    for tag in TAGS {
        let (unknown, kinds) = ask(text, with, &dotted(tag));
        if unknown != "variant" {
            continue;
        }
        for kind in kinds {
            // In place of the recipe's table, whose keys are those of one kind.
            let kind = Table::from_iter([(tag.to_owned(), kind.into())]);
            let with = [with, &[Override::new(table, kind)]].concat();
            add_fields(text, table, &with, keys);
        }
        keys.insert(dotted(tag));
        return true;
    }
    add_fields(text, table, with, keys)
}

/// As [`add`], of a table of one kind.
fn add_fields(text: &str, table: &str, with: &[Override], keys: &mut BTreeSet<String>) -> bool {
    let dotted =
        |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    let (unknown, fields) = ask(text, with, &dotted(NONE));
    if unknown != "field" {
        return false;
    }
    for key in fields.iter().map(|field| dotted(field)) {
        if !keys.contains(&key) && !add(text, &key, with, keys) {
            keys.insert(key);
        }
    }
    true
}

/// Sets `key` to a name that nothing has, and reads the recipe's error: whether a `field` or a `variant` is unknown,
/// and which ones are known there.
fn ask(text: &str, with: &[Override], key: &str) -> (&'static str, Vec<String>) {
    let with = [with, &[Override::new(key, NONE)]].concat();
    let Err(Error::Recipe { message, .. }) = Config::<ModelConfig>::parse(text, "", &with) else {
        return ("", Vec::new());
    };
    let known = message.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    match message.split('`').take(2).collect::<Vec<_>>()[..] {
        ["unknown field ", NONE] => ("field", known),
        ["unknown variant ", NONE] => ("variant", known),
        _ => ("", Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_every_kind_are_there_and_tables_are_not() {
        let keys = recipe_keys();
        for key in [
            "name",
            "metrics",
            "data.source",
            "data.validation",
            "data.series.task",
            "data.images.size",
            "training.average",
            "optimizer.name",
            "optimizer.learning_rate",
            "optimizer.nesterov",
            "schedule.name",
            "schedule.rise",
            "clip.norm",
            "groups",
            "early_stopping.patience",
            "checkpoint.every_steps",
            "report.gate_samples",
            "report.sample_length",
            "model.input.kind",
            "model.input.channels",
            "model.dense.size",
            "model.recurrent.hidden_size",
            "model.recurrent.cell.name",
            "model.recurrent.cell.z",
            "model.head.classes",
            "model.head.kind",
        ] {
            assert!(keys.iter().any(|known| known == key), "no {key} in {keys:#?}");
        }
        for table in ["data", "training", "model", "model.head", "optimizer", "data.series"] {
            assert!(!keys.iter().any(|known| known == table), "{table} is a table");
        }
    }
}
