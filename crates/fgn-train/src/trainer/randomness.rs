//! What is random in an epoch and in a step.

use fgn_nn::Generator;

/// Depends on these four numbers alone, so that any step can be repeated without those before it. A batch that is not divided
/// has no `group`.
pub(super) fn dropout(seed: u64, epoch: usize, step: usize, group: Option<usize>) -> Generator {
    let mut key = *b"dropout.........................";
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[24..32].copy_from_slice(&(step as u64).to_le_bytes());
    if let Some(group) = group {
        // No training has so many epochs that these bytes are in use.
        key[20..24].copy_from_slice(&(group as u32 + 1).to_le_bytes());
    }
    Generator::from_seed(key)
}

/// At which of the first `steps` steps the windows of an epoch begin. Depends on seed and epoch alone.
pub(super) fn offset(seed: u64, epoch: usize, steps: u64) -> u64 {
    let mut key = *b"windows.........................";
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&(epoch as u64).to_le_bytes());
    // The remainder prefers no step by more than one in 2^32 for any text there is.
    Generator::from_seed(key).next_u64() % steps.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_own_dropout() {
        let first = |seed, epoch, step| dropout(seed, epoch, step, None).next_u64();
        let group = |group| dropout(1, 1, 1, Some(group)).next_u64();
        let all =
            [group(0), group(1), first(1, 1, 1), first(1, 1, 2), first(1, 2, 1), first(2, 1, 1)];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one));
        }
    }
}
