//! The promises of `docs/architecture.md` that a machine can check.
//!
//! - [`edges`]: who may depend on whom.
//! - [`manifests`]: every version comes from the workspace's one table.
//! - [`links`]: that the documentation's links lead somewhere.
//! - [`sources`]: what may not stand in a source file, and how long one may be.
//!
//! Each check turns text into findings and touches no file itself, so its tests feed it text.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process;

mod edges;
mod links;
mod manifests;
mod sources;

/// Checks every crate of the workspace; prints each finding, and `Err` where there is one.
pub(crate) fn check() -> Result<()> {
    let packages = members()?;
    let mut findings = edges::check(&packages);
    let mut files = 0;
    for package in &packages {
        findings.extend(manifests::check(&read(&package.manifest_path)?)?);
        let folder = package.manifest_path.parent().unwrap_or(process::root());
        for path in files_in(folder, "rs")? {
            findings.extend(sources::check(&read(&path)?));
            files += 1;
        }
    }

    let mut pages = files_in(&process::root().join("docs"), "md")?;
    pages.extend(["README.md", "CHANGELOG.md"].map(|page| process::root().join(page)));
    for page in &pages {
        findings.extend(links::check(&read(page)?, |path| process::root().join(path).exists()));
    }

    if !findings.is_empty() {
        for finding in &findings {
            eprintln!("{finding}");
        }
        bail!("the invariants of docs/architecture.md do not hold, as listed above");
    }
    let (crates, pages) = (packages.len(), pages.len());
    println!("The invariants hold: {crates} crates, {files} source files, {pages} pages.");
    Ok(())
}

/// One breach: where, what was found there, and what is expected.
#[derive(Debug)]
struct Finding {
    at: String,
    found: String,
    expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; expected {}", self.at, self.found, self.expected)
    }
}

/// A text file of the workspace; `path` is relative to the root, with `/`.
struct File {
    path: String,
    text: String,
}

/// A crate of the workspace, as `cargo metadata` tells of it.
#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
    optional: bool,
}

fn members() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let mut command = process::cargo(["metadata", "--format-version", "1", "--no-deps"]);
    let line = process::line(&command);
    let output = command.current_dir(process::root()).output();
    let output = output.with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{line}` printed something that is not as documented"))?;
    Ok(metadata.packages)
}

fn read(path: &Path) -> Result<File> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let path = path.strip_prefix(process::root()).unwrap_or(path);
    Ok(File { path: path.to_string_lossy().replace('\\', "/"), text })
}

/// Every file below `folder` with that ending, in the order of their names.
fn files_in(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
