//! The header of a WAV file: chunks, of which `fmt ` says how samples are stored and `data` holds them.
//!
//! The crate hound, which writes files here, reads none whose length is unknown, as that of a pipe.

use std::io::{self, Read};

use super::encoding::Encoding;
use crate::error::{Error, Result};
use crate::rates::{SAMPLE_RATES, expected};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) encoding: Encoding,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    /// How many bytes of samples follow; `None` for all until the end.
    pub(super) length: Option<u64>,
}

/// The part of a `fmt ` chunk that is read.
const FORMAT: usize = 40;

/// What the identifiers of codecs inside `WAVE_FORMAT_EXTENSIBLE` end with.
const EXTENSIBLE_TAIL: [u8; 14] =
    [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];

/// Lengths that programs write which do not know the length yet, such as those that write to a pipe.
fn is_unknown(length: u32) -> bool {
    length == 0 || (0x7fff_0000..=0x8000_0000).contains(&length) || length >= 0xffff_0000
}

/// Reads a header up to the first byte of the samples.
///
/// # Errors
/// What is read as something else than WAV, or of a codec that is not read here.
pub(super) fn read_header(name: &str, bytes: &mut impl Read) -> Result<Header> {
    let wrong = |found: String, expected: &str| Error::Sound {
        name: name.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    let mut chunks = Chunks { name, bytes, done: 0 };
    let riff: [u8; 12] = chunks.take("RIFF and WAVE")?;
    match (&riff[..4], &riff[8..]) {
        (b"RIFF", b"WAVE") => {}
        (b"RF64" | b"BW64", _) => {
            return Err(wrong("WAV of more than 4 GB (RF64)".into(), "WAV (RIFF)"));
        }
        (b"RIFX", _) => return Err(wrong("big endian WAV (RIFX)".into(), "WAV (RIFF)")),
        _ => {
            let found = format!("a file that begins with {}", text(&riff[..4]));
            return Err(wrong(found, "WAV, which begins with RIFF and WAVE"));
        }
    }
    let size = u32_at(&riff, 4);
    let end = 8 + u64::from(size);
    let mut format = None;
    loop {
        let head: [u8; 8] = chunks.take("a chunk \"data\"")?;
        let length = u32_at(&head, 4);
        match (&head[..4], format) {
            (b"fmt ", None) => format = Some(chunks.format(length)?),
            (b"data", Some((encoding, channels, sample_rate))) => {
                // An empty sound between other chunks has a length of 0 that is meant.
                let is_meant = length == 0 && !is_unknown(size) && end > chunks.done;
                let length = (is_meant || !is_unknown(length)).then_some(length.into());
                return Ok(Header { encoding, channels, sample_rate, length });
            }
            (b"data", None) => {
                return Err(wrong("samples without a format".into(), "a chunk \"fmt \" first"));
            }
            _ => chunks.skip(u64::from(length) + u64::from(length % 2))?,
        }
    }
}

/// How samples are stored, of how many channels, and how many there are a second.
type Format = (Encoding, u16, u32);

/// The chunks of a file, one after the other.
struct Chunks<'a, R> {
    name: &'a str,
    bytes: &'a mut R,
    /// How many bytes are read.
    done: u64,
}

impl<R: Read> Chunks<'_, R> {
    fn wrong(&self, found: String, expected: String) -> Error {
        Error::Sound { name: self.name.to_owned(), found, expected }
    }

    fn failed(&self, source: io::Error, what: &str) -> Error {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.wrong("the end, within the header".into(), format!("{what}: is it cut short?"))
            }
            _ => Error::Read { name: self.name.to_owned(), source },
        }
    }

    /// The next bytes, which are those of `what`.
    fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut taken = [0; N];
        self.bytes.read_exact(&mut taken).map_err(|source| self.failed(source, what))?;
        self.done += N as u64;
        Ok(taken)
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let skipped = io::copy(&mut self.bytes.take(count), &mut io::sink());
        let skipped = skipped.and_then(|skipped| match skipped == count {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        });
        skipped.map_err(|source| self.failed(source, "a chunk \"data\""))?;
        self.done += count;
        Ok(())
    }

    /// What a chunk `fmt ` of that length says.
    fn format(&mut self, length: u32) -> Result<Format> {
        let what = "a whole chunk \"fmt \"";
        let mut format = [0; FORMAT];
        let read = FORMAT.min(length as usize);
        if read < 16 {
            let found = format!("a chunk \"fmt \" of {length} bytes");
            return Err(self.wrong(found, "16 or more".into()));
        }
        self.bytes.read_exact(&mut format[..read]).map_err(|source| self.failed(source, what))?;
        self.done += read as u64;
        self.skip(u64::from(length) - read as u64 + u64::from(length % 2))?;

        let [tag, channels] = [0, 2].map(|at| u16_at(&format, at));
        let sample_rate = u32_at(&format, 4);
        let [frame, bits] = [12, 14].map(|at| u16_at(&format, at));
        let codec = match tag {
            0xfffe if read == FORMAT && format[26..] == EXTENSIBLE_TAIL => u16_at(&format, 24),
            tag => tag,
        };
        if channels == 0 {
            return Err(self.wrong("0 channels".into(), "one or more".into()));
        }
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(self.wrong(format!("a sample rate of {sample_rate} Hz"), expected()));
        }
        let encoding = match (codec, bits) {
            (1, 1..=8) => Encoding::U8,
            (1, 9..=32) => Encoding::Integer { bytes: usize::from(bits).div_ceil(8) },
            (3, 32) => Encoding::F32,
            (3, 64) => Encoding::F64,
            (1 | 3, bits) => {
                let expected = "integers of 8, 16, 24 or 32 bits, or floats of 32 or 64";
                return Err(self.wrong(format!("samples of {bits} bits"), expected.into()));
            }
            (codec, _) => {
                let found = format!("samples of the codec {}", codec_name(codec));
                let expected = "PCM, integers or floats: convert the file";
                return Err(self.wrong(found, expected.into()));
            }
        };
        let bytes = encoding.size() * usize::from(channels);
        match usize::from(frame) == bytes {
            true => Ok((encoding, channels, sample_rate)),
            false => {
                let found = format!("{frame} bytes for {channels} samples of {bits} bits");
                Err(self.wrong(found, format!("{bytes}")))
            }
        }
    }
}

fn codec_name(codec: u16) -> String {
    let name = match codec {
        0x0002 | 0x0011 => "ADPCM",
        0x0006 => "A-law",
        0x0007 => "µ-law",
        0x0050 | 0x0055 => "MP3",
        _ => return format!("{codec:#06x}"),
    };
    format!("{name} ({codec:#06x})")
}

/// Bytes as an error shows them.
fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
