//! Words that have another name in this field, and so may stand nowhere: in no name, message,
//! documentation or comment.
//!
//! Only words are listed that a machine can tell from their other senses. A text is read as a row
//! of words: `laid_out`, `LaidOut` and "laid out" are the same two, also across the end of a line.

use super::finding::Finding;
use super::workspace::File;

/// The one table. A space in a term stands for blanks or `_` between two words; `_` for an identifier
/// that joins them; `*` for any ending.
#[rustfmt::skip]
const TERMS: &[(&str, &str)] = &[
    ("arrays of numbers",       "vectors (SIMD), or the scalar fallback"),
    ("asked for ahead",         "prefetched"),
    ("crew",                    "team, or thread team"),
    ("crews",                   "teams, or thread teams"),
    ("derivative by",           "gradient with respect to"),
    ("derivatives by",          "gradients with respect to"),
    ("deviation",               "standard deviation, or std"),
    ("deviations",              "standard deviations, or stds"),
    ("each_step",               "per_step"),
    ("is filling",              "is padding"),
    ("first values",            "initialisation"),
    ("laid out",                "packed"),
    ("lay out",                 "pack"),
    ("laying out",              "packing"),
    ("lays out",                "packs"),
    ("nearest cache*",          "L1"),
    ("numbers to tell",         "regression targets"),
    ("put out",                 "output"),
    ("puts out",                "outputs"),
    ("registers of numbers",    "vectors (SIMD)"),
    ("second cache*",           "L2"),
    ("slip",                    "typo, or error"),
    ("slips",                   "typos, or errors"),
    ("squash*",                 "activation"),
    ("the filling",             "the padding"),
    ("told",                    "predicted, or prediction"),
    ("what is behind",          "padding, or past the sequence's length"),
];

/// What makes a term the right one when it stands before it.
const QUALIFIED: [(&str, &str); 2] = [("standard", "deviation"), ("standard", "deviations")];

/// The files that may name the words: this one, and what was released under the old names.
const EXEMPT: [&str; 2] = ["xtask/src/invariants/glossary.rs", "CHANGELOG.md"];

/// Checks a source file, a page or a recipe.
pub(super) fn check(file: &File) -> Vec<Finding> {
    if EXEMPT.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let words = words(&file.text);
    let starts = (0..words.len()).flat_map(|start| TERMS.iter().map(move |term| (start, term)));
    let breaches = starts.filter(|(start, (term, _))| stands_at(term, &words, *start));
    let findings = breaches.map(|(start, (term, instead))| Finding {
        at: format!("{}:{}", file.path, words[start].line),
        found: format!("the term `{}`", term.trim_end_matches('*')),
        expected: format!("the field's: {instead}"),
    });
    findings.collect()
}

struct Word {
    /// In small letters.
    text: String,
    line: usize,
    after: Gap,
}

/// What stands between a word and the one before it.
#[derive(Clone, Copy, PartialEq)]
enum Gap {
    /// Nothing, or `_`: both belong to one identifier.
    Joined,
    /// Space, a hyphen, the end of a line and the marks of a comment.
    Blank,
    Other,
}

/// The words of a text. An identifier has several: `each_step` and `EachStep` are two.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut gap = Gap::Other;
    for (line, text) in (1..).zip(text.lines()) {
        let mut before = ' ';
        for letter in text.chars() {
            let goes_on =
                before.is_alphabetic() && !(before.is_lowercase() && letter.is_uppercase());
            match words.last_mut() {
                _ if !letter.is_alphabetic() => gap = gap.and(letter),
                Some(word) if goes_on => word.text.extend(letter.to_lowercase()),
                _ => {
                    let text = letter.to_lowercase().collect();
                    words.push(Word { text, line, after: gap });
                    gap = Gap::Joined;
                }
            }
            before = letter;
        }
        gap = gap.and(' ');
    }
    words
}

impl Gap {
    fn and(self, letter: char) -> Gap {
        match (self, letter) {
            (Gap::Joined, '_') => Gap::Joined,
            (Gap::Joined | Gap::Blank, ' ' | '_' | '-' | '/' | '!') => Gap::Blank,
            _ => Gap::Other,
        }
    }
}

fn stands_at(term: &str, words: &[Word], start: usize) -> bool {
    let before = start.checked_sub(1).map_or("", |before| &words[before].text);
    let mut words = words[start..].iter();
    let is_there = term.split(' ').enumerate().all(|(nth, part)| {
        part.split('_').enumerate().all(|(nth_joined, part)| {
            let Some(word) = words.next() else { return false };
            let is_near = match (nth, nth_joined) {
                (0, 0) => true,
                (_, 0) => word.after != Gap::Other,
                _ => word.after == Gap::Joined,
            };
            let stem = part.strip_suffix('*');
            is_near && stem.map_or(word.text == part, |stem| word.text.starts_with(stem))
        })
    });
    is_there && !QUALIFIED.contains(&(before, term))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let file = File { path: "docs/a.md".into(), text: text.into() };
        check(&file).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn each_term_is_found_with_what_to_say_instead() {
        for (term, instead) in TERMS {
            let found = findings(&format!("One line.\nIt {}.", term.replace('*', "s")));
            let term = term.trim_end_matches('*');
            let expected =
                format!("docs/a.md:2: found the term `{term}`; expected the field's: {instead}");
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn a_term_is_found_in_names_in_capitals_and_across_lines() {
        let texts = [
            "struct LaidOut;",
            "fn laid_out()",
            "Laid out",
            "/// a Crew of",
            "fn is_told()",
            "enum Squash",
        ];
        for text in texts {
            assert_eq!(findings(text).len(), 1, "{text}");
        }
        let wrapped = findings("/// are asked\n    /// for ahead.\n");
        assert_eq!(wrapped.len(), 1);
        assert!(wrapped[0].starts_with("docs/a.md:1:"), "{}", wrapped[0]);
    }

    #[test]
    fn other_words_are_none() {
        let texts = [
            "the standard deviation",
            "standard\n//! deviations",
            "standard_deviation",
            "at each step of it",
            "the layout",
            "outlay",
            "screw",
            "untold",
            "slipped",
            "(first, values)",
        ];
        for text in texts {
            assert_eq!(findings(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn the_table_may_name_its_words_and_so_may_the_history() {
        for path in EXEMPT {
            let file = File { path: path.into(), text: "told".into() };
            assert_eq!(check(&file).len(), 0, "{path}");
        }
    }
}
