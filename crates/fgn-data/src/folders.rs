//! Folders of files: which of them are data.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::names::class_key;

/// What systems and archives leave in folders, in lower case. Hidden files are ignored as well.
const CLUTTER: [&str; 5] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"];

/// The folders in a folder, by name, in the order of classes. `expected` says what should be there.
///
/// # Errors
/// A file beside the folders, no folder at all, and a name that is not in UTF-8.
pub(crate) fn class_folders(folder: &Path, expected: &str) -> Result<Vec<(String, PathBuf)>> {
    if folder.is_file() {
        return Err(wrong(folder, "a file", expected));
    }
    let mut found = Vec::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            return Err(wrong(&path, "a file", expected));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| wrong(&path, "a name not in UTF-8", "a class's name in UTF-8"))?;
        found.push((name.to_owned(), path));
    }
    if found.is_empty() {
        return Err(wrong(folder, "an empty folder", expected));
    }
    found.sort_by(|(one, _), (other, _)| class_key(one).cmp(&class_key(other)));
    Ok(found)
}

/// What is in a folder, by name, without clutter.
///
/// # Errors
/// [`Error::Read`] for a folder that cannot be read.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| Error::Read { file: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !is_clutter(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether it is known to be no data: a hidden file, what systems leave behind, a README.
fn is_clutter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_text = || matches!(&name[..], "readme" | "readme.md" | "readme.txt") && !path.is_dir();
    name.starts_with('.') || CLUTTER.contains(&&name[..]) || is_text()
}

/// The error for a file or folder where another one should be.
pub(crate) fn wrong(path: &Path, found: &str, expected: &str) -> Error {
    Error::Folder { path: path.to_owned(), found: found.into(), expected: expected.into() }
}
