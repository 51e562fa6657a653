//! C source as text: lines, numbers, arrays, comments and strings.

use crate::matrix::{Format, Matrix, Values};

/// Lines are about so long.
const LINE: usize = 100;

/// C source that grows, and the bytes of the arrays in it.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) bytes: usize,
}

impl Code {
    /// Adds a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text += text.as_ref();
        self.text.push('\n');
    }

    /// Adds an array of constants. The texts of its entries are as they stand in the source.
    fn array(&mut self, kind: &str, size: usize, name: &str, entries: &[String]) {
        self.bytes += size * entries.len();
        self.line(format!("static const {kind} {name}[{}] = {{", entries.len()));
        self.text += &wrapped(entries.iter().map(String::as_str), "    ", ",");
        self.line("};\n");
    }

    pub(crate) fn floats(&mut self, name: &str, numbers: &[f32]) {
        let entries: Vec<_> = numbers.iter().map(|&number| float(number)).collect();
        self.array("float", 4, name, &entries);
    }

    /// Adds indices, in the smallest type that holds them all.
    pub(crate) fn indices(&mut self, name: &str, indices: &[u32]) -> &'static str {
        let entries: Vec<_> = indices.iter().map(u32::to_string).collect();
        let is_small = indices.iter().all(|&index| index <= u32::from(u16::MAX));
        let (kind, size) = if is_small { ("uint16_t", 2) } else { ("uint32_t", 4) };
        self.array(kind, size, name, &entries);
        kind
    }

    /// Adds a matrix: the array `name`, and of whole numbers `name_scale` too.
    pub(crate) fn matrix(&mut self, name: &str, matrix: &Matrix) {
        match &matrix.values {
            Values::Float(numbers) => self.floats(name, numbers),
            Values::Int8 { numbers, scales } => {
                let entries: Vec<_> = numbers.iter().map(i8::to_string).collect();
                self.array("int8_t", 1, name, &entries);
                self.floats(&format!("{name}_scale"), scales);
            }
        }
    }
}

/// The statement that adds the product of a matrix called `name` with `x` to `y`.
pub(crate) fn product(matrix: &Matrix, name: &str, columns: &str, x: &str, y: &str) -> String {
    let rows = matrix.rows;
    match matrix.format() {
        Format::Float => format!("add_product({name}, {rows}, {columns}, {x}, {y});"),
        Format::Int8 => {
            format!("add_product_int8({name}, {name}_scale, {rows}, {columns}, {x}, {y});")
        }
    }
}

/// Entries in lines of a bounded length, each line after `start`.
pub(crate) fn wrapped<'a>(
    entries: impl Iterator<Item = &'a str>,
    start: &str,
    separator: &str,
) -> String {
    let mut text = String::new();
    let mut length = 0;
    for entry in entries {
        if length > 0 && length + entry.len() + separator.len() < LINE {
            text += " ";
            length += 1;
        } else {
            if length > 0 {
                text.push('\n');
            }
            text += start;
            length = start.len();
        }
        text += entry;
        text += separator;
        length += entry.len() + separator.len();
    }
    if length > 0 {
        text.push('\n');
    }
    text
}

/// A finite number as a hexadecimal constant of C99, which reads back to the bit.
pub(crate) fn float(number: f32) -> String {
    let bits = number.to_bits();
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (exponent, fraction) = (bits >> 23 & 0xff, bits & 0x7f_ffff);
    match exponent {
        0 if fraction == 0 => format!("{sign}0.0f"),
        0 => format!("{sign}0x{fraction:x}p-149f"),
        _ => {
            let digits = format!("{:06x}", fraction << 1);
            let digits = digits.trim_end_matches('0');
            let point = if digits.is_empty() { "" } else { "." };
            format!("{sign}0x1{point}{digits}p{}f", exponent as i32 - 127)
        }
    }
}

/// A text that stands inside a comment: without control characters, and without what would end the comment or make a
/// compiler warn.
pub(crate) fn comment(text: &str) -> String {
    let is_plain = |c: char| (c.is_ascii_graphic() && c != '\\') || c == ' ' || c.is_alphanumeric();
    let plain = text.chars().map(|c| if is_plain(c) { c } else { '?' });
    let mut text: String = plain.collect();
    for (found, apart) in [("*/", "* /"), ("/*", "/ *"), ("??", "? ?")] {
        while text.contains(found) {
            text = text.replace(found, apart);
        }
    }
    text
}

/// A text as a string constant.
pub(crate) fn string(text: &str) -> String {
    let mut constant = String::from("\"");
    for byte in text.bytes() {
        match byte {
            // `?` too: two of them can begin a trigraph.
            b'"' | b'\\' | b'?' => constant.extend(['\\', char::from(byte)]),
            b' '..=b'~' => constant.push(char::from(byte)),
            _ => constant += &format!("\\{byte:03o}"),
        }
    }
    constant + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_hexadecimal() {
        for (number, text) in [
            (0.0, "0.0f"),
            (-0.0, "-0.0f"),
            (1.0, "0x1p0f"),
            (-0.1875, "-0x1.8p-3f"),
            (0.1, "0x1.99999ap-4f"),
            (f32::MAX, "0x1.fffffep127f"),
            (f32::MIN_POSITIVE, "0x1p-126f"),
            (f32::from_bits(3), "0x3p-149f"),
        ] {
            assert_eq!(float(number), text, "{number:e}");
        }
    }

    #[test]
    fn texts_of_data_cannot_leave_their_place() {
        assert_eq!(string("a\"\\?é\n1"), r#""a\"\\\?\303\251\0121""#);
        assert_eq!(comment("größe */ /* ??/\u{202e}\n\\"), "größe * / / * ? ?/? ? ?");
    }

    #[test]
    fn lines_are_wrapped() {
        let entries = vec!["x".repeat(40); 3];
        let text = wrapped(entries.iter().map(String::as_str), "    ", ",");
        let lines: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lines, [4 + 41 + 1 + 41, 4 + 41]);
    }
}
