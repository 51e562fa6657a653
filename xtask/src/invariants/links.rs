//! Where the links of the documentation lead.

use std::path::{Component, Path, PathBuf};

use super::finding::Finding;
use super::workspace::File;

/// Checks the links of a page in Markdown to other files; `exists` is asked with a path relative to the root.
pub(super) fn check(page: &File, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        let files = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        findings.extend(files.filter(|target| !exists(&resolved(folder, target))).map(|target| {
            Finding {
                at: format!("{}:{line}", page.path),
                found: format!("a link to {target}"),
                expected: "one to a file that is there".into(),
            }
        }));
    }
    findings
}

/// `target` as seen from `folder`, without `..`.
fn resolved(folder: &Path, target: &str) -> PathBuf {
    let mut path = folder.to_path_buf();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir => _ = path.pop(),
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_that_are_not_there_are_found() {
        let text = "See [a](../crates/a.rs), [b](b.md#part) and [c](c.md),\n[all](../), [part](#part), \
                    [site](https://a.b/c).";
        let page = File { path: "docs/page.md".into(), text: text.into() };
        let known = ["", "crates/a.rs", "docs/c.md"];
        let found = check(&page, |path| known.contains(&path.to_str().unwrap_or("?")));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected = "docs/page.md:1: found a link to b.md; expected one to a file that is there";
        assert_eq!(found, [expected]);
    }
}
