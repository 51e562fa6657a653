//! Every version comes from the workspace's one table.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::finding::Finding;
use super::workspace::File;

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Finds the dependencies of a crate's manifest that do not say `workspace = true`.
pub(super) fn check(manifest: &File) -> Result<Vec<Finding>> {
    let table: Table =
        manifest.text.parse().with_context(|| format!("{} is not a TOML file", manifest.path))?;
    let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(_, target)| target.as_table());
    let entries = std::iter::once(&table)
        .chain(targets)
        .flat_map(|table| KINDS.iter().filter_map(|&kind| table.get(kind)?.as_table()))
        .flatten();
    let finding = |(name, value): (&String, &Value)| Finding {
        at: format!("{}, dependency {name}", manifest.path),
        found: value.to_string(),
        expected: "`workspace = true`, and its version in the root Cargo.toml".into(),
    };
    // The crate itself, with features for its tests: with a version, its package would need itself.
    let is_itself = |value: &Value| value.get("path").and_then(Value::as_str) == Some(".");
    let is_local = |value: &Value| value.get("workspace") != Some(&Value::Boolean(true));
    let is_local = |value: &Value| is_local(value) && !is_itself(value);
    Ok(entries.filter(|(_, value)| is_local(value)).map(finding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let file = File { path: "crates/a/Cargo.toml".into(), text: text.into() };
        check(&file).unwrap().iter().map(Finding::to_string).collect()
    }

    #[test]
    fn both_forms_of_a_workspace_dependency_pass() {
        let text = r#"
            [dependencies]
            rayon.workspace = true
            serde = { workspace = true, optional = true }
            [target.'cfg(unix)'.dependencies]
            libc.workspace = true
            [dev-dependencies]
            a = { path = ".", features = ["oracle"] }
        "#;
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn a_version_of_its_own_is_found_in_every_kind_of_table() {
        let tables =
            ["dependencies", "dev-dependencies", "build-dependencies", "target.x.dependencies"];
        for table in tables {
            for value in ["\"1\"", "{ version = \"1\" }", "{ path = \"../b\" }"] {
                let found = findings(&format!("[{table}]\nrayon = {value}"));
                assert_eq!(found.len(), 1, "{table}, {value}: {found:?}");
                assert!(found[0].starts_with("crates/a/Cargo.toml, dependency rayon: found "));
            }
        }
    }

    #[test]
    fn a_broken_manifest_is_an_error_that_names_it() {
        let file = File { path: "crates/a/Cargo.toml".into(), text: "[dependencies".into() };
        let error = check(&file).unwrap_err().to_string();
        assert_eq!(error, "crates/a/Cargo.toml is not a TOML file");
    }
}
