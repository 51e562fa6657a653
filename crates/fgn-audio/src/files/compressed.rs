//! FLAC, MP3 and Ogg files as samples.
//!
//! A player goes on after damage. Here it is an error, as far as a file lets it be found: FLAC has checksums and a
//! length, Ogg pages have checksums and positions, an MP3 file has a length if its encoder wrote one.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::panic::catch_unwind;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as DecoderError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::packet::Packet;
use symphonia::default::formats::{FlacReader, MpaReader, OggReader};
use symphonia::default::get_codecs;

use super::compression::Compression;
use super::limits::{Limit, check_samples};
use crate::error::{Error, Result};
use crate::rates::{SAMPLE_RATES, expected};

/// The length of a tag's header, and of its footer.
const TAG_HEADER: usize = 10;

/// The samples of a compressed file, and how many there are a second. Several channels become one, their mean.
///
/// # Errors
/// A file that cannot be decoded, without sound, of several rates, damaged, cut short, or longer than `max_seconds`.
pub(super) fn read(name: &str, file: File, max_seconds: f64) -> Result<(Vec<f32>, u32)> {
    // Damage under a right checksum makes the decoders overflow, which is a panic where overflows are checked.
    catch_unwind(move || read_packets(name, file, max_seconds)).unwrap_or_else(|_| {
        let (name, found) = (name.to_owned(), "damage that stops the decoder".to_owned());
        Err(Error::Sound { name, found, expected: "a sound without damage".into() })
    })
}

fn read_packets(name: &str, file: File, max_seconds: f64) -> Result<(Vec<f32>, u32)> {
    let mut decoding = Decoding::new(name, file)?;
    let mut samples = Vec::new();
    let mut rate = None;
    while let Some(packet) = decoding.next_packet(samples.len())? {
        let before = samples.len();
        let found = decoding.decode(&packet, &mut samples)?;
        let rate = *rate.get_or_insert(found);
        if rate != found {
            let found = format!("{found} Hz after {before} samples of {rate} Hz");
            return Err(decoding.wrong(found, "one sample rate"));
        }
        let limit = Limit::new(name, max_seconds, rate);
        limit.check_length(decoding.length)?;
        limit.check_read(samples.len())?;
        check_samples(name, &samples[before..], before as u64)?;
    }
    decoding.finish(samples.len())?;
    Ok((samples, rate.unwrap_or_default()))
}

/// A file that is decoded packet by packet.
struct Decoding<'a> {
    name: &'a str,
    compression: Compression,
    packets: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// How many samples there are, where the file says so.
    length: Option<u64>,
    /// Samples of all channels, one after the other.
    interleaved: Vec<f32>,
}

impl<'a> Decoding<'a> {
    fn new(name: &'a str, mut file: File) -> Result<Decoding<'a>> {
        let compression = find(name, &mut file)?;
        let failed = |error| failure(name, compression, error, 0);
        let packets = open(compression, file).map_err(failed)?;
        let wrong = |found: &str, expected: &str| Error::Sound {
            name: name.to_owned(),
            found: format!("{compression} {found}"),
            expected: expected.to_owned(),
        };
        let track = packets
            .default_track(TrackType::Audio)
            .ok_or_else(|| wrong("without a track that is decoded here", "FLAC, MP3 or Vorbis"))?;
        let parameters = match &track.codec_params {
            Some(CodecParameters::Audio(parameters)) => parameters,
            _ => return Err(wrong("without a track of sound", "one or more")),
        };
        // The checksum of all samples is that of FLAC.
        let options = AudioDecoderOptions::default().verify(true);
        let decoder = get_codecs().make_audio_decoder(parameters, &options).map_err(failed)?;
        // A part of an Ogg stream begins later than at 0.
        let start = u64::try_from(track.start_ts.get()).unwrap_or_default();
        let length = track.num_frames.map(|end| end.saturating_sub(start));
        let track = track.id;
        let interleaved = Vec::new();
        Ok(Decoding { name, compression, packets, decoder, track, length, interleaved })
    }

    /// The next packet of the track; `None` at the end. `done` samples are decoded.
    fn next_packet(&mut self, done: usize) -> Result<Option<Packet>> {
        loop {
            let packet = self.packets.next_packet();
            let packet =
                packet.map_err(|error| failure(self.name, self.compression, error, done))?;
            match packet {
                Some(packet) if packet.track_id != self.track => {}
                packet => return Ok(packet),
            }
        }
    }

    /// Appends the samples of a packet. Gives the sample rate.
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Result<u32> {
        let done = samples.len();
        let is_next = i64::try_from(done).is_ok_and(|done| packet.pts.get() == done);
        if self.compression == Compression::Flac && !is_next {
            let found = format!("a gap after {done} samples");
            return Err(self.wrong(found, "all samples: is the file damaged?"));
        }
        let decoded = self.decoder.decode(packet);
        let decoded = decoded.map_err(|error| failure(self.name, self.compression, error, done))?;
        let rate = decoded.spec().rate();
        let channels = decoded.num_planes();
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        if !SAMPLE_RATES.contains(&rate) {
            return Err(self.wrong(format!("a sample rate of {rate} Hz"), &expected()));
        }
        if channels == 0 {
            return Err(self.wrong("0 channels".into(), "one or more"));
        }
        samples.extend(self.interleaved.chunks_exact(channels).map(mean));
        Ok(rate)
    }

    /// Checks what is known at the end, after `done` samples.
    fn finish(&mut self, done: usize) -> Result<()> {
        if let Some(length) = self.length.filter(|&length| length != done as u64) {
            let expected = format!("{length}, as the file says: is it cut short or damaged?");
            return Err(self.wrong(format!("{done} samples"), &expected));
        }
        match self.decoder.finalize().verify_ok {
            Some(false) => {
                let expected = "those of the file's checksum (MD5): is it damaged?";
                Err(self.wrong(format!("{done} other samples"), expected))
            }
            _ => Ok(()),
        }
    }

    fn wrong(&self, found: String, expected: &str) -> Error {
        Error::Sound { name: self.name.to_owned(), found, expected: expected.to_owned() }
    }
}

fn mean(channels: &[f32]) -> f32 {
    let sum: f64 = channels.iter().map(|&sample| f64::from(sample)).sum();
    (sum / channels.len() as f64) as f32
}

/// Finds how a file is compressed, and skips the tags before it.
fn find(name: &str, file: &mut File) -> Result<Compression> {
    let start = skip_tags(file).map_err(|source| Error::Read { name: name.to_owned(), source })?;
    Compression::of(&start).ok_or_else(|| {
        let found = match start.is_empty() {
            true => "the end".to_owned(),
            false => format!("\"{}\"", start.escape_ascii()),
        };
        let expected = "FLAC, MP3 or Ogg after the tags (ID3)".to_owned();
        Error::Sound { name: name.to_owned(), found, expected }
    })
}

/// Goes to the first byte after the tags of ID3 at a file's start. Gives the bytes from there that say what it is.
fn skip_tags(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut position = 0;
    loop {
        let mut start = Vec::new();
        file.seek(SeekFrom::Start(position))?;
        file.by_ref().take(TAG_HEADER as u64).read_to_end(&mut start)?;
        match start[..] {
            // The size has seven bits a byte; a flag says that a footer follows.
            [b'I', b'D', b'3', _, _, flags, a, b, c, d] => {
                let size =
                    [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
                let headers = if flags & 0x10 == 0 { 1 } else { 2 };
                position += size + headers * TAG_HEADER as u64;
            }
            _ => {
                file.seek(SeekFrom::Start(position))?;
                start.truncate(Compression::START);
                return Ok(start);
            }
        }
    }
}

/// The packets of a file, from its position on.
fn open(
    compression: Compression,
    mut file: File,
) -> std::result::Result<Box<dyn FormatReader>, DecoderError> {
    let position = file.stream_position()?;
    let source: Box<dyn MediaSource> = match compression {
        // The last page says how long the sound is.
        Compression::Ogg => Box::new(file),
        // The length of an MP3 file would be guessed by that of the file.
        Compression::Flac | Compression::Mp3 => Box::new(ReadOnlySource::new(file)),
    };
    let mut source = MediaSourceStream::new(source, Default::default());
    let options = FormatOptions::default();
    Ok(match compression {
        Compression::Flac => Box::new(FlacReader::try_new(source, options)?),
        Compression::Mp3 => Box::new(MpaReader::try_new(source, options)?),
        Compression::Ogg => {
            source.seek(SeekFrom::Start(position))?;
            Box::new(OggReader::try_new(source, options)?)
        }
    })
}

/// What a decoder's error means, after `done` samples.
fn failure(name: &str, compression: Compression, error: DecoderError, done: usize) -> Error {
    let (found, expected) = match error {
        DecoderError::IoError(source) if source.kind() == ErrorKind::UnexpectedEof => {
            let expected = format!("the rest of {compression}: is it cut short?");
            (format!("the end after {done} samples"), expected)
        }
        DecoderError::IoError(source) if source.raw_os_error().is_some() => {
            return Error::Read { name: name.to_owned(), source };
        }
        DecoderError::Unsupported(reason) => {
            let found = format!("{compression} that is not decoded here ({reason})");
            (found, "FLAC, MP3 or Vorbis".into())
        }
        DecoderError::ResetRequired => {
            (format!("another stream after {done} samples"), "one in a file".into())
        }
        error => {
            let found = format!("damage after {done} samples ({error})");
            (found, format!("{compression} without damage"))
        }
    };
    Error::Sound { name: name.to_owned(), found, expected }
}
