//! The checkpoints of a run: which are kept, and which one a training resumes from.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use super::files::Checkpoint;
use crate::durable;
use crate::error::{Error, Result};

/// What the name of a checkpoint's folder begins with; the step follows.
const STEP: &str = "step-";
/// A checkpoint in the making: the name of nothing that is ever read.
const PARTIAL: &str = "partial";
const LOCK: &str = "lock";

/// A folder of checkpoints, `step-000000550` and so on, in use by this process alone.
pub struct CheckpointStore {
    folder: PathBuf,
    keep: usize,
    /// Held as long as this lives; the system lets go of it when a process dies.
    _lock: File,
}

impl CheckpointStore {
    /// Opens `folder`, or makes it. Beside the best checkpoint, the last `keep`, at least 1, are kept.
    ///
    /// # Errors
    /// A folder that cannot be written, or that another process is using.
    pub fn open(folder: &Path, keep: usize) -> Result<CheckpointStore> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(error)) => {
                warn!(%error, "{} cannot be locked: do not train twice in it", folder.display());
            }
        }
        remove(&folder.join(PARTIAL))?;
        Ok(CheckpointStore { folder: folder.to_owned(), keep: keep.max(1), _lock: lock })
    }

    /// From now on keeps the last `keep`, at least 1.
    pub fn keep(&mut self, keep: usize) {
        self.keep = keep.max(1);
    }

    /// Writes a checkpoint, whole or not at all; then removes those that are no longer kept.
    ///
    /// # Errors
    /// A folder that cannot be written, a full disk: all that was there before is there still.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf> {
        let partial = self.folder.join(PARTIAL);
        let folder = self.folder.join(name(checkpoint.state.step()));
        let written = remove(&partial)
            .and_then(|()| fs::create_dir(&partial).map_err(Error::io("create", &partial)))
            .and_then(|()| checkpoint.write(&partial));
        if let Err(error) = written {
            // The first error is the one to report.
            let _ = remove(&partial);
            return Err(error);
        }
        // Of the same step: this one has the same in it.
        remove(&folder)?;
        durable::rename(&partial, &folder)?;
        debug!("saved {}", folder.display());
        self.prune(checkpoint.state.best_step())?;
        Ok(folder)
    }

    /// The steps of which there is a checkpoint, ascending.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn steps(&self) -> Result<Vec<usize>> {
        steps(&self.folder)
    }

    /// The last checkpoint; none where there is none. With `last_good`, damaged ones are skipped, and
    /// renamed so that they are never met again.
    ///
    /// # Errors
    /// A damaged checkpoint; the error says which is the last that is not.
    pub fn last(&self, last_good: bool) -> Result<Option<Checkpoint>> {
        let steps = self.steps()?;
        for &step in steps.iter().rev() {
            let folder = self.folder.join(name(step));
            match Checkpoint::read(&folder) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) if last_good => {
                    warn!("skipped: {error}");
                    let aside = self.folder.join(format!("damaged-{}", name(step)));
                    remove(&aside)?;
                    durable::rename(&folder, &aside)?;
                }
                Err(error) => {
                    let good = |&&earlier: &&usize| {
                        earlier < step && Checkpoint::read(&self.folder.join(name(earlier))).is_ok()
                    };
                    let good = steps.iter().rev().find(good).copied();
                    return Err(Error::DamagedLast { error: Box::new(error), good });
                }
            }
        }
        Ok(None)
    }

    fn prune(&self, best: Option<usize>) -> Result<()> {
        let steps = self.steps()?;
        for &step in &steps[..steps.len().saturating_sub(self.keep)] {
            if Some(step) != best {
                remove(&self.folder.join(name(step)))?;
            }
        }
        Ok(())
    }
}

/// Steps of which there is a checkpoint in `folder`, ascending.
pub(crate) fn steps(folder: &Path) -> Result<Vec<usize>> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let found = entry.file_name().into_string().unwrap_or_default();
        let step = found.strip_prefix(STEP).and_then(|step| step.parse().ok());
        steps.extend(step.filter(|&step| name(step) == found));
    }
    steps.sort_unstable();
    Ok(steps)
}

fn name(step: usize) -> String {
    format!("{STEP}{step:09}")
}

/// Removes a folder and all that is in it, if it is there. Renamed first: a removal that is cut off
/// leaves no half of a checkpoint under a name that is read.
fn remove(folder: &Path) -> Result<()> {
    let doomed = folder.with_file_name("removed");
    for folder in [&doomed, folder] {
        let gone = fs::rename(folder, &doomed).and_then(|()| fs::remove_dir_all(&doomed));
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", folder)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
