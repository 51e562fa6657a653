//! `fgn recipes`.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use fgn_train::{Config, RECIPES};
use serde_json::{Value, json};

use crate::complete;
use crate::error::{Error, Result};
use crate::output::{print, print_json};

pub(crate) const HELP: &str = "\
Examples:
  fgn recipes
  fgn recipes show mnist-rows
  fgn recipes show mnist-rows > mine.toml     then change it, and: fgn train mine.toml
  fgn recipes --json                          [{\"name\":\"mnist\",\"about\":\"…\"},…]
  fgn recipes show mnist-rows --json          the recipe as one JSON object";

#[derive(Debug, Args)]
pub(crate) struct RecipesArgs {
    #[command(subcommand)]
    command: Option<RecipesCommand>,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RecipesCommand {
    /// Print a recipe, as the start of your own
    Show {
        /// The recipe's name
        #[arg(add = ArgValueCompleter::new(complete::recipe_names))]
        name: String,
    },
}

impl RecipesArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            None if self.json => {
                let recipes = RECIPES.iter();
                let all = recipes.map(|(name, text)| json!({ "name": name, "about": about(text) }));
                print_json(&all.collect::<Value>())
            }
            None => print(&list()),
            Some(RecipesCommand::Show { name }) if self.json => {
                let recipe = Config::recipe_text(&name)?.parse::<toml::Table>();
                print_json(&recipe.map_err(|source| Error::Recipe { name, source })?)
            }
            Some(RecipesCommand::Show { name }) => print(Config::recipe_text(&name)?),
        }
    }
}

/// Each name with the first line of its file.
fn list() -> String {
    let widest = RECIPES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, text): &(&str, &str)| format!("{name:widest$}  {}\n", about(text));
    RECIPES.iter().map(line).collect()
}

fn about(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches("# ")
}
