//! `fgn completions`.

use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

use crate::complete::VARIABLE;
use crate::error::{Error, Result};
use crate::output::print_raw;

pub(crate) const HELP: &str = "\
Examples:
  mkdir -p ~/.local/share/bash-completion/completions
  fgn completions bash > ~/.local/share/bash-completion/completions/fgn
  mkdir -p ~/.zfunc; fgn completions zsh > ~/.zfunc/_fgn      with fpath+=~/.zfunc in ~/.zshrc
  mkdir -p ~/.config/fish/completions
  fgn completions fish > ~/.config/fish/completions/fgn.fish

The script asks `fgn` itself: it completes commands, flags, recipes, devices, files, and the keys of --set,
but not the values behind a key. Write it again after an update of fgn.";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl CompletionsArgs {
    pub(crate) fn run(self) -> Result<()> {
        let name = self.shell.to_possible_value().map(|value| value.get_name().to_owned());
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(&name.unwrap_or_default()) {
            shell
                .write_registration(VARIABLE, "fgn", "fgn", "fgn", &mut script)
                .map_err(Error::Output)?;
        }
        print_raw(&script)
    }
}
