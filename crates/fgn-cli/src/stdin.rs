//! Standard input in place of a file: `-`.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use fgn_schema::InputSchema;
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::output::with_causes;

/// What stands for standard input.
const STDIN: &str = "-";

/// The ending of a sound.
pub(crate) const SOUND: &str = "wav";

/// A file or folder to read: the one at a path, or for `-` a temporary file with what standard input holds.
pub(crate) struct Source<'a> {
    path: Cow<'a, Path>,
    /// Removed when this is dropped.
    folder: Option<TempDir>,
}

impl<'a> Source<'a> {
    /// What is at `path`. Readers are chosen by a file's ending: that of standard input is `format`.
    pub(crate) fn open(path: &'a Path, format: &str) -> Result<Source<'a>> {
        if path != STDIN {
            return Ok(Source { path: path.into(), folder: None });
        }
        let copied = || {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join(format!("stdin.{format}"));
            io::copy(&mut io::stdin().lock(), &mut File::create(&path)?)?;
            Ok(Source { path: path.into(), folder: Some(folder) })
        };
        copied().map_err(unreadable)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error as it reads where the file is standard input.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &self.folder {
            Some(_) => Error::Stdin(self.as_typed(&with_causes(&error)).into_owned()),
            None => error,
        }
    }

    /// A title or an error's text as it reads where the file is standard input.
    pub(crate) fn as_typed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(folder) = &self.folder else { return text.into() };
        let folder = folder.path().display().to_string();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let path = self.path.display().to_string();
        match text {
            _ if text == name => STDIN.into(),
            _ => text.replace(&path, "standard input").replace(&folder, "standard input").into(),
        }
    }
}

/// The ending of standard input: the one `given` by `--format`, or one by what the model reads; images are
/// recognised by their content, whatever the ending. `paths` are what is read.
pub(crate) fn format<'f>(
    given: Option<&'f str>,
    input: InputSchema,
    paths: &[impl AsRef<Path>],
) -> Result<&'f str> {
    let wrong = |found: &str, expected| {
        Err(Error::Variable { key: "--format", found: format!("{found:?}"), expected })
    };
    match given {
        Some(ending) if !ending.chars().all(|c| c.is_ascii_alphanumeric()) => {
            wrong(ending, "the ending of a file, as csv")
        }
        Some(ending) if !paths.iter().any(|path| path.as_ref() == STDIN) => wrong(
            ending,
            "to be left out: it says what standard input holds, which is read for the path -",
        ),
        Some(ending) => Ok(ending),
        None if matches!(input, InputSchema::Image { .. }) => Ok("png"),
        None if matches!(input, InputSchema::Audio { .. }) => Ok(SOUND),
        None => Ok("csv"),
    }
}

/// The error for standard input that cannot be read.
pub(crate) fn unreadable(source: io::Error) -> Error {
    Error::Read { path: "standard input".into(), source }
}
