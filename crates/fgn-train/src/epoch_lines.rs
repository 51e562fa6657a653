//! Files in a run folder with a line of JSON for each epoch.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::durable::replace_file;
use crate::error::{Error, Result};

/// What such a line says.
pub(crate) trait EpochRecord: Serialize + DeserializeOwned {
    /// After which epoch, counted from 1.
    fn epoch(&self) -> usize;
}

/// The records of a file, epoch by epoch; none if there is no such file.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn read<R: EpochRecord>(file: &Path) -> Result<Vec<R>> {
    Ok(text(file)?.map_or_else(Vec::new, |text| records(&text, file)))
}

/// Takes back what was written after so many epochs: a training that resumes from there writes it again.
///
/// # Errors
/// A file that cannot be read or written.
pub(crate) fn take_back<R: EpochRecord>(file: &Path, epochs: usize) -> Result<()> {
    let Some(text) = text(file)? else {
        return Ok(());
    };
    let mut kept = String::new();
    for record in records::<R>(&text, file) {
        if record.epoch() <= epochs {
            kept += &line(&record, file)?;
        }
    }
    if kept == text { Ok(()) } else { replace_file(file, kept.as_bytes()) }
}

/// Appends a record.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn append<R: EpochRecord>(file: &Path, record: &R) -> Result<()> {
    let line = line(record, file)?;
    // In one piece, so that whoever reads meets whole lines.
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let written = opened.and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_data()
    });
    written.map_err(Error::io("write", file))
}

fn text(file: &Path) -> Result<Option<String>> {
    match fs::read(file) {
        // A kill can leave half of a line.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file)(error)),
    }
}

/// The records of whole lines, of each epoch the first, as long as these come in their order.
fn records<R: EpochRecord>(text: &str, file: &Path) -> Vec<R> {
    let mut records: Vec<R> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match serde_json::from_str::<R>(line) {
            Ok(record) if records.last().is_none_or(|last| last.epoch() < record.epoch()) => {
                records.push(record);
            }
            Ok(record) => warn!("{}:{number}: epoch {} again", file.display(), record.epoch()),
            Err(error) => warn!("{}:{number} is left out: {error}", file.display()),
        }
    }
    records
}

fn line<R: EpochRecord>(record: &R, file: &Path) -> Result<String> {
    let line = serde_json::to_string(record);
    Ok(line.map_err(|error| Error::io("write", file)(error.into()))? + "\n")
}
