//! Who may depend on whom.

use Others::{AllBut, Only, OnlyOptional};

use super::finding::Finding;
use super::workspace::{Dependency, Package};

/// The one table of allowed edges: a line for each crate of the workspace, built or still planned.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    //    the crate      of the workspace's crates it may use                                of other people's
    rule("fgn-core",    &[],                                                                OnlyOptional(&["serde"])),
    rule("fgn-audio",   &[],                                                                AllBut(&["candle-core", "candle-nn"])),
    rule("fgn-mnist",   &[],                                                                Only(&[])),
    rule("fgn-schema",  &[],                                                                Only(&["candle-core", "serde", "thiserror",
                                                                                                 "tokenizers"])),
    rule("fgn-kernels", &["fgn-core"],                                                      AllBut(&["candle-nn"])),
    rule("fgn-nn",      &["fgn-audio", "fgn-core", "fgn-kernels", "fgn-schema"],            AllBut(&[])),
    rule("fgn-c",       &["fgn-core", "fgn-nn", "fgn-schema"],                              AllBut(&["candle-nn"])),
    rule("fgn-onnx",    &["fgn-core", "fgn-nn", "fgn-schema"],                              AllBut(&["candle-nn"])),
    rule("fgn-data",    &["fgn-audio", "fgn-mnist", "fgn-schema"],                          AllBut(&["candle-nn"])),
    rule("fgn-train",   &["fgn-audio", "fgn-core", "fgn-kernels", "fgn-nn", "fgn-data",
                          "fgn-schema"],                                                    AllBut(&[])),
    rule("fgn-mpi",     &["fgn-train"],                                                      OnlyOptional(&["mpi"])),
    rule("fgn-report",  &["fgn-audio", "fgn-core", "fgn-kernels", "fgn-nn", "fgn-data",
                          "fgn-schema", "fgn-train"],                                                 AllBut(&[])),
    rule("fgn-cli",     &["fgn-audio", "fgn-c", "fgn-core", "fgn-kernels", "fgn-mpi", "fgn-nn", "fgn-data",
                          "fgn-onnx", "fgn-schema", "fgn-train", "fgn-report"],             AllBut(&[])),
    rule("fgn-benches", &["fgn-audio", "fgn-core", "fgn-kernels", "fgn-nn"],                AllBut(&[])),
    rule("xtask",       &[],                                                                AllBut(&["candle-core", "candle-nn"])),
];

struct Rule {
    of: &'static str,
    /// The crates of the workspace that it may use.
    ours: &'static [&'static str],
    /// The crates of other people that it may use.
    others: Others,
}

enum Others {
    Only(&'static [&'static str]),
    OnlyOptional(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

const fn rule(of: &'static str, ours: &'static [&'static str], others: Others) -> Rule {
    Rule { of, ours, others }
}

/// Holds the direct dependencies of `packages` (all crates of the workspace) against the table.
/// Tests may use more than the code does, so development dependencies are free.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let is_ours = |name: &str| packages.iter().any(|package| package.name == name);
    packages.iter().flat_map(|package| check_package(package, is_ours)).collect()
}

fn check_package(package: &Package, is_ours: impl Fn(&str) -> bool) -> Vec<Finding> {
    let finding = |found: String, expected: String| Finding {
        at: format!("Cargo.toml of {}", package.name),
        found,
        expected,
    };
    let Some(rule) = RULES.iter().find(|rule| rule.of == package.name) else {
        let expected = "a line for it in RULES, in xtask/src/invariants/edges.rs";
        return vec![finding("a crate with no rule".into(), expected.into())];
    };
    let edges = package.dependencies.iter().filter(|edge| edge.kind.as_deref() != Some("dev"));
    edges
        .filter_map(|edge| {
            let expected = match is_ours(&edge.name) {
                true => rule.breach_of_ours(edge),
                false => rule.others.breach(edge),
            }?;
            Some(finding(format!("a dependency on {}", edge.name), expected))
        })
        .collect()
}

impl Rule {
    fn breach_of_ours(&self, edge: &Dependency) -> Option<String> {
        let allowed = self.ours.contains(&edge.name.as_str());
        (!allowed).then(|| format!("of the workspace's crates {}", list(self.ours)))
    }
}

impl Others {
    /// What is expected instead of `edge`; `None` where it is allowed.
    fn breach(&self, edge: &Dependency) -> Option<String> {
        let name = edge.name.as_str();
        match self {
            Only(names) if !names.contains(&name) => {
                Some(format!("of other crates only {}", list(names)))
            }
            OnlyOptional(names) if !names.contains(&name) => {
                Some(format!("of other crates only, and optional, {}", list(names)))
            }
            OnlyOptional(_) if !edge.optional => Some("it to be `optional = true`".into()),
            AllBut(names) if names.contains(&name) => Some(format!("none on {}", list(names))),
            _ => None,
        }
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_string() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn edge(name: &str) -> Dependency {
        Dependency { name: name.into(), kind: None, optional: false }
    }

    /// The findings in a workspace of all crates in the table, where `of` has the one `edge`.
    fn findings(of: &str, edge: Dependency) -> Vec<String> {
        let package = |name: &str, dependencies| Package {
            name: name.into(),
            manifest_path: PathBuf::new(),
            dependencies,
        };
        let others = RULES.iter().map(|rule| rule.of).filter(|&name| name != of);
        let mut packages: Vec<_> = others.map(|name| package(name, vec![])).collect();
        packages.push(package(of, vec![edge]));
        check(&packages).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn every_edge_of_the_table_is_allowed() {
        for rule in RULES {
            for ours in rule.ours {
                assert_eq!(findings(rule.of, edge(ours)), Vec::<String>::new());
            }
        }
        let serde = Dependency { optional: true, ..edge("serde") };
        assert_eq!(findings("fgn-core", serde), Vec::<String>::new());
        assert_eq!(findings("fgn-schema", edge("serde")), Vec::<String>::new());
        assert_eq!(findings("fgn-kernels", edge("rayon")), Vec::<String>::new());
    }

    #[test]
    fn every_forbidden_edge_is_found() {
        let forbidden = [
            ("fgn-core", "candle-core"),
            ("fgn-core", "fgn-kernels"),
            ("fgn-core", "serde"),
            ("fgn-kernels", "candle-nn"),
            ("fgn-kernels", "fgn-nn"),
            ("fgn-nn", "fgn-data"),
            ("fgn-nn", "fgn-c"),
            ("fgn-c", "fgn-train"),
            ("fgn-nn", "fgn-train"),
            ("fgn-schema", "fgn-core"),
            ("fgn-schema", "candle-nn"),
            ("fgn-data", "fgn-core"),
            ("fgn-data", "fgn-nn"),
            ("fgn-train", "fgn-benches"),
            ("fgn-train", "fgn-report"),
            ("fgn-train", "fgn-mpi"),
            ("fgn-mpi", "fgn-nn"),
            ("fgn-report", "fgn-cli"),
            ("fgn-benches", "fgn-train"),
            ("xtask", "fgn-core"),
        ];
        for (of, on) in forbidden {
            let found = findings(of, edge(on));
            assert_eq!(found.len(), 1, "{of} -> {on}: {found:?}");
            let start = format!("Cargo.toml of {of}: found a dependency on {on}; expected ");
            assert!(found[0].starts_with(&start), "{}", found[0]);
        }
    }

    #[test]
    fn build_dependencies_count_and_development_dependencies_do_not() {
        let of_kind = |kind: &str| Dependency { kind: Some(kind.into()), ..edge("candle-nn") };
        assert_eq!(findings("fgn-kernels", of_kind("build")).len(), 1);
        assert_eq!(findings("fgn-kernels", of_kind("dev")).len(), 0);
    }

    #[test]
    fn a_crate_with_no_rule_is_found() {
        let found = findings("fgn-cuda", edge("rayon"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("a crate with no rule"), "{}", found[0]);
    }
}
