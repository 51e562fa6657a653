//! Starting other programs.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us, with `args`, in the caller's folder.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or(OsString::from("cargo")));
    command.args(args);
    command
}

/// Runs `command` to its end; `Err` where it cannot start or ends with anything but success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}

/// Becomes `command`, so that signals reach it and its exit code is ours. Returns only on failure.
#[cfg(unix)]
pub(crate) fn hand_over(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start `{}`", line(&command)))
}

/// Runs `command`, and ends with its exit code. The console sends Ctrl-C to both of us.
#[cfg(not(unix))]
pub(crate) fn hand_over(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(&command)))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error =
            run(cargo(["no-such-subcommand"]).stderr(Stdio::null())).unwrap_err().to_string();
        assert!(error.contains("`cargo no-such-subcommand` ended with"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert_eq!(error, "cannot start `no-such-program-here`");
    }
}
