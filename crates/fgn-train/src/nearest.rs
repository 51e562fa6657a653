//! The known name that an unknown one was probably meant to be.

/// The candidate that `name` was probably meant to be.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let edits = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let near = candidates.into_iter().map(|known| (edits(known), known));
    let (_, known) =
        near.filter(|&(edits, known)| edits <= MAX_EDITS.min(known.len() / 2)).min()?;
    Some(known.to_owned())
}

/// Edits by which a name may differ from a known one and still be taken for it.
const MAX_EDITS: usize = 4;

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typos_are_recognised_and_strangers_are_not() {
        let known = ["epochs", "batch_size", "learning_rate", "seed"];
        for (typo, meant) in [("epoch", "epochs"), ("batchsize", "batch_size"), ("Sead", "seed")] {
            assert_eq!(nearest(typo, known).as_deref(), Some(meant), "{typo}");
        }
        for stranger in ["", "threads", "z"] {
            assert_eq!(nearest(stranger, known), None, "{stranger}");
        }
    }
}
