//! `fgn recipes`.

use clap::{Args, Subcommand};
use fgn_train::{Config, RECIPES};

use crate::error::Result;
use crate::output::print;

pub(crate) const HELP: &str = "\
Examples:
  fgn recipes
  fgn recipes show mnist-rows
  fgn recipes show mnist-rows > mine.toml     then change it, and: fgn train mine.toml";

#[derive(Debug, Args)]
pub(crate) struct RecipesArgs {
    #[command(subcommand)]
    command: Option<RecipesCommand>,
}

#[derive(Debug, Subcommand)]
enum RecipesCommand {
    /// Print a recipe, as the start of your own
    Show {
        /// The recipe's name
        name: String,
    },
}

impl RecipesArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            None => print(&list()),
            Some(RecipesCommand::Show { name }) => print(Config::recipe_text(&name)?),
        }
    }
}

/// Each name with the first line of its file.
fn list() -> String {
    let widest = RECIPES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, text): &(&str, &str)| {
        let about = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        format!("{name:widest$}  {about}\n")
    };
    RECIPES.iter().map(line).collect()
}
