//! `fgn completions`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::Result;
use crate::output::print;

pub(crate) const HELP: &str = "\
Examples:
  fgn completions bash > ~/.local/share/bash-completion/completions/fgn
  fgn completions zsh > ~/.zfunc/_fgn
  fgn completions fish > ~/.config/fish/completions/fgn.fish";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(self, mut command: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "fgn", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
