//! WAV files of every kind are read as the samples that were written, and damaged ones are refused.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Cursor, Read};
use std::path::PathBuf;

use fgn_audio::files::{RawFormat, SoundStream, read};
use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::TempDir;

/// Integers of a spread of values that fit `bits`.
fn integers(count: usize, bits: u16) -> Vec<i32> {
    let value = |at: usize| (at as i64 * 2_654_435_761 % (1 << 32)) as u32 as i32;
    (0..count).map(|at| value(at) >> (32 - bits)).collect()
}

fn spec(channels: u16, sample_rate: u32, bits: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format }
}

/// A WAV file of integers, channels interleaved.
fn wav(spec: WavSpec, values: &[i32]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    values.iter().for_each(|&value| writer.write_sample(value).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

fn wav_of_floats(spec: WavSpec, values: &[f32]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    values.iter().for_each(|&value| writer.write_sample(value).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

/// A small file of two channels of 16 bits: its header has 44 bytes, of which the first four are of `RIFF`.
fn small() -> Vec<u8> {
    wav(spec(2, 8_000, 16, SampleFormat::Int), &integers(20, 16))
}

fn write(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("a.wav");
    fs::write(&path, bytes).unwrap();
    path
}

/// The error for a file that must be refused, without the folder's name.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, bytes);
    let error = read(&path, 60.0).expect_err("accepted").to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    error.replace(&folder.path().display().to_string(), "").replacen(['/', '\\'], "", 1)
}

/// Gives a few bytes at a time, as a pipe does.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let count = self.1.min(buffer.len()).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn all<R: Read>(mut stream: SoundStream<R>) -> fgn_audio::Result<Vec<f32>> {
    let mut samples = Vec::new();
    while stream.read(&mut samples, 5)? > 0 {}
    Ok(samples)
}

#[test]
fn integers_of_every_width_and_number_of_channels_are_their_mean() {
    let folder = tempfile::tempdir().unwrap();
    for bits in [8, 16, 24, 32] {
        for (channels, rate) in [(1, 8_000), (2, 44_100), (3, 16_000), (6, 192_000)] {
            let values = integers(30 * usize::from(channels), bits);
            let bytes = wav(spec(channels, rate, bits, SampleFormat::Int), &values);
            let sound = read(&write(&folder, &bytes), 60.0).unwrap();
            assert_eq!((sound.sample_rate, sound.samples.len()), (rate, 30));
            let full = f64::from(1_u32 << (bits - 1));
            for (found, frame) in sound.samples.iter().zip(values.chunks(channels.into())) {
                let sum: f64 = frame.iter().map(|&value| f64::from(value)).sum();
                let expected = sum / f64::from(channels) / full;
                assert!((f64::from(*found) - expected).abs() < 1e-7, "{bits} bits, {channels}");
            }
        }
    }
}

#[test]
fn floats_are_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let values = [0.0, -1.0, 1.0, 0.1, 1.5, -1e-30];
    let bytes = wav_of_floats(spec(1, 22_050, 32, SampleFormat::Float), &values);
    assert_eq!(read(&write(&folder, &bytes), 60.0).unwrap().samples, values);
    // The same as 64 bits, without the part for extensions.
    let mut wide = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0".to_vec();
    wide.extend(22_050_u32.to_le_bytes());
    wide.extend((22_050_u32 * 8).to_le_bytes());
    wide.extend(b"\x08\0\x40\0LIST\x03\0\0\0abc\0data");
    wide.extend(48_u32.to_le_bytes());
    values.iter().for_each(|&value| wide.extend(f64::from(value).to_le_bytes()));
    wide.extend(b"LIST\x04\0\0\0abcd");
    assert_eq!(read(&write(&folder, &wide), 60.0).unwrap().samples, values);
}

#[test]
fn a_pipe_gives_the_same_whatever_its_header_says_of_the_length() {
    let bytes = small();
    let expected = all(SoundStream::wav("a", &bytes[..]).unwrap()).unwrap();
    assert_eq!(expected.len(), 10);
    for length in [0_u32, 0x7fff_f000, 0x7fff_efdc, 0x8000_0000, 0xffff_ffdb, 0xffff_ffff] {
        for size in [0, 36, 0xffff_ffff_u32] {
            let mut piped = bytes.clone();
            piped[4..8].copy_from_slice(&size.to_le_bytes());
            piped[40..44].copy_from_slice(&length.to_le_bytes());
            let stream = SoundStream::wav("a", Slow(&piped, 0)).unwrap();
            assert_eq!((stream.samples_left(), stream.sample_rate()), (None, 8_000));
            assert_eq!(all(stream).unwrap(), expected, "{length:#x}, {size:#x}");
        }
    }
    let raw = SoundStream::raw("a", Slow(&bytes[44..], 0), RawFormat::S16Le, 8_000).unwrap();
    let interleaved = all(raw).unwrap();
    let means: Vec<f32> = interleaved.chunks(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    assert_eq!(means, expected);
    let floats: Vec<u8> = expected.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let raw = SoundStream::raw("a", Slow(&floats, 0), RawFormat::F32Le, 8_000).unwrap();
    assert_eq!(all(raw).unwrap(), expected);
}

#[test]
fn a_file_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let bytes = small();
    for end in 0..bytes.len() {
        let error = refused(&bytes[..end]);
        assert!(error.contains("cut short") || end < 12, "{end}: {error}");
    }
    assert_eq!(
        refused(&bytes[..60]),
        "a.wav: found the end after 4 samples, expected 24 more bytes, as the header says: is it cut short?"
    );
    let mut piped = bytes[..50].to_vec();
    piped[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        refused(&piped),
        "a.wav: found 2 bytes after sample 1, expected 4, those of one sample of all channels"
    );
}

#[test]
fn headers_that_lie_are_refused() {
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = small();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&changed)
    };
    for (at, bytes, expected) in [
        (0, &b"MThd"[..], "found a file that begins with \"MThd\", expected WAV"),
        (0, b"RF64", "found WAV of more than 4 GB (RF64)"),
        (8, b"AVI ", "expected WAV, which begins with RIFF and WAVE"),
        (12, b"junk", "found samples without a format"),
        (16, &[15, 0, 0, 0], "found a chunk \"fmt \" of 15 bytes, expected 16 or more"),
        (20, &[7, 0], "found samples of the codec µ-law (0x0007), expected PCM"),
        (20, &[0x55, 0], "MP3 (0x0055)"),
        (20, &[0xfe, 0xff], "found samples of the codec 0xfffe"),
        (22, &[0, 0], "found 0 channels, expected one or more"),
        (22, &[3, 0], "found 4 bytes for 3 samples of 16 bits, expected 6"),
        (24, &[0, 0, 0, 0], "found a sample rate of 0 Hz, expected 1000 to 768000 Hz"),
        (24, &[255, 255, 255, 127], "found a sample rate of 2147483647 Hz"),
        (34, &[0, 0], "found samples of 0 bits"),
        (34, &[64, 0], "found samples of 64 bits, expected integers of 8, 16, 24 or 32 bits"),
        (40, &[38, 0, 0, 0], "found 38 bytes of samples, expected a multiple of 4"),
        (40, &[0, 0, 0, 16], "found 8388.608 seconds, expected at most 60 seconds"),
        (40, &[44, 0, 0, 0], "found the end after 10 samples, expected 4 more bytes"),
    ] {
        let error = with(at, bytes);
        assert!(error.contains(expected), "{at}: {error}");
    }
}

#[test]
fn what_is_no_sound_is_refused() {
    let spec16 = spec(1, 1_000, 16, SampleFormat::Int);
    assert_eq!(refused(&wav(spec16, &[])), "a.wav: found no samples, expected one or more");
    let mut tagged = wav(spec16, &[]);
    tagged.extend(b"LIST\x04\0\0\0abcd");
    tagged[4..8].copy_from_slice(&48_u32.to_le_bytes());
    assert_eq!(refused(&tagged), "a.wav: found no samples, expected one or more");
    assert_eq!(
        refused(&wav(spec16, &vec![0; 60_001])),
        "a.wav: found 60.001 seconds, expected at most 60 seconds"
    );
    let float = spec(1, 1_000, 32, SampleFormat::Float);
    for (value, found) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (-20_000.0, "-20000")] {
        let error = refused(&wav_of_floats(float, &[0.0, 0.5, value]));
        assert!(error.contains(&format!("found {found} in the place of sample 2")), "{error}");
    }
    let error = SoundStream::raw("a", &[][..], RawFormat::S16Le, 999).unwrap_err().to_string();
    assert_eq!(error, "`sample_rate` is 999 Hz, expected 1000 to 768000 Hz");
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&folder.path().join("none.wav"), 60.0).is_err());
    assert!(read(folder.path(), 60.0).is_err());
}

#[test]
#[cfg(not(feature = "symphonia"))]
fn compressed_files_need_a_feature() {
    for (start, found) in
        [("fLaC", "a FLAC file"), ("OggS", "an Ogg file"), ("ID3\x04", "an MP3 file")]
    {
        let expected = "expected WAV, or a build with the feature `symphonia`";
        assert_eq!(refused(start.as_bytes()), format!("a.wav: found {found}, {expected}"));
    }
    assert_eq!(fgn_audio::files::ENDINGS, ["wav"]);
}
