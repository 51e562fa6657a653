//! Reads a workspace for the checks: its crates, their trees of dependencies, its files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process;

/// Folders that hold what machines wrote.
const SKIPPED: [&str; 3] = ["target", "runs", "__pycache__"];

/// A workspace, by its root folder.
pub(super) struct Workspace {
    root: PathBuf,
}

/// A text file of the workspace; `path` is relative to the root, with `/`.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// A crate of the workspace, as `cargo metadata` describes it.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest_path: PathBuf,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(super) kind: Option<String>,
    pub(super) optional: bool,
}

impl Workspace {
    pub(super) fn at(root: &Path) -> Result<Self> {
        let root = root.canonicalize();
        let root = root.context("the root of the workspace cannot be found")?;
        Ok(Workspace { root })
    }

    pub(super) fn members(&self) -> Result<Vec<Package>> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
        }
        let output = self.cargo(&["metadata", "--format-version", "1", "--no-deps"])?;
        let metadata: Metadata = serde_json::from_str(&output)
            .context("`cargo metadata` printed something that is not as documented")?;
        Ok(metadata.packages)
    }

    /// What `package` is built from with its default features: a line for each crate, its depth and
    /// its name.
    pub(super) fn tree(&self, package: &str) -> Result<String> {
        self.cargo(&["tree", "--package", package, "--edges", "normal", "--prefix", "depth"])
    }

    /// The file at `path`, which is relative to the root or absolute.
    pub(super) fn read(&self, path: &Path) -> Result<File> {
        let path = self.root.join(path);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.strip_prefix(&self.root).unwrap_or(&path);
        Ok(File { path: path.to_string_lossy().replace('\\', "/"), text })
    }

    /// Every file below `folder` with one of the `endings`, in the order of their names.
    pub(super) fn files(&self, folder: &Path, endings: &[&str]) -> Result<Vec<File>> {
        let mut paths = Vec::new();
        let mut folders = vec![self.root.join(folder)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder);
            for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if path.is_dir() {
                    if !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                        folders.push(path);
                    }
                } else if path
                    .extension()
                    .is_some_and(|of| endings.iter().any(|&ending| of == ending))
                {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        paths.iter().map(|path| self.read(path)).collect()
    }

    /// Whether there is a file or folder at `path`, relative to the root.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }

    /// What cargo prints at the root.
    fn cargo(&self, args: &[&str]) -> Result<String> {
        let mut command = process::cargo(args);
        let line = process::line(&command);
        let output = command.current_dir(&self.root).output();
        let output = output.with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("`{line}` ended with {}: {message}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
