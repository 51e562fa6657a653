//! Which image files are in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::names::class_key;

const EXPECTED: &str = "a folder for each class, with images in it";
const IMAGES_ONLY: &str = "images only: move it away, or put a dot before its name";
/// What systems and archives leave in folders, in lower case. Hidden files are ignored as well.
const CLUTTER: [&str; 5] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"];

/// Image files, and the folder of each, which is its class.
pub(super) struct Listing {
    pub(super) files: Vec<PathBuf>,
    /// The names of the folders, in the order of classes; empty where classes do not matter.
    pub(super) classes: Vec<String>,
    /// Indices into `classes`, one for each file.
    pub(super) labels: Vec<u32>,
}

/// The images in a folder for each class. With `known` classes, no others may be there.
///
/// # Errors
/// A file beside the folders, no folder at all, a class that is not known, a folder in a class's folder, and,
/// where no classes are known, a class without images.
pub(super) fn labelled(folder: &Path, known: Option<&[String]>) -> Result<Listing> {
    let folders = class_folders(folder)?;
    let classes = match known {
        Some(known) => known.to_vec(),
        None => folders.iter().map(|(class, _)| class.clone()).collect(),
    };
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for (class, folder) in folders {
        let Some(label) = classes.iter().position(|name| *name == class) else {
            let expected = format!("a known class: {}", classes.join(", "));
            return Err(wrong(&folder, "an unknown class", &expected));
        };
        let here = entries(&folder)?;
        if known.is_none() && here.is_empty() {
            return Err(wrong(
                &folder,
                "no image",
                "some of this class: add them, or remove the folder",
            ));
        }
        check_files(&here)?;
        labels.resize(labels.len() + here.len(), label as u32);
        files.extend(here);
    }
    Ok(Listing { files, classes, labels })
}

/// The images at a path, whatever their classes: of a file the file, of a folder those in it and in the folders
/// in it.
///
/// # Errors
/// A folder that cannot be read, or that is two folders deep.
pub(super) fn unlabelled(path: &Path) -> Result<Listing> {
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in entries(path)? {
            if entry.is_dir() {
                let here = entries(&entry)?;
                check_files(&here)?;
                files.extend(here);
            } else {
                files.push(entry);
            }
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(Listing { labels: vec![0; files.len()], classes: Vec::new(), files })
}

/// The folders in a folder, by name, in the order of classes.
fn class_folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    if folder.is_file() {
        return Err(wrong(folder, "a file", EXPECTED));
    }
    let mut found = Vec::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            return Err(wrong(&path, "a file", EXPECTED));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| wrong(&path, "a name not in UTF-8", "a class's name in UTF-8"))?;
        found.push((name.to_owned(), path));
    }
    if found.is_empty() {
        return Err(wrong(folder, "an empty folder", EXPECTED));
    }
    found.sort_by(|(one, _), (other, _)| class_key(one).cmp(&class_key(other)));
    Ok(found)
}

/// # Errors
/// A folder among the files of a class.
fn check_files(files: &[PathBuf]) -> Result<()> {
    match files.iter().find(|file| file.is_dir()) {
        Some(folder) => Err(wrong(folder, "a folder in a folder of images", IMAGES_ONLY)),
        None => Ok(()),
    }
}

/// What is in a folder, by name, without clutter.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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

fn wrong(path: &Path, found: &str, expected: &str) -> Error {
    Error::Folder { path: path.to_owned(), found: found.into(), expected: expected.into() }
}
