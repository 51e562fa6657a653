//! Making a run folder: it is there with its configuration, or not at all.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use crate::checkpoint::store::steps;
use crate::durable;
use crate::error::{Error, Result};
use crate::run_files::{self, CHECKPOINTS, CONFIG};

/// What the name of a folder in the making ends with, before a random number.
const PARTIAL: &str = ".partial-";

/// What says that a run is in `folder`, if anything does.
pub(crate) fn run_in(folder: &Path) -> Option<&'static str> {
    let there = |file: &&str| folder.join(file).exists();
    // Without a checkpoint in it, that folder is what is left of a run killed as it began.
    let is_saved = steps(&folder.join(CHECKPOINTS)).is_ok_and(|steps| !steps.is_empty());
    run_files::ALL.into_iter().find(there).or(is_saved.then_some(CHECKPOINTS))
}

/// Checks that no run is in `folder`.
///
/// # Errors
/// [`Error::RunExists`] if one is.
pub(crate) fn check_free(folder: &Path) -> Result<()> {
    match run_in(folder) {
        Some(file) => Err(Error::RunExists { folder: folder.to_owned(), file }),
        None => Ok(()),
    }
}

/// Makes `folder` with `config`, a configuration's text, in it: under another name beside it, and then renames it.
/// Gives false if there is a folder of that name already, which stays as it is.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn make(folder: &Path, config: &str) -> Result<bool> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Ok(false);
    };
    let prefix = format!(".{}{PARTIAL}", name.to_string_lossy());
    let partial = parent.join(format!("{prefix}{:016x}", RandomState::new().hash_one(folder)));
    let made = fs::create_dir_all(parent)
        .and_then(|()| fs::create_dir(&partial))
        .map_err(Error::io("create", folder))
        .and_then(|()| durable::write_synced(&partial.join(CONFIG), config.as_bytes()))
        .and_then(|()| durable::rename(&partial, folder));
    if let Err(error) = made {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
        return if folder.exists() { Ok(false) } else { Err(error) };
    }
    remove_leftovers(parent, &prefix);
    Ok(true)
}

/// Removes the leftovers of killed processes. A process that is still making the same folder has lost the race.
fn remove_leftovers(parent: &Path, prefix: &str) {
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes the first of `parent/<name>-1`, `parent/<name>-2`, … that is free.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn make_first_free(parent: &Path, name: &str, config: &str) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let folder = parent.join(format!("{name}-{number}"));
        if !folder.exists() && make(&folder, config)? {
            return Ok(folder);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_free_number_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("a-2")).unwrap();
        let taken = [0; 3].map(|_| make_first_free(parent.path(), "a", "").unwrap());
        assert_eq!(taken, ["a-1", "a-3", "a-4"].map(|name| parent.path().join(name)));
    }

    #[test]
    fn a_folder_is_made_whole_and_what_kills_left_beside_it_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        for leftover in [".run.partial-0123", ".other.partial-0123"] {
            fs::create_dir(parent.path().join(leftover)).unwrap();
        }
        let folder = parent.path().join("run");
        assert!(make(&folder, "a = 1").unwrap());
        assert_eq!(names(&folder), [CONFIG]);
        assert_eq!(fs::read_to_string(folder.join(CONFIG)).unwrap(), "a = 1");
        assert_eq!(names(parent.path()), [".other.partial-0123", "run"]);
        assert!(!make(&folder, "a = 2").unwrap(), "it is there already");
        assert_eq!(fs::read_to_string(folder.join(CONFIG)).unwrap(), "a = 1");
        assert_eq!(names(parent.path()), [".other.partial-0123", "run"]);
    }

    /// Of many that make the same folder at once, one succeeds.
    #[test]
    fn a_folder_is_made_once() {
        let parent = tempfile::tempdir().unwrap();
        let folder = &parent.path().join("run");
        let made = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|number| scope.spawn(move || make(folder, &number.to_string()).unwrap()))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let config = fs::read_to_string(folder.join(CONFIG)).unwrap();
        assert!(made[config.parse::<usize>().unwrap()]);
        assert_eq!(names(parent.path()), ["run"]);
    }
}
