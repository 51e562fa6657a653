//! The chunks of PNG files: checksums, and metadata that the decoder does not look for.

use flate2::Crc;

use super::jpeg::Fault;

const SIGNATURE: usize = 8;

/// One chunk of a file.
struct Chunk<'a> {
    name: &'a [u8],
    data: &'a [u8],
    /// Name and data, which the checksum is of.
    checked: &'a [u8],
    checksum: u32,
}

/// The chunks of a file, as far as they are whole.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let checked = after.get(..length.checked_add(4)?)?;
        let (checksum, after) = after[checked.len()..].split_first_chunk()?;
        rest = after;
        let (name, data) = checked.split_at(4);
        Some(Chunk { name, data, checked, checksum: u32::from_be_bytes(*checksum) })
    })
}

/// The EXIF metadata, which may be before or after the pixels.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    chunks(bytes).find(|chunk| chunk.name == b"eXIf").map(|chunk| chunk.data)
}

/// Checks that a file is whole, with the right checksums.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    for chunk in chunks(bytes) {
        let mut crc = Crc::new();
        crc.update(chunk.checked);
        if crc.sum() != chunk.checksum {
            let name = chunk.name.escape_ascii();
            return Err(format!("the checksum of its chunk {name} is wrong: damaged?").into());
        }
        if chunk.name == b"IEND" {
            return Ok(());
        }
    }
    Err("it ends before the end of the image (no IEND chunk): truncated?".into())
}
