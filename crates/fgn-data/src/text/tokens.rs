//! Tokens as bytes: each in as few as its vocabulary allows.

/// The bytes of a token.
pub(crate) fn width_of(vocabulary: usize) -> usize {
    match vocabulary {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// The bytes of tokens, `width` each.
pub(crate) fn to_bytes(tokens: &[u32], width: usize) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_le_bytes().into_iter().take(width)).collect()
}

/// The tokens in bytes, `width` each.
pub(crate) fn from_bytes(bytes: &[u8], width: usize) -> Vec<u32> {
    let token =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |token, &byte| token << 8 | u32::from(byte));
    bytes.chunks(width).map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_in_as_few_bytes_as_their_vocabulary_needs() {
        for (vocabulary, width) in [(2, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)] {
            assert_eq!(width_of(vocabulary), width, "{vocabulary}");
            let tokens = [0, 1, vocabulary as u32 - 1, vocabulary as u32 / 2];
            let bytes = to_bytes(&tokens, width);
            assert_eq!((bytes.len(), from_bytes(&bytes, width)), (4 * width, tokens.to_vec()));
        }
    }
}
