//! The libraries bring no command line, terminal, picture or allocator into the builds of others.

use super::finding::Finding;
use super::workspace::Package;

/// The crates that others build on. What people look at, and the programs, are above them.
pub(super) const LIBRARIES: [&str; 7] =
    ["fgn-core", "fgn-schema", "fgn-kernels", "fgn-nn", "fgn-c", "fgn-data", "fgn-train"];

/// What belongs in a program, by purpose: its arguments, its terminal, its pictures, its memory.
#[rustfmt::skip]
const SHELL: &[&str] = &[
    "argh", "clap", "clap_builder", "clap_complete", "lexopt", "pico-args", "structopt",
    "anstream", "colored", "console", "crossterm", "ctrlc", "dialoguer", "env_logger", "indicatif", "ratatui",
    "rustyline", "signal-hook", "termcolor", "terminal_size", "termion", "tracing-subscriber",
    "charming", "maud", "plotters", "plotters-svg", "textplots",
    "jemallocator", "libmimalloc-sys", "mimalloc", "snmalloc-rs", "tikv-jemallocator",
];

/// What a library may offer as a feature that is off by default.
const OFFERED: [(&str, &str); 1] = [("fgn-kernels", "libmimalloc-sys")];

/// Finds the dependencies of the libraries among `packages` that belong in a program.
/// Tests may use more than the code does, so development dependencies are free.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let libraries = packages.iter().filter(|package| LIBRARIES.contains(&package.name.as_str()));
    let edges =
        libraries.flat_map(|package| package.dependencies.iter().map(move |edge| (package, edge)));
    let breaches = edges.filter(|(package, edge)| {
        let is_offered =
            edge.optional && OFFERED.contains(&(package.name.as_str(), edge.name.as_str()));
        edge.kind.as_deref() != Some("dev") && SHELL.contains(&edge.name.as_str()) && !is_offered
    });
    breaches.map(|(package, edge)| finding(&package.name, &edge.name)).collect()
}

/// Finds what the dependencies of a library bring in, by its `tree` of normal dependencies: a line
/// for each crate, its depth and its name. What the library asks for itself, [`check`] finds.
pub(super) fn check_tree(library: &str, tree: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    for line in tree.lines() {
        let digits =
            line.len() - line.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        let (depth, rest) = line.split_at(digits);
        let (Ok(depth), Some(name)) = (depth.parse::<usize>(), rest.split(' ').next()) else {
            continue;
        };
        path.truncate(depth);
        path.push(name);
        let comes_with_another = path[..depth].iter().any(|of| SHELL.contains(of));
        if depth > 1 && SHELL.contains(&name) && !comes_with_another && !seen.contains(&name) {
            seen.push(name);
            findings.push(finding(library, &path[1..].join(" -> ")));
        }
    }
    findings
}

fn finding(library: &str, path: &str) -> Finding {
    Finding {
        at: format!("Cargo.toml of {library}"),
        found: format!("a dependency {library} -> {path}"),
        expected: "a library without command line, terminal, pictures and allocator: those are for fgn-cli and \
                   fgn-report"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::invariants::workspace::Dependency;

    fn findings(of: &str, on: &str, kind: Option<&str>, optional: bool) -> usize {
        let edge = Dependency { name: on.into(), kind: kind.map(Into::into), optional };
        let package =
            Package { name: of.into(), manifest_path: PathBuf::new(), dependencies: vec![edge] };
        check(&[package]).len()
    }

    #[test]
    fn a_library_may_not_ask_for_what_belongs_in_a_program() {
        for library in LIBRARIES {
            for name in ["clap", "indicatif", "plotters", "mimalloc"] {
                assert_eq!(findings(library, name, None, false), 1, "{library} -> {name}");
            }
            assert_eq!(findings(library, "clap", None, true), 1, "{library}: optional counts");
            assert_eq!(findings(library, "clap", Some("build"), false), 1, "{library}");
            assert_eq!(findings(library, "clap", Some("dev"), false), 0, "{library}");
            assert_eq!(findings(library, "rayon", None, false), 0, "{library}");
        }
        assert_eq!(findings("fgn-cli", "clap", None, false), 0);
        assert_eq!(findings("fgn-report", "plotters", None, false), 0);
    }

    #[test]
    fn the_kernels_may_offer_an_allocator_that_is_off_by_default() {
        assert_eq!(findings("fgn-kernels", "libmimalloc-sys", None, true), 0);
        assert_eq!(findings("fgn-kernels", "libmimalloc-sys", None, false), 1);
        assert_eq!(findings("fgn-nn", "libmimalloc-sys", None, true), 1);
    }

    #[test]
    fn what_dependencies_bring_in_is_found_with_the_path_by_which_it_comes() {
        let tree = "0fgn-nn v0.1.0 (/fgn/crates/fgn-nn)\n1rayon v1.12.0\n1progress v1.0.0\n2rayon v1.12.0 (*)\n\
                    2indicatif v0.18.6\n3console v0.16.0\n4libc v0.2.0\n1table v1.0.0\n2indicatif v0.18.6 (*)\n\
                    1maud v0.27.0\n";
        let found: Vec<_> = check_tree("fgn-nn", tree).into_iter().map(|of| of.found).collect();
        // `console` comes with `indicatif`, and `maud` is one that `check` finds.
        assert_eq!(found, ["a dependency fgn-nn -> progress -> indicatif"]);
    }
}
