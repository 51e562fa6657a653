//! FLAC, MP3 and Ogg files are read as the sound that was encoded, and damaged ones are refused.

#![cfg(feature = "symphonia")]
#![allow(clippy::unwrap_used)]

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use fgn_audio::files::{ENDINGS, Sound, read};

const RATE: u32 = 8_000;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// What is read of a file that holds `bytes`; errors are without the file's name.
fn read_bytes(bytes: &[u8]) -> Result<Sound, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound");
    fs::write(&path, bytes).unwrap();
    read(&path, 60.0).map_err(|error| {
        let error = error.to_string();
        error.strip_prefix(&format!("{}: ", path.display())).expect("no name").to_owned()
    })
}

/// The error for a file that must be refused.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    read_bytes(bytes).expect_err("accepted")
}

/// The tone that the files hold, in 16 bits.
fn tone(seconds: f64, amplitude: f64) -> Vec<f64> {
    let phase = |at: usize| TAU * 440.0 * at as f64 / f64::from(RATE);
    (0..(seconds * f64::from(RATE)) as usize)
        .map(|at| (amplitude * phase(at).sin()).round_ties_even())
        .collect()
}

/// The correlation of a sound with the tone, without what is near its ends.
fn correlation(samples: &[f32], tone: &[f64]) -> f64 {
    let inner = 200..tone.len() - 200;
    let pairs =
        || samples[inner.clone()].iter().map(|&sample| f64::from(sample)).zip(&tone[inner.clone()]);
    let product: f64 = pairs().map(|(x, y)| x * y).sum();
    let [xs, ys] = pairs().fold([0.0, 0.0], |[xs, ys], (x, y)| [xs + x * x, ys + y * y]);
    product / (xs * ys).sqrt()
}

#[test]
fn flac_is_what_was_encoded() {
    for (name, seconds, amplitude) in [("mono.flac", 0.2, 16_000.0), ("long.flac", 1.2, 100.0)] {
        let sound = read(&path(name), 60.0).unwrap();
        assert_eq!(sound.sample_rate, RATE);
        let expected: Vec<f32> =
            tone(seconds, amplitude).iter().map(|sample| (sample / 32_768.0) as f32).collect();
        assert_eq!(sound.samples, expected, "{name}");
    }
    let mean = |sample: &f64| ((sample + (sample / 2.0).floor()) / 65_536.0) as f32;
    let expected: Vec<f32> = tone(0.2, 16_000.0).iter().map(mean).collect();
    assert_eq!(read(&path("stereo.flac"), 60.0).unwrap().samples, expected);
}

#[test]
fn vorbis_and_mp3_are_close_to_what_was_encoded_and_in_its_place() {
    let tone = tone(0.2, 16_000.0);
    for (name, scale) in
        [("mono.ogg", 1.0), ("mono.mp3", 1.0), ("stereo.ogg", 0.75), ("stereo.mp3", 0.75)]
    {
        let sound = read(&path(name), 60.0).unwrap();
        assert_eq!((sound.sample_rate, sound.samples.len()), (RATE, tone.len()), "{name}");
        let close = correlation(&sound.samples, &tone);
        assert!(close > 0.98, "{name}: {close}");
        let peak =
            sound.samples[200..1_400].iter().fold(0.0, |peak, &sample| sample.abs().max(peak));
        let expected = scale * 16_000.0 / 32_768.0;
        assert!((peak - expected).abs() < 0.05 * expected, "{name}: {peak}");
    }
    assert_eq!(read(&path("long.ogg"), 60.0).unwrap().samples, [0.0; 400_000]);
}

#[test]
fn names_and_tags_change_nothing() {
    assert_eq!(ENDINGS, ["wav", "flac", "mp3", "ogg"]);
    for name in ["mono.flac", "mono.mp3", "mono.ogg"] {
        let bytes = bytes(name);
        let expected = read(&path(name), 60.0).unwrap();
        // A tag of 130 bytes, and one of 1 byte with a footer.
        let mut tagged = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
        tagged.extend([0xff; 130]);
        tagged.extend(b"ID3\x04\0\x10\0\0\0\x01x3DI\x04\0\x10\0\0\0\x01");
        tagged.extend(&bytes);
        assert_eq!(read_bytes(&tagged).unwrap(), expected, "{name}");
    }
    assert_eq!(
        refused(b"ID3\x04\0\0\0\0\0\x04abcdefghij"),
        "found \"efgh\", expected FLAC, MP3 or Ogg after the tags (ID3)"
    );
    assert_eq!(
        refused(b"ID3\x04\0\0\0\0\0\x7f"),
        "found the end, expected FLAC, MP3 or Ogg after the tags (ID3)"
    );
}

#[test]
fn sounds_that_are_too_long_are_refused() {
    for name in ["mono.flac", "mono.mp3", "mono.ogg"] {
        let error = read(&path(name), 0.1).unwrap_err().to_string();
        assert!(error.contains("0.200 seconds, expected at most 0.1 seconds"), "{error}");
    }
    // A length of 0 is one that is not known.
    let mut piped = bytes("mono.flac");
    piped[22..26].fill(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.flac");
    fs::write(&file, piped).unwrap();
    assert_eq!(read(&file, 60.0).unwrap().samples.len(), 1_600);
    let error = read(&file, 0.1).unwrap_err().to_string();
    assert!(error.contains("more than 0.100 seconds, expected at most 0.1 seconds"), "{error}");
}

#[test]
fn files_that_are_cut_short_are_refused() {
    for name in ["mono.flac", "long.flac", "mono.ogg", "stereo.mp3"] {
        let bytes = bytes(name);
        let whole = read_bytes(&bytes).unwrap();
        for end in (0..bytes.len()).step_by(7) {
            // The last frame of an MP3 file may hold nothing but what an encoder adds.
            match read_bytes(&bytes[..end]) {
                Ok(sound) => assert_eq!(sound, whole, "{name}, {end}"),
                Err(error) if end < 4 => assert!(error.contains("found the end"), "{error}"),
                Err(error) => assert!(
                    error.contains("cut short") || error.contains("damage"),
                    "{name}, {end}: {error}"
                ),
            }
        }
        assert!(refused(&bytes[..bytes.len() / 2]).contains("cut short"), "{name}");
    }
}

#[test]
fn holes_are_refused() {
    // A page in the middle is gone.
    let mut ogg = bytes("long.ogg");
    let pages: Vec<usize> = (0..ogg.len()).filter(|&at| ogg[at..].starts_with(b"OggS")).collect();
    assert!(pages.len() >= 5);
    ogg.drain(pages[3]..pages[4]);
    let error = refused(&ogg);
    assert!(
        error.ends_with("expected 400000, as the file says: is it cut short or damaged?"),
        "{error}"
    );

    // The second frame of FLAC is gone, and neither the length nor the checksum of the samples is known.
    let mut flac = bytes("long.flac");
    let is_frame = |at: &usize| flac[*at..].starts_with(&[0xff, 0xf8]);
    let frames: Vec<usize> = (0..flac.len()).filter(is_frame).collect();
    assert_eq!(frames.len(), 3);
    flac.drain(frames[1]..frames[2]);
    flac[22..42].fill(0);
    let error = refused(&flac);
    assert!(error.contains("found a gap after 4096 samples"), "{error}");

    // Another checksum.
    let mut flac = bytes("mono.flac");
    flac[30] ^= 1;
    let error = refused(&flac);
    assert!(
        error.contains("found 1600 other samples, expected those of the file's checksum"),
        "{error}"
    );
}

#[test]
fn damage_is_refused_or_changes_nothing() {
    for name in ["mono.flac", "stereo.flac", "mono.ogg"] {
        let mut bytes = bytes(name);
        let whole = read_bytes(&bytes).unwrap();
        for at in (0..bytes.len()).step_by(3) {
            bytes[at] ^= 0x10;
            // A rate is in no checksum.
            match read_bytes(&bytes) {
                Ok(sound) => assert_eq!(sound.samples, whole.samples, "{name}, {at}"),
                Err(error) => assert!(error.contains("expected"), "{error}"),
            }
            bytes[at] ^= 0x10;
        }
    }
    // MP3 has no checksum, but what is read is finite.
    for name in ["mono.mp3", "stereo.mp3"] {
        let mut bytes = bytes(name);
        for at in (0..bytes.len()).step_by(3) {
            for bits in [0x01, 0x10, 0xff] {
                bytes[at] ^= bits;
                if let Ok(sound) = read_bytes(&bytes) {
                    assert!(sound.samples.iter().all(|sample| sample.is_finite()));
                }
                bytes[at] ^= bits;
            }
        }
    }
}

#[test]
fn damage_under_a_right_checksum_is_refused() {
    let whole = bytes("stereo.flac");
    let frame = (42..whole.len()).find(|&at| whole[at..].starts_with(&[0xff, 0xf8])).unwrap();
    let end = whole.len() - 2;
    assert_eq!(crc16(&whole[frame..end]).to_be_bytes(), whole[end..]);
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    // Among them are some that overflow the decoder's integers.
    for _ in 0..500 {
        let mut flac = whole.clone();
        for _ in 0..3 {
            flac[frame + 7 + random() % (end - frame - 7)] ^= 1 << (random() % 8);
        }
        let checksum = crc16(&flac[frame..end]);
        flac[end..].copy_from_slice(&checksum.to_be_bytes());
        if flac != whole {
            refused(&flac);
        }
    }
}

/// The checksum of a frame of FLAC.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x8005,
        })
    })
}

#[test]
fn what_is_not_one_sound_is_refused() {
    let error = refused(&bytes("opus.ogg"));
    assert!(error.contains("an Ogg file that is not decoded here"), "{error}");
    let two = [bytes("mono.ogg"), bytes("stereo.ogg")].concat();
    let error = refused(&two);
    assert!(error.contains("found another stream after 1600 samples"), "{error}");
    assert!(read_bytes(&[bytes("mono.mp3"), bytes("stereo.mp3")].concat()).is_err());
    for start in [&b"fLaC"[..], b"OggS", b"\xff\xfb\x90\x00", b"ID3"] {
        for byte in [0x00, 0x55, 0xff] {
            let mut garbage = start.to_vec();
            garbage.resize(5_000, byte);
            let error = refused(&garbage);
            assert!(error.starts_with("found "), "{error}");
        }
    }
}
