//! How a sample is stored.

/// How a sample is stored, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Eight bits without a sign: 128 is 0.
    U8,
    /// Integers with a sign, of 2 to 4 bytes.
    Integer {
        bytes: usize,
    },
    F32,
    F64,
}

impl Encoding {
    /// The bytes of a sample.
    pub(super) fn size(self) -> usize {
        match self {
            Encoding::U8 => 1,
            Encoding::Integer { bytes } => bytes,
            Encoding::F32 => 4,
            Encoding::F64 => 8,
        }
    }

    /// Of `bytes`, which are samples one after the other: each with full scale at -1 and 1.
    pub(super) fn samples(self, bytes: &[u8]) -> impl Iterator<Item = f32> {
        bytes.chunks_exact(self.size()).map(move |bytes| self.sample(bytes))
    }

    /// A sample of [`size`](Self::size) bytes.
    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Encoding::U8, &[byte]) => (f32::from(byte) - 128.0) / 128.0,
            (Encoding::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Encoding::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            // The bytes are the high ones of 32 bits, so that one scale is for all.
            _ => {
                let mut word = [0; 4];
                let high = word.len().saturating_sub(bytes.len());
                word[high..].copy_from_slice(&bytes[..bytes.len().min(4)]);
                (f64::from(i32::from_le_bytes(word)) / 2_147_483_648.0) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_one_in_every_encoding() {
        let of = |encoding: Encoding, bytes: &[u8]| encoding.samples(bytes).collect::<Vec<_>>();
        assert_eq!(of(Encoding::U8, &[0, 64, 128, 255]), [-1.0, -0.5, 0.0, 127.0 / 128.0]);
        let two = Encoding::Integer { bytes: 2 };
        assert_eq!(of(two, &[0, 128, 255, 127, 1, 0]), [-1.0, 32767.0 / 32768.0, 1.0 / 32768.0]);
        let three = Encoding::Integer { bytes: 3 };
        assert_eq!(of(three, &[0, 0, 128, 0, 0, 64, 255, 255, 255]), [-1.0, 0.5, -1.0 / 8388608.0]);
        let four = Encoding::Integer { bytes: 4 };
        assert_eq!(of(four, &i32::MIN.to_le_bytes()), [-1.0]);
        assert_eq!(of(four, &(1_i32 << 29).to_le_bytes()), [0.25]);
        assert_eq!(of(Encoding::F32, &0.125_f32.to_le_bytes()), [0.125]);
        assert_eq!(of(Encoding::F64, &(-0.75_f64).to_le_bytes()), [-0.75]);
    }
}
