//! What the first process alone can do to begin or to resume a run, and what the others get of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::checkpoint::files::Checkpoint;
use crate::config::Config;
use crate::error::Result;
use crate::group::{Group, broadcast, unreadable};
use crate::recorder::{Recorder, Resumed};

/// A run folder, as each process has it. Only the first one writes in it, and the others need not see it.
pub(crate) struct Opened {
    pub(crate) folder: PathBuf,
    pub(crate) recorder: Option<Recorder>,
}

/// A run to resume, as each process has it.
pub(crate) struct Shared {
    pub(crate) opened: Opened,
    pub(crate) config: Config,
    pub(crate) checkpoint: Option<Checkpoint>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    folder: String,
    config: String,
    has_checkpoint: bool,
}

/// Gives all processes what `work` gives in the first one; the others do not call it.
///
/// # Errors
/// Those of `work` and of the group.
pub(crate) fn in_first<T: Serialize + for<'a> Deserialize<'a>>(
    group: &dyn Group,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let bytes = match group.rank() {
        0 => serde_json::to_vec(&work()?).map_err(unreadable)?,
        _ => Vec::new(),
    };
    serde_json::from_slice(&broadcast(group, bytes)?).map_err(unreadable)
}

/// A new run.
///
/// # Errors
/// Those of [`Recorder::create`].
pub(crate) fn create(group: &dyn Group, folder: Option<&Path>, config: &Config) -> Result<Opened> {
    let mut recorder = None;
    let folder = in_first(group, || {
        let created = recorder.insert(Recorder::create(folder, config)?);
        Ok(created.folder().to_string_lossy().into_owned())
    })?;
    Ok(opened(folder, recorder))
}

/// A run that goes on.
///
/// # Errors
/// Those of [`Recorder::resume`].
pub(crate) fn resume(group: &dyn Group, folder: &Path, last_good: bool) -> Result<Shared> {
    let (mut recorder, mut parts) = (None, [const { Vec::new() }; 4]);
    let header = in_first(group, || {
        let resumed: Resumed = Recorder::resume(folder, last_good)?;
        if let Some(checkpoint) = &resumed.checkpoint {
            parts = checkpoint.to_bytes()?;
        }
        let folder = resumed.recorder.folder().to_string_lossy().into_owned();
        recorder = Some(resumed.recorder);
        let has_checkpoint = resumed.checkpoint.is_some();
        Ok(Header { folder, config: resumed.config.to_toml()?, has_checkpoint })
    })?;
    let config = Config::parse(&header.config, &header.folder, &[])?;
    let checkpoint = match header.has_checkpoint {
        false => None,
        true => {
            for part in &mut parts {
                *part = broadcast(group, std::mem::take(part))?;
            }
            Some(Checkpoint::from_bytes(parts)?)
        }
    };
    Ok(Shared { opened: opened(header.folder, recorder), config, checkpoint })
}

/// The others have the folder's name for messages alone, in which not every name can be written.
fn opened(folder: String, recorder: Option<Recorder>) -> Opened {
    let own = recorder.as_ref().map(|recorder| recorder.folder().to_owned());
    Opened { folder: own.unwrap_or_else(|| folder.into()), recorder }
}
