//! Sound in chunks, from anything that gives bytes.

use std::io::{self, Read};

use super::encoding::Encoding;
use super::header::{Header, read_header};
use super::limits::check_samples;
use crate::error::{Error, Result};
use crate::rates::check_rate;

/// How samples without a header are stored, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawFormat {
    /// Integers of 16 bits with a sign.
    S16Le,
    /// Floats of 32 bits.
    F32Le,
}

/// Sound that is read chunk by chunk, from a file, a pipe or a socket: its length need not be known.
#[derive(Debug)]
pub struct SoundStream<R> {
    name: String,
    bytes: R,
    encoding: Encoding,
    channels: usize,
    sample_rate: u32,
    /// How many bytes are still to come; `None` for all until the end.
    left: Option<u64>,
    buffer: Vec<u8>,
    /// How many bytes of the buffer are read and not yet given.
    filled: usize,
    /// How many samples were given.
    done: u64,
}

impl<R: Read> SoundStream<R> {
    /// A WAV file, whose header is read now. Where the header says no length, as those of pipes, all until the end is
    /// sound. `name` is for errors.
    ///
    /// # Errors
    /// [`Error::Read`] for what the system says; [`Error::Sound`] for bytes that are not WAV, of another codec than
    /// PCM, or of a sample rate that is out of range.
    pub fn wav(name: &str, mut bytes: R) -> Result<SoundStream<R>> {
        let Header { encoding, channels, sample_rate, length } = read_header(name, &mut bytes)?;
        let mut stream = SoundStream::new(name, bytes, encoding, sample_rate);
        (stream.channels, stream.left) = (channels.into(), length);
        let frame = stream.frame() as u64;
        match length {
            Some(length) if !length.is_multiple_of(frame) => Err(Error::Sound {
                name: name.to_owned(),
                found: format!("{length} bytes of samples"),
                expected: format!("a multiple of {frame}, the bytes of one sample of all channels"),
            }),
            _ => Ok(stream),
        }
    }

    /// Samples of one channel without a header. `name` is for errors.
    ///
    /// # Errors
    /// [`Error::Setting`] for a sample rate that is out of range.
    pub fn raw(
        name: &str,
        bytes: R,
        format: RawFormat,
        sample_rate: u32,
    ) -> Result<SoundStream<R>> {
        check_rate("sample_rate", sample_rate)?;
        let encoding = match format {
            RawFormat::S16Le => Encoding::Integer { bytes: 2 },
            RawFormat::F32Le => Encoding::F32,
        };
        Ok(SoundStream::new(name, bytes, encoding, sample_rate))
    }

    fn new(name: &str, bytes: R, encoding: Encoding, sample_rate: u32) -> SoundStream<R> {
        let (name, channels, left) = (name.to_owned(), 1, None);
        let (buffer, filled, done) = (Vec::new(), 0, 0);
        SoundStream { name, bytes, encoding, channels, sample_rate, left, buffer, filled, done }
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// How many samples are still to come, where a header says so.
    pub fn samples_left(&self) -> Option<u64> {
        self.left.map(|left| (left + self.filled as u64) / self.frame() as u64)
    }

    /// Appends the next samples, the means of all channels: what has arrived, at least one sample and at most `limit`.
    /// Gives how many there are; 0 at the end.
    ///
    /// # Errors
    /// [`Error::Read`] for what the system says; [`Error::Sound`] for a sound that ends before its header says, or
    /// within a sample, and for a sample that is not finite or far above full scale.
    pub fn read(&mut self, samples: &mut Vec<f32>, limit: usize) -> Result<usize> {
        let frame = self.frame();
        let wanted = limit.max(1).saturating_mul(frame).min(1 << 20).max(frame);
        self.buffer.resize(wanted.max(self.filled), 0);
        while self.filled < frame {
            if self.fill()? == 0 {
                return self.end();
            }
        }
        let whole = self.filled / frame * frame;
        let (before, count) = (samples.len(), whole / frame);
        self.decode(whole, samples);
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        check_samples(&self.name, &samples[before..], self.done)?;
        self.done += count as u64;
        Ok(count)
    }

    /// The bytes of a sample of all channels.
    fn frame(&self) -> usize {
        self.encoding.size() * self.channels
    }

    /// Reads bytes once; 0 at the end.
    fn fill(&mut self) -> Result<usize> {
        let room = self.buffer.len() - self.filled;
        let room = self.left.map_or(room, |left| left.min(room as u64) as usize);
        let into = &mut self.buffer[self.filled..self.filled + room];
        let read = loop {
            match self.bytes.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|source| Error::Read { name: self.name.clone(), source })?;
        self.filled += read;
        self.left = self.left.map(|left| left - read as u64);
        Ok(read)
    }

    /// What the end of the bytes means.
    fn end(&self) -> Result<usize> {
        match (self.left, self.filled) {
            (None | Some(0), 0) => Ok(0),
            (Some(left), _) if left > 0 => {
                let found = format!("the end after {} samples", self.done);
                let missing = left + self.filled as u64;
                let expected =
                    format!("{missing} more bytes, as the header says: is it cut short?");
                Err(self.wrong(found, &expected))
            }
            (_, filled) => {
                let found = format!("{filled} bytes after sample {}", self.done);
                let expected = format!("{}, those of one sample of all channels", self.frame());
                Err(self.wrong(found, &expected))
            }
        }
    }

    /// The samples of the buffer's first `whole` bytes.
    fn decode(&self, whole: usize, samples: &mut Vec<f32>) {
        let all = self.encoding.samples(&self.buffer[..whole]);
        if self.channels == 1 {
            return samples.extend(all);
        }
        let (mut sum, mut channel) = (0.0, 0);
        for sample in all {
            sum += f64::from(sample);
            channel += 1;
            if channel == self.channels {
                samples.push((sum / self.channels as f64) as f32);
                (sum, channel) = (0.0, 0);
            }
        }
    }

    fn wrong(&self, found: String, expected: &str) -> Error {
        Error::Sound { name: self.name.clone(), found, expected: expected.to_owned() }
    }
}
