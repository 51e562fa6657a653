//! What may not stand in a source file, and how long one may be.
//!
//! Files are read as Rust tokens: a word in a comment or a string is not one.

use proc_macro2::{TokenStream, TokenTree};

use super::finding::Finding;
use super::workspace::File;

/// The one table of words that are absent from a part of the workspace.
const ABSENCES: &[Absence] = &[
    Absence {
        words: &["unsafe"],
        from: |path| !path.starts_with("crates/fgn-kernels/"),
        expected: "none outside crates/fgn-kernels",
    },
    Absence {
        words: &["Tensor", "Device", "thread", "thread_local"],
        from: |path| path.starts_with("crates/fgn-core/src/"),
        expected: "no tensor, device or thread in fgn-core, which is the equations alone",
    },
];

/// The file that must forbid unsafe code itself, whatever the workspace's lints say.
const FORBIDS_UNSAFE: &str = "crates/fgn-core/src/lib.rs";

const MAX_LINES: usize = 500;

struct Absence {
    words: &'static [&'static str],
    /// The paths it holds for.
    from: fn(&str) -> bool,
    expected: &'static str,
}

/// Checks one source file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = absences(file);
    findings.extend(length(file));
    findings.extend(forbids_unsafe(file));
    findings
}

fn absences(file: &File) -> Vec<Finding> {
    let stream = match file.text.parse::<TokenStream>() {
        Ok(stream) => stream,
        Err(error) => {
            return vec![Finding {
                at: format!("{}:{}", file.path, error.span().start().line),
                found: error.to_string(),
                expected: "the tokens of Rust".into(),
            }];
        }
    };
    let absences = ABSENCES.iter().filter(|absence| (absence.from)(&file.path));
    let absences: Vec<_> = absences.collect();
    let mut findings = Vec::new();
    for_each_word(stream, &mut |word, line| {
        let broken = absences.iter().filter(|absence| absence.words.contains(&word));
        findings.extend(broken.map(|absence| Finding {
            at: format!("{}:{line}", file.path),
            found: format!("`{word}`"),
            expected: absence.expected.into(),
        }));
    });
    findings
}

fn length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > MAX_LINES).then(|| Finding {
        at: file.path.clone(),
        found: format!("{lines} lines"),
        expected: format!("at most {MAX_LINES}: one subject a file"),
    })
}

fn forbids_unsafe(file: &File) -> Option<Finding> {
    let attribute = "#![forbid(unsafe_code)]";
    let missing = file.path == FORBIDS_UNSAFE && !file.text.lines().any(|line| line == attribute);
    missing.then(|| Finding {
        at: file.path.clone(),
        found: format!("no line `{attribute}`"),
        expected: "that line at the top of the crate".into(),
    })
}

/// Calls `visit` with every identifier and keyword of the stream, and the line where it stands.
fn for_each_word(stream: TokenStream, visit: &mut impl FnMut(&str, usize)) {
    for token in stream {
        match token {
            TokenTree::Group(group) => for_each_word(group.stream(), visit),
            TokenTree::Ident(word) => visit(&word.to_string(), word.span().start().line),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.into(), text: text.into() };
        check(&file).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn unsafe_is_found_with_its_line_outside_the_kernels_alone() {
        let text = "fn f() {\n    let g = [unsafe { 1 }];\n}\n#[unsafe(no_mangle)]\nfn g() {}\n";
        let expected = |line| {
            format!(
                "crates/fgn-nn/src/a.rs:{line}: found `unsafe`; expected none outside crates/fgn-kernels"
            )
        };
        assert_eq!(findings("crates/fgn-nn/src/a.rs", text), [expected(2), expected(4)]);
        assert_eq!(findings("crates/fgn-kernels/src/a.rs", text), Vec::<String>::new());
        assert_eq!(findings("crates/fgn-kernels-extra/src/a.rs", text).len(), 2);
    }

    #[test]
    fn a_word_in_a_comment_or_a_string_is_none() {
        let text = r##"
            //! unsafe
            /* unsafe /* unsafe */ unsafe */
            /// unsafe { }
            fn f<'unsafe_>() -> (&'static str, &'static [u8], char) {
                ("unsafe \" unsafe", br#"unsafe " unsafe"#, '"') // unsafe
            }
            fn unsafe_code() {}
        "##;
        assert_eq!(findings("crates/fgn-nn/src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn the_core_knows_no_tensor_device_or_thread() {
        for line in ["use std::{fmt, thread};", "fn f(x: &Tensor) {}", "thread_local! {}"] {
            assert_eq!(findings("crates/fgn-core/src/a.rs", line).len(), 1, "{line}");
            assert_eq!(findings("crates/fgn-nn/src/a.rs", line).len(), 0, "{line}");
        }
        assert_eq!(findings("crates/fgn-core/src/a.rs", "struct TensorSlot;").len(), 0);
    }

    #[test]
    fn the_core_must_forbid_unsafe_code() {
        assert_eq!(findings(FORBIDS_UNSAFE, "//! The core.\n#![forbid(unsafe_code)]\n").len(), 0);
        assert_eq!(findings(FORBIDS_UNSAFE, "//! #![forbid(unsafe_code)]\n").len(), 1);
    }

    #[test]
    fn a_file_has_at_most_500_lines() {
        assert_eq!(findings("xtask/src/a.rs", &"//\n".repeat(MAX_LINES)).len(), 0);
        let found = findings("xtask/src/a.rs", &"//\n".repeat(MAX_LINES + 1));
        assert_eq!(
            found,
            ["xtask/src/a.rs: found 501 lines; expected at most 500: one subject a file"]
        );
    }

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        let found = findings("xtask/src/a.rs", "fn f() {\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("expected the tokens of Rust"), "{}", found[0]);
    }
}
