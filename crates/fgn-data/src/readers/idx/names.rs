//! The files of an IDX data set, by their names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What the parts of a data set are called: MNIST's test part is `t10k`, EMNIST's `test`.
pub(super) const TRAIN: &[&str] = &["train"];
pub(super) const TEST: &[&str] = &["t10k", "test"];

/// What a file holds, and how its name ends.
#[derive(Clone, Copy)]
pub(super) struct Content {
    name: &'static str,
    kind: &'static str,
}

pub(super) const IMAGES: Content = Content { name: "images", kind: "idx3-ubyte" };
pub(super) const LABELS: Content = Content { name: "labels", kind: "idx1-ubyte" };

/// A file that was found, and what its name begins with: `emnist-letters-`, or nothing.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) prefix: String,
    part: &'static str,
    /// Its place among the spellings of one name.
    spelling: usize,
}

/// Whether a folder has images of any part.
pub(super) fn any_images(dir: &Path) -> bool {
    [TRAIN, TEST].iter().any(|parts| listed(dir, parts, IMAGES).is_ok_and(|all| !all.is_empty()))
}

/// The images and the labels of a part, which is called one of `parts`. With a `prefix`, others do not count.
///
/// # Errors
/// A folder that cannot be read, a file that is missing, several that could be meant.
pub(super) fn pair(
    dir: &Path,
    prefix: Option<&str>,
    parts: &[&'static str],
) -> Result<(Found, PathBuf)> {
    let images = find(dir, prefix, parts, IMAGES)?;
    let labels = find(dir, Some(&images.prefix), &[images.part], LABELS)?;
    Ok((images, labels.path))
}

/// The file with this content; of several spellings the first.
///
/// # Errors
/// As [`pair`].
pub(super) fn find(
    dir: &Path,
    prefix: Option<&str>,
    parts: &[&'static str],
    content: Content,
) -> Result<Found> {
    let mut all = listed(dir, parts, content)?;
    all.retain(|found| prefix.is_none_or(|prefix| found.prefix == prefix));
    let Some(first) = all.first() else {
        let prefix = prefix.unwrap_or_default();
        let names = parts.iter().flat_map(|part| spellings(part, content));
        let names: Vec<_> = names.map(|name| format!("{prefix}{name}")).collect();
        return Err(Error::Missing {
            dir: dir.display().to_string(),
            looked_for: names.join(", "),
        });
    };
    let is_same = |other: &&Found| (&other.prefix, other.part) == (&first.prefix, first.part);
    if let Some(other) = all.iter().find(|other| !is_same(other)) {
        return Err(Error::Folder {
            path: dir.to_owned(),
            found: format!("{} and {}", first.path.display(), other.path.display()),
            expected: "one such file: move each data set into a folder of its own".into(),
        });
    }
    Ok(all.swap_remove(0))
}

/// All files with this content, sorted by their spelling.
fn listed(dir: &Path, parts: &[&'static str], content: Content) -> Result<Vec<Found>> {
    let unreadable = |source| Error::Read { file: dir.display().to_string(), source };
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let found = parts.iter().find_map(|part| Some((part, parsed(name, part, content)?)));
        if let Some((part, (prefix, spelling))) = found.filter(|_| path.is_file()) {
            all.push(Found { prefix: prefix.to_owned(), part, spelling, path });
        }
    }
    all.sort_by(|one, other| (one.spelling, &one.path).cmp(&(other.spelling, &other.path)));
    Ok(all)
}

/// What a name begins with, and its spelling, if it ends in one of [`spellings`].
fn parsed<'a>(name: &'a str, part: &str, content: Content) -> Option<(&'a str, usize)> {
    let endings = spellings(part, content);
    let (prefix, spelling) = endings
        .iter()
        .enumerate()
        .find_map(|(spelling, ending)| Some((name.strip_suffix(&ending[..])?, spelling)))?;
    // "latest-images…" is not the prefix "la".
    prefix.chars().last().is_none_or(|last| !last.is_alphanumeric()).then_some((prefix, spelling))
}

fn spellings(part: &str, Content { name, kind }: Content) -> [String; 4] {
    [("-", ""), ("-", ".gz"), (".", ""), (".", ".gz")]
        .map(|(dot, end)| format!("{part}-{name}{dot}{kind}{end}"))
}
