//! The promises of `docs/architecture.md` that a machine can check.
//!
//! - [`edges`]: who may depend on whom.
//! - [`shell`]: what the libraries may not bring into the builds of others.
//! - [`manifests`]: every version comes from the workspace's one table.
//! - [`links`]: that the documentation's links lead somewhere.
//! - [`sources`]: what may not stand in a source file, and how long one may be.
//! - [`circles`]: that the files of a crate import downwards only.
//! - [`glossary`]: that things are called what the field calls them.
//!
//! Each check turns text into findings and touches no file itself, so its tests feed it text.

use std::path::Path;

use anyhow::{Result, bail};

use self::finding::Finding;
use self::workspace::Workspace;

mod circles;
mod edges;
mod finding;
mod glossary;
mod links;
mod manifests;
mod shell;
mod sources;
#[cfg(test)]
mod tests;
mod workspace;

/// Checks the workspace at `root`; prints each finding, and `Err` where there is one.
pub(crate) fn check(root: &Path) -> Result<()> {
    let report = report(root)?;
    if !report.findings.is_empty() {
        for finding in &report.findings {
            complain!("{finding}");
        }
        let number = report.findings.len();
        bail!(
            "the invariants of docs/architecture.md do not hold: {number} findings, listed above"
        );
    }
    say!("The invariants hold: {} crates, {} files.", report.crates, report.files);
    Ok(())
}

/// Crates with a workspace of their own, whose sources are held to the same.
const OUTSIDE: [&str; 1] = ["crates/fgn-py"];

struct Report {
    findings: Vec<Finding>,
    crates: usize,
    files: usize,
}

fn report(root: &Path) -> Result<Report> {
    let workspace = Workspace::at(root)?;
    let packages = workspace.members()?;
    let mut findings = edges::check(&packages);
    findings.extend(shell::check(&packages));
    for package in &packages {
        findings.extend(manifests::check(&workspace.read(&package.manifest_path)?)?);
        if shell::LIBRARIES.contains(&package.name.as_str()) {
            findings.extend(shell::check_tree(&package.name, &workspace.tree(&package.name)?));
        }
        let folder = package.manifest_path.parent().unwrap_or(root);
        let sources = workspace.files(folder, &["rs"])?;
        findings.extend(sources.iter().flat_map(sources::check));
        findings.extend(circles::check(&sources));
    }

    for folder in OUTSIDE.map(Path::new).into_iter().filter(|folder| workspace.has(folder)) {
        let sources = workspace.files(folder, &["rs"])?;
        findings.extend(sources.iter().flat_map(sources::check));
        findings.extend(circles::check(&sources));
    }

    let files = workspace.files(Path::new(""), &["rs", "md", "toml"])?;
    let pages = files.iter().filter(|file| {
        file.path.ends_with(".md") && (file.path.starts_with("docs/") || !file.path.contains('/'))
    });
    findings.extend(pages.flat_map(|page| links::check(page, |path| workspace.has(path))));
    findings.extend(files.iter().flat_map(glossary::check));
    Ok(Report { findings, crates: packages.len(), files: files.len() })
}
