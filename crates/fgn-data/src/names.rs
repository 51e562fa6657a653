//! Names that people type: the nearest known one, and the order of classes.

/// Edits by which a name may differ from a known one and still be taken for a typo.
const TYPO: usize = 3;

/// The one of `known` that `name` is probably a typo of.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|&(edits, known)| edits <= TYPO.min(known.len().saturating_sub(1)))
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Sorts names of classes: whole numbers by value, then words by letter.
pub(crate) fn class_key(name: &str) -> (u64, &str) {
    (name.parse().unwrap_or(u64::MAX), name)
}

/// Sorts the names of classes. `labels`, indices into them, are changed to fit.
pub(crate) fn sorted_classes(names: Vec<String>, labels: &mut [u32]) -> Vec<String> {
    let mut sorted: Vec<(u32, String)> = (0..).zip(names).collect();
    sorted.sort_by(|(_, one), (_, other)| class_key(one).cmp(&class_key(other)));
    let mut indices = vec![0; sorted.len()];
    for (index, &(before, _)) in (0..).zip(&sorted) {
        indices[before as usize] = index;
    }
    labels.iter_mut().for_each(|label| *label = indices[*label as usize]);
    sorted.into_iter().map(|(_, name)| name).collect()
}

/// Whether the names are `0`, `1`, …: those of things that have none.
pub(crate) fn are_indices(names: &[String]) -> bool {
    names.iter().enumerate().all(|(index, name)| *name == index.to_string())
}

/// A text as an error shows it: in quotes, and cut off where it is long.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_recognised_and_strangers_are_not() {
        let known = || ["mnist"].into_iter();
        for typo in ["MNIST", "mnits", "minst", "mnist-", "nist"] {
            assert_eq!(nearest(typo, known()).as_deref(), Some("mnist"), "{typo}");
        }
        for stranger in ["", "imagenet", "fashion-mnist"] {
            assert_eq!(nearest(stranger, known()), None, "{stranger}");
        }
    }
}
