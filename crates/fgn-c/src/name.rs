//! The name of the C source, with which its files, functions and macros begin.

use crate::error::{Error, Result};

/// The longest name. Compilers tell external names apart by 31 characters at least.
const LONGEST: usize = 31;

#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    // C11 and C++ too, so that the header can be included there.
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "class", "compl", "const", "constexpr", "continue", "decltype", "default", "delete", "do", "double", "else", "enum",
    "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
    "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected",
    "public", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template",
    "this", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "union", "unsigned", "using", "virtual",
    "void", "volatile", "while", "xor", "xor_eq",
];

/// The headers of the standard library, which a file of the same name would hide.
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp",
    "signal", "stdalign", "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn",
    "string", "tgmath", "threads", "time", "uchar", "wchar", "wctype",
];

/// Checks that `name` can begin the names of functions and name files beside `main.c`.
pub(crate) fn check(name: &str) -> Result<()> {
    let wrong = |expected: &str| Err(Error::Name { found: name.into(), expected: expected.into() });
    let is_identifier = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_identifier {
        return wrong("a letter, followed by letters, digits and underscores (ASCII)");
    }
    if name.len() > LONGEST {
        return wrong(&format!("at most {LONGEST} characters"));
    }
    // File systems may not tell capital letters apart.
    let lower = name.to_ascii_lowercase();
    if KEYWORDS.contains(&name) {
        return wrong("another name: this is a keyword of C or C++");
    }
    if HEADERS.contains(&&*lower) {
        return wrong(&format!("another name: {lower}.h is a header of the standard library"));
    }
    if lower == "main" {
        return wrong("another name: main.c is the example program");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_that_hide_nothing() {
        for name in ["model", "Model2", "a", "net_v1", "a234567890123456789012345678901"] {
            check(name).unwrap();
        }
        for (name, expected) in [
            ("", "a letter, followed by"),
            ("2nd", "a letter, followed by"),
            ("_model", "a letter, followed by"),
            ("my-model", "a letter, followed by"),
            ("größe", "a letter, followed by"),
            ("../model", "a letter, followed by"),
            ("a2345678901234567890123456789012", "at most 31 characters"),
            ("while", "another name: this is a keyword"),
            ("class", "another name: this is a keyword"),
            ("math", "another name: math.h is a header"),
            ("String", "another name: string.h is a header"),
            ("Main", "another name: main.c is"),
        ] {
            let error = check(name).unwrap_err().to_string();
            let start = format!("the name {name:?} of the C source, expected {expected}");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
