//! The whole check on a small workspace in a temporary folder, into which breaches are planted.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A workspace that keeps every promise. Nothing comes from the network: what other people's crates
/// do here, those below `others` do, and no member needs them yet.
const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"others\"]\n\
         [workspace.dependencies]\nfgn-core = { path = \"crates/fgn-core\" }\n\
         fgn-nn = { path = \"crates/fgn-nn\" }\nclap = { path = \"others/clap\" }\n\
         progress = { path = \"others/progress\" }\n",
    ),
    ("README.md", "See [the guide](docs/guide.md).\n"),
    ("docs/guide.md", "A guide.\n"),
    ("crates/fgn-core/Cargo.toml", "[package]\nname = \"fgn-core\"\nedition = \"2024\"\n"),
    ("crates/fgn-core/src/lib.rs", "#![forbid(unsafe_code)]\n"),
    (
        "crates/fgn-nn/Cargo.toml",
        "[package]\nname = \"fgn-nn\"\nedition = \"2024\"\n[dependencies]\nfgn-core.workspace = true\n",
    ),
    ("crates/fgn-nn/src/lib.rs", "mod high;\nmod low;\npub use high::High;\n"),
    ("crates/fgn-nn/src/high.rs", "use crate::low::Low;\npub struct High(Low);\n"),
    ("crates/fgn-nn/src/low.rs", "pub struct Low;\n"),
    (
        "crates/fgn-data/Cargo.toml",
        "[package]\nname = \"fgn-data\"\nedition = \"2024\"\n[dependencies]\n",
    ),
    ("crates/fgn-data/src/lib.rs", "\n"),
    ("others/clap/Cargo.toml", "[package]\nname = \"clap\"\n"),
    ("others/clap/src/lib.rs", "\n"),
    (
        "others/progress/Cargo.toml",
        "[package]\nname = \"progress\"\n[dependencies]\nindicatif = { path = \"../indicatif\" }\n",
    ),
    ("others/progress/src/lib.rs", "\n"),
    ("others/indicatif/Cargo.toml", "[package]\nname = \"indicatif\"\n"),
    ("others/indicatif/src/lib.rs", "\n"),
];

/// The findings in that workspace, with `text` at the end of the file at `path`.
fn findings(path: &str, text: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    for &(of, content) in FILES {
        let file = folder.path().join(of);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let planted = if of == path { text } else { "" };
        fs::write(file, format!("{content}{planted}")).unwrap();
    }
    let report = report(folder.path()).unwrap();
    report.findings.iter().map(Finding::to_string).collect()
}

#[test]
fn a_workspace_that_keeps_every_promise_passes() {
    assert_eq!(findings("", ""), Vec::<String>::new());
}

#[test]
fn a_planted_breach_of_each_kind_is_found() {
    #[rustfmt::skip]
    let breaches = [
        ("crates/fgn-nn/src/low.rs", "use crate::high::High;\n",
         "crates/fgn-nn/src/low.rs:2: found a circle of imports, high.rs -> low.rs -> high.rs"),
        ("crates/fgn-nn/src/low.rs", "use crate::High;\n#[cfg(test)]\nmod tests {}\n",
         "crates/fgn-nn/src/low.rs:2: found `High` by way of the crate's root"),
        ("crates/fgn-data/Cargo.toml", "fgn-nn.workspace = true\n",
         "Cargo.toml of fgn-data: found a dependency on fgn-nn;"),
        ("crates/fgn-nn/Cargo.toml", "clap.workspace = true\n",
         "Cargo.toml of fgn-nn: found a dependency fgn-nn -> clap;"),
        ("crates/fgn-data/Cargo.toml", "progress.workspace = true\n",
         "Cargo.toml of fgn-data: found a dependency fgn-data -> progress -> indicatif;"),
        ("crates/fgn-nn/Cargo.toml", "progress = { path = \"../../others/progress\" }\n",
         "crates/fgn-nn/Cargo.toml, dependency progress: found "),
        ("crates/fgn-data/src/lib.rs", "unsafe fn f() {}\n",
         "crates/fgn-data/src/lib.rs:2: found `unsafe`"),
        ("docs/guide.md", "[gone](gone.md)\n", "docs/guide.md:2: found a link to gone.md"),
        ("docs/guide.md", "A cre\u{77} of four.\n",
         "docs/guide.md:2: found the term `cre"),
    ];
    for (path, text, expected) in breaches {
        let found = findings(path, text);
        assert!(found.iter().any(|of| of.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn the_whole_check_fails_where_there_is_a_finding() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[package]\nname = \"stranger\"\n").unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    let error = check(folder.path()).unwrap_err().to_string();
    assert!(error.contains("do not hold: 1 findings"), "{error}");
}
