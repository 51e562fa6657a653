//! The example of a language model: it learns, needs this crate alone, and is what its page shows.

use std::fs;
use std::path::Path;

#[path = "../../examples/language_model.rs"]
mod language_model;

#[test]
fn the_example_learns_its_text_and_is_loaded_whole() {
    // It compares what the loaded model predicts with the text itself.
    language_model::main().unwrap();
}

#[test]
fn the_example_needs_this_crate_alone() {
    let used = EXAMPLE.lines().filter_map(|line| line.strip_prefix("use "));
    let used: Vec<_> = used.collect();
    let is_known = |path: &str| path.starts_with("fgn_nn::") || path.starts_with("std::");
    assert!(used.len() >= 3 && used.iter().all(|path| is_known(path)), "{used:?}");
    let code = EXAMPLE.lines().filter(|line| !line.starts_with("//!"));
    let count = code.count();
    assert!(count <= 60, "{count} lines");
}

#[test]
fn the_page_shows_the_example() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/candle.md");
    // The page is not part of the packaged crate.
    let Ok(page) = fs::read_to_string(page) else { return };
    let code = EXAMPLE.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
    let code: Vec<_> = code.collect();
    assert!(page.contains(&code.join("\n")), "docs/candle.md differs from the example");
}

const EXAMPLE: &str = include_str!("../../examples/language_model.rs");
