//! The files of a checkpoint.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::safetensors::load_buffer;
use candle_core::{Device, Tensor};
use sha2::{Digest as _, Sha256};

use crate::durable;
use crate::error::{Error, Result};
use crate::group::unreadable;
use crate::state::TrainerState;

const CONFIG: &str = "config.toml";
const PROGRESS: &str = "progress.json";
pub(super) const WEIGHTS: &str = "weights.safetensors";
const TRAINING: &str = "training.safetensors";
/// In the format of `sha256sum -c`.
const SUMS: &str = "SHA256SUMS";

/// In their order in [`SUMS`].
const FILES: [&str; 4] = [CONFIG, PROGRESS, TRAINING, WEIGHTS];

/// The state of a training between two steps.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The resolved configuration, as TOML.
    pub config: String,
    /// How far the training is, and what it has measured.
    pub state: TrainerState,
    /// The parameters by name.
    pub weights: HashMap<String, Tensor>,
    /// The optimizer's moments, `exp_avg/NAME` and so on; `average/NAME`, `best/NAME` and `carried/N`
    /// where there are such.
    pub training: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Writes the files into `folder`, which is there and empty, and waits until they are on the disk.
    ///
    /// # Errors
    /// A file that cannot be written: a full disk, say.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(&self.state).map_err(std::io::Error::from);
        let files = [
            (CONFIG, self.config.clone().into_bytes()),
            (PROGRESS, json.map_err(Error::io("write", folder.join(PROGRESS)))?),
            (TRAINING, encode(&self.training)?),
            (WEIGHTS, encode(&self.weights)?),
        ];
        let mut sums = String::new();
        for (name, bytes) in &files {
            durable::write_synced(&folder.join(name), bytes)?;
            sums += &sum_line(name, bytes);
        }
        durable::write_synced(&folder.join(SUMS), sums.as_bytes())?;
        durable::sync_folder(folder)
    }

    /// Reads the checkpoint in `folder`.
    ///
    /// # Errors
    /// A file that is missing, or in which a single bit is not as it was written.
    pub fn read(folder: &Path) -> Result<Checkpoint> {
        let damaged = |file: &'static str, what: String| Error::Damaged {
            folder: folder.to_owned(),
            file,
            what,
        };
        let read = |name: &'static str| {
            fs::read(folder.join(name)).map_err(|error| damaged(name, error.to_string()))
        };
        let sums = read(SUMS)?;
        let mut rest = &sums[..];
        let mut checked = |name: &'static str| -> Result<Vec<u8>> {
            let bytes = read(name)?;
            let line = sum_line(name, &bytes);
            rest = rest
                .strip_prefix(line.as_bytes())
                .ok_or_else(|| damaged(name, format!("its checksum is not the one in {SUMS}")))?;
            Ok(bytes)
        };
        let [config, progress, training, weights] = FILES.map(&mut checked);
        let (config, progress) = (config?, progress?);
        let (training, weights) = (training?, weights?);
        if !rest.is_empty() {
            return Err(damaged(SUMS, "it continues after the last checksum".into()));
        }
        // From here on the bytes are those that were written: what fails is another version's.
        let other = |file: &'static str| {
            move |what: String| damaged(file, format!("not of this version of fgn: {what}"))
        };
        let tensors = |file, bytes: &[u8]| {
            load_buffer(bytes, &Device::Cpu).map_err(|error| other(file)(error.to_string()))
        };
        Ok(Checkpoint {
            config: String::from_utf8(config).map_err(|error| other(CONFIG)(error.to_string()))?,
            state: serde_json::from_slice(&progress)
                .map_err(|error| other(PROGRESS)(error.to_string()))?,
            weights: tensors(WEIGHTS, &weights)?,
            training: tensors(TRAINING, &training)?,
        })
    }

    /// Its contents as bytes, for other processes.
    ///
    /// # Errors
    /// None that is known; those of the formats.
    pub(crate) fn to_bytes(&self) -> Result<[Vec<u8>; 4]> {
        let state = serde_json::to_vec(&self.state).map_err(unreadable)?;
        let config = self.config.clone().into_bytes();
        Ok([config, state, encode(&self.training)?, encode(&self.weights)?])
    }

    /// The checkpoint of those bytes.
    ///
    /// # Errors
    /// Bytes of another version.
    pub(crate) fn from_bytes(
        [config, state, training, weights]: [Vec<u8>; 4],
    ) -> Result<Checkpoint> {
        Ok(Checkpoint {
            config: String::from_utf8(config).map_err(unreadable)?,
            state: serde_json::from_slice(&state).map_err(unreadable)?,
            training: load_buffer(&training, &Device::Cpu)?,
            weights: load_buffer(&weights, &Device::Cpu)?,
        })
    }

    /// A tensor of [`training`](Self::training) or [`weights`](Self::weights), which a parameter of that
    /// shape and type is to take over.
    pub(crate) fn find(
        tensors: &HashMap<String, Tensor>,
        name: &str,
        like: &Tensor,
    ) -> Result<Tensor> {
        let expected = || format!("{:?} {:?}", like.dtype(), like.dims());
        match tensors.get(name) {
            Some(tensor) if tensor.dims() == like.dims() && tensor.dtype() == like.dtype() => {
                Ok(tensor.to_device(like.device())?)
            }
            Some(tensor) => Err(Error::OtherTraining {
                what: name.to_owned(),
                found: format!("{:?} {:?}", tensor.dtype(), tensor.dims()),
                expected: expected(),
            }),
            None => Err(Error::OtherTraining {
                what: name.to_owned(),
                found: "nothing".into(),
                expected: expected(),
            }),
        }
    }
}

fn encode(tensors: &HashMap<String, Tensor>) -> Result<Vec<u8>> {
    // The names are sorted in the file.
    safetensors::serialize(tensors, None).map_err(|error| Error::Tensor(error.into()))
}

fn sum_line(name: &str, bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut line = String::new();
    for byte in Sha256::digest(bytes) {
        // Nothing fails in writing to a string.
        let _ = write!(line, "{byte:02x}");
    }
    line + "  " + name + "\n"
}
