//! The formatting of all Rust files of the workspace.
//!
//! `cargo fmt` follows `mod` from file to file, and so does not see the files that a registry's macro declares.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// A call of `rustfmt` on all files.
pub(crate) fn rustfmt() -> Result<Command> {
    let mut files = Vec::new();
    for folder in ["crates", "benches", "xtask", "fuzz"] {
        collect(&process::root().join(folder), &mut files)?;
    }
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024"]).args(files).current_dir(process::root());
    Ok(command)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && path.file_name() != Some(OsStr::new("target")) {
            collect(&path, files)?;
        } else if path.extension() == Some(OsStr::new("rs")) {
            files.push(path);
        }
    }
    Ok(())
}
