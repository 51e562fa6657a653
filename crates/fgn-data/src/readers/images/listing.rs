//! Which image files are in a folder.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::folders::{class_folders, entries, wrong};

const EXPECTED: &str = "a folder for each class, with images in it";
const IMAGES_ONLY: &str = "images only: move it away, or put a dot before its name";

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
    let folders = class_folders(folder, EXPECTED)?;
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

/// # Errors
/// A folder among the files of a class.
fn check_files(files: &[PathBuf]) -> Result<()> {
    match files.iter().find(|file| file.is_dir()) {
        Some(folder) => Err(wrong(folder, "a folder in a folder of images", IMAGES_ONLY)),
        None => Ok(()),
    }
}
