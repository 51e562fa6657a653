//! Sounds as WAV files.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::error::{Error, Result};
use crate::rates::check_rate;

/// A WAV file of one channel in 16 bits, as bytes. Samples beyond -1 and 1 are clipped.
///
/// ```
/// let file = fgn_audio::files::to_wav(&[0.0, 0.5, -1.5], 8_000)?;
/// assert_eq!(&file[..4], b"RIFF");
/// let samples: Vec<[u8; 2]> = file[44..].chunks(2).map(|pair| [pair[0], pair[1]]).collect();
/// assert_eq!(samples.into_iter().map(i16::from_le_bytes).collect::<Vec<_>>(), [0, 16_384, -32_768]);
/// # Ok::<(), fgn_audio::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] for a sample rate that is out of range; [`Error::Sound`] for a sample that is not finite, and for
/// more than 4 GB.
pub fn to_wav(samples: &[f32], sample_rate: u32) -> Result<Vec<u8>> {
    check_rate("sample_rate", sample_rate)?;
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        let found = format!("{} at sample {at}", samples[at]);
        return Err(wrong(found, "finite samples".into()));
    }
    let spec =
        WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut file = Cursor::new(Vec::new());
    let mut write = || -> hound::Result<()> {
        let mut writer = WavWriter::new(&mut file, spec)?;
        for sample in samples {
            // A float cast saturates.
            writer.write_sample((sample * 32_768.0).round() as i16)?;
        }
        writer.finalize()
    };
    write().map_err(|error| wrong(error.to_string(), "a sound of less than 4 GB".into()))?;
    Ok(file.into_inner())
}

fn wrong(found: String, expected: String) -> Error {
    Error::Sound { name: "a sound to write".into(), found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::SoundStream;

    #[test]
    fn what_is_written_is_read() {
        let samples: Vec<f32> = (-8..8).map(|at| at as f32 / 8.0).collect();
        let file = to_wav(&samples, 11_025).unwrap();
        let mut stream = SoundStream::wav("a file", &file[..]).unwrap();
        assert_eq!(stream.sample_rate(), 11_025);
        let mut found = Vec::new();
        while stream.read(&mut found, 100).unwrap() > 0 {}
        assert_eq!(found, samples);
        assert!(to_wav(&samples, 0).is_err());
        assert!(to_wav(&[0.0, f32::NAN], 8_000).is_err());
    }
}
