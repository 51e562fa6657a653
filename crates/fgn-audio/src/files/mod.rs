//! Sound files and raw samples, whole or in chunks.
//!
//! Every sample is an `f32`, with full scale at -1 and 1, and several channels become one, their mean. Sizes in a
//! header never decide how much memory is allocated, and a sound that is damaged is an error, not noise.
//!
//! Files are WAV, and with the feature `symphonia` also FLAC, MP3 and Ogg Vorbis. Streams are WAV or raw samples.
//!
//! ```
//! use fgn_audio::files::{RawFormat, SoundStream, read};
//!
//! // A WAV file: half a second of silence at 8 kHz, in 16 bits.
//! let data = vec![0; 8_000];
//! let mut file = b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
//! file.extend(b"data\x40\x1f\0\0");
//! file.extend(&data);
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("silence.wav");
//! std::fs::write(&path, &file)?;
//!
//! let sound = read(&path, 60.0)?;
//! assert_eq!((sound.samples.len(), sound.sample_rate), (4_000, 8_000));
//!
//! // The same samples from a pipe, without a header.
//! let mut stream = SoundStream::raw("a pipe", &data[..], RawFormat::S16Le, 8_000)?;
//! let mut samples = Vec::new();
//! while stream.read(&mut samples, 1_000)? > 0 {}
//! assert_eq!(samples, sound.samples);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "symphonia")]
mod compressed;
mod compression;
mod encoding;
mod header;
mod limits;
mod stream;
mod write;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

pub use self::stream::{RawFormat, SoundStream};
pub use self::write::to_wav;

use self::compression::Compression;
use self::limits::Limit;
use crate::error::{Error, Result};

/// The endings of the files that [`read`] reads, in lower case, without the point. Those of [`COMPRESSED_ENDINGS`] are
/// among them with the feature `symphonia`.
pub const ENDINGS: &[&str] =
    if cfg!(feature = "symphonia") { &["wav", "flac", "mp3", "ogg"] } else { &["wav"] };

/// The endings of compressed files, which need the feature `symphonia`.
pub const COMPRESSED_ENDINGS: &[&str] = &["flac", "mp3", "ogg"];

/// How many samples are read together.
const CHUNK: usize = 1 << 16;

/// A sound of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// The samples, at least one; full scale is -1 to 1.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub sample_rate: u32,
}

/// Reads a sound file of any number of channels, whose mean is taken. Its first bytes, not its name, say what it is.
///
/// - WAV: integers of 8 to 32 bits or floats of 32 or 64.
/// - FLAC, MP3, and Vorbis or FLAC in Ogg, with the feature `symphonia`. The silence that an encoder adds to an MP3
///   file is removed, if the encoder wrote how long it is. Only then is it known whether an MP3 file is cut short.
///
/// # Errors
/// [`Error::Read`] for a file that cannot be opened or read. [`Error::Sound`] for one of another format or codec, cut
/// short, damaged, without samples, longer than `max_seconds`, of a sample rate that is out of range, or with samples
/// that are not finite.
pub fn read(path: &Path, max_seconds: f64) -> Result<Sound> {
    let name = path.display().to_string();
    let failed = |source| Error::Read { name: name.clone(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(Compression::START as u64).read_to_end(&mut start).map_err(failed)?;
    let (samples, sample_rate) = match Compression::of(&start) {
        #[cfg(feature = "symphonia")]
        Some(_) => compressed::read(&name, file, max_seconds)?,
        #[cfg(not(feature = "symphonia"))]
        Some(compression) => {
            let expected = "WAV, or a build with the feature `symphonia`".into();
            return Err(Error::Sound { name, found: compression.to_string(), expected });
        }
        None => read_wav(&name, start.as_slice().chain(file), max_seconds)?,
    };
    match samples.is_empty() {
        true => {
            Err(Error::Sound { name, found: "no samples".into(), expected: "one or more".into() })
        }
        false => Ok(Sound { samples, sample_rate }),
    }
}

fn read_wav(name: &str, bytes: impl Read, max_seconds: f64) -> Result<(Vec<f32>, u32)> {
    let mut stream = SoundStream::wav(name, BufReader::new(bytes))?;
    let limit = Limit::new(name, max_seconds, stream.sample_rate());
    limit.check_length(stream.samples_left())?;
    let mut samples = Vec::new();
    while stream.read(&mut samples, CHUNK)? > 0 {
        limit.check_read(samples.len())?;
    }
    Ok((samples, stream.sample_rate()))
}
