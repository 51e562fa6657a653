//! `fgn completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, print};
use crate::Result;

pub(super) const HELP: &str = "\
Examples:
  fgn completions bash > ~/.local/share/bash-completion/completions/fgn
  fgn completions zsh > ~/.zfunc/_fgn
  fgn completions fish > ~/.config/fish/completions/fgn.fish";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "fgn", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
