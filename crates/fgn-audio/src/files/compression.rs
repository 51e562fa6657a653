//! Sound files that are compressed: FLAC, MP3 and Ogg.

use std::fmt;

/// How a sound file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Flac,
    Mp3,
    Ogg,
}

impl Compression {
    /// How many bytes of a file [`of`](Self::of) looks at.
    pub(super) const START: usize = 4;

    /// What a file is that begins with `start`; `None` if it is none of them. Tags of ID3 are those of an MP3 file.
    pub(super) fn of(start: &[u8]) -> Option<Compression> {
        match start {
            b"fLaC" => Some(Compression::Flac),
            b"OggS" => Some(Compression::Ogg),
            [b'I', b'D', b'3', ..] => Some(Compression::Mp3),
            // Eleven bits of synchronization, two of the version, and the layer, which is 3.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(Compression::Mp3),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(match self {
            Compression::Flac => "a FLAC file",
            Compression::Mp3 => "an MP3 file",
            Compression::Ogg => "an Ogg file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(Compression::of(b"fLaC"), Some(Compression::Flac));
        assert_eq!(Compression::of(b"OggS"), Some(Compression::Ogg));
        assert_eq!(Compression::of(b"ID3\x04"), Some(Compression::Mp3));
        // MPEG 1, 2 and 2.5.
        for second in [0xfa, 0xfb, 0xf2, 0xf3, 0xe2, 0xe3] {
            assert_eq!(Compression::of(&[0xff, second, 0, 0]), Some(Compression::Mp3));
        }
        // AAC, UTF-16, JPEG.
        for second in [0xf1, 0xf9, 0xfe, 0xd8, 0xe0] {
            assert_eq!(Compression::of(&[0xff, second, 0, 0]), None);
        }
        for other in [&b"RIFF"[..], b"fLa", b"", b"\xff"] {
            assert_eq!(Compression::of(other), None);
        }
    }
}
