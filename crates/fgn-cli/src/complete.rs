//! Shell completion: the script that `fgn completions` prints calls `fgn`, which answers here.

use std::ffi::OsStr;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter as _};
use fgn_train::{RECIPES, recipe_keys};

/// The environment variable that a shell sets to ask for completions.
pub(crate) const VARIABLE: &str = "FGN_COMPLETE";

/// If a shell asks for completions, prints them and exits.
pub(crate) fn answer_shell<C: CommandFactory>() {
    CompleteEnv::with_factory(C::command).var(VARIABLE).complete();
}

/// The recipes, and the TOML files.
pub(crate) fn recipes(typed: &OsStr) -> Vec<CompletionCandidate> {
    let is_recipe = |path: &Path| path.extension().is_some_and(|ending| ending == "toml");
    let files = PathCompleter::any().filter(is_recipe).complete(typed);
    recipe_names(typed).into_iter().chain(files).collect()
}

/// The recipes that are built in.
pub(crate) fn recipe_names(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, RECIPES.iter().map(|(name, _)| (*name).to_owned()))
}

/// The data sets that are built in, and all files.
pub(crate) fn data(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = beginning(typed, fgn_data::names().map(str::to_owned));
    names.into_iter().chain(PathCompleter::any().stdio().complete(typed)).collect()
}

/// The keys of a recipe, for `--set`.
pub(crate) fn keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, recipe_keys().into_iter().map(|key| key + "="))
}

/// Those of a recipe's `[data]`.
pub(crate) fn data_keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    let keys = recipe_keys().into_iter().filter(|key| key.starts_with("data."));
    beginning(typed, keys.map(|key| key + "="))
}

/// The values of `--device`; further GPUs are `cuda:1` and so on.
pub(crate) fn devices(typed: &OsStr) -> Vec<CompletionCandidate> {
    beginning(typed, ["auto", "cpu", "cuda", "cuda:0"].into_iter().map(str::to_owned))
}

fn beginning(typed: &OsStr, all: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    all.filter(|value| value.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}
