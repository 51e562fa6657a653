//! What people see in a text, as numbers.

/// What is looked for, with a number for each piece of the text.
pub(super) fn indicators(pieces: &[&str]) -> Vec<(&'static str, Vec<f64>)> {
    let mut reader = Reader::default();
    let rows: Vec<[f64; NAMES.len()]> = pieces.iter().map(|piece| reader.read(piece)).collect();
    let column = |at: usize| rows.iter().map(|row| row[at]).collect();
    NAMES.into_iter().enumerate().map(|(at, name)| (name, column(at))).collect()
}

const NAMES: [&str; 8] = [
    "line end",
    "space",
    "start of a word",
    "punctuation",
    "upper case",
    "inside quotes",
    "inside brackets",
    "position in the line",
];

/// What is known of the text so far.
#[derive(Default)]
struct Reader {
    in_word: bool,
    in_quotes: bool,
    brackets: usize,
    /// Characters since the last line end.
    position: usize,
}

impl Reader {
    fn read(&mut self, piece: &str) -> [f64; NAMES.len()] {
        let mut starts = false;
        for symbol in piece.chars() {
            starts |= symbol.is_alphanumeric() && !self.in_word;
            self.add(symbol);
        }
        let has = |is: fn(char) -> bool| piece.contains(is);
        let marks = [
            has(|symbol| symbol == '\n'),
            has(|symbol| symbol == ' '),
            starts,
            has(|symbol| symbol.is_ascii_punctuation()),
            has(char::is_uppercase),
            self.in_quotes,
            self.brackets > 0,
        ];
        let mut row = [self.position as f64; NAMES.len()];
        row.iter_mut().zip(marks).for_each(|(number, mark)| *number = f64::from(u8::from(mark)));
        row
    }

    fn add(&mut self, symbol: char) {
        // An apostrophe begins no word.
        self.in_word = symbol.is_alphanumeric() || self.in_word && "'’".contains(symbol);
        match symbol {
            '"' => self.in_quotes = !self.in_quotes,
            '“' => self.in_quotes = true,
            '”' => self.in_quotes = false,
            '(' | '[' | '{' => self.brackets += 1,
            ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
            // What is left open at the end of a paragraph is a typo.
            '\n' if self.position == 0 => (self.in_quotes, self.brackets) = (false, 0),
            _ => {}
        }
        self.position = if symbol == '\n' { 0 } else { self.position + 1 };
    }
}

/// Pearson's correlation coefficient; 0 where one of the two hardly changes: by a millionth.
pub(super) fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let count = one.len().min(other.len()) as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (centre, other_centre) = (mean(one), mean(other));
    let (mut products, mut squares, mut other_squares) = (0.0, 0.0, 0.0);
    for (value, other) in one.iter().zip(other) {
        let (value, other) = (value - centre, other - other_centre);
        products += value * other;
        squares += value * value;
        other_squares += other * other;
    }
    match squares.min(other_squares) > 1e-12 * count {
        true => products / (squares * other_squares).sqrt(),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(pieces: &[&str], name: &str) -> Vec<f64> {
        let all = indicators(pieces);
        all.into_iter().find(|(known, _)| *known == name).expect("its name").1
    }

    #[test]
    fn a_text_is_read_as_people_read_it() {
        let characters = ["A", "'", "s", " ", "\"", "x", "\"", "\n", "(", "b", ")", "\n"];
        for (name, expected) in [
            ("line end", "000000010001"),
            ("space", "000100000000"),
            ("start of a word", "100001000100"),
            ("punctuation", "010010101010"),
            ("upper case", "100000000000"),
            ("inside quotes", "000011000000"),
            ("inside brackets", "000000001100"),
            ("position in the line", "123456701230"),
        ] {
            let found = column(&characters, name);
            let found: String = found.iter().map(f64::to_string).collect();
            assert_eq!(found, expected, "{name}");
        }
        // Whole words; a quote that is never closed ends with its paragraph.
        let words = ["\"The", " cat", "\n", "\n", "sat"];
        assert_eq!(column(&words, "start of a word"), [1.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(column(&words, "inside quotes"), [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(column(&words, "position in the line"), [4.0, 8.0, 0.0, 0.0, 3.0]);
    }

    #[test]
    fn correlations_are_those_of_the_definition() {
        let found = correlation(&[1.0, 2.0, 4.0], &[1.0, 0.0, 2.0]);
        // Around the means: products 2, squares 14/3 and 2.
        assert!((found - 2.0 / (28.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{found}");
        assert_eq!(correlation(&[0.1; 3], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(correlation(&[], &[]), 0.0);
        assert!((correlation(&[1.0, 3.0], &[5.0, 2.0]) + 1.0).abs() < 1e-12);
    }
}
