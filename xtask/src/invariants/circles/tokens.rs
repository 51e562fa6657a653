//! Rust's tokens as items.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The tokens of one level without those of items under `#[cfg(test)]`.
pub(super) fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<_> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is_mark(token, '#') && tokens.get(at + 1).is_some_and(is_test_attribute) {
            at += 2 + length_of_item(&tokens[at + 2..], true);
        } else {
            kept.push(token.clone());
            at += 1;
        }
    }
    kept
}

/// The items of a module's tokens.
pub(super) fn items(tokens: &[TokenTree]) -> impl Iterator<Item = &[TokenTree]> {
    let mut rest = tokens;
    std::iter::from_fn(move || {
        let (item, after) = rest.split_at(length_of_item(rest, false));
        rest = after;
        (!item.is_empty()).then_some(item)
    })
}

/// Whether an item is public, to whatever extent; and what follows its attributes and that.
pub(super) fn after_visibility(mut item: &[TokenTree]) -> (bool, &[TokenTree]) {
    let mut is_public = false;
    loop {
        item = match item {
            [mark, TokenTree::Group(_), rest @ ..] if is_mark(mark, '#') => rest,
            [a, b, TokenTree::Group(_), rest @ ..] if is_mark(a, '#') && is_mark(b, '!') => rest,
            [TokenTree::Ident(word), rest @ ..] if word == "pub" => {
                is_public = true;
                match rest {
                    [extent, rest @ ..] if is_parenthesis(extent) => rest,
                    _ => rest,
                }
            }
            _ => return (is_public, item),
        };
    }
}

/// The first word of an item.
pub(super) fn keyword(item: &[TokenTree]) -> Option<String> {
    match item.first()? {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    }
}

pub(super) fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

pub(super) fn is_parenthesis(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

/// Whether it is `[cfg(test)]` or `[cfg(all(test, …))]`.
fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = token else { return false };
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    let all = text.strip_prefix("cfg(all(").and_then(|rest| rest.strip_suffix("))"));
    text == "cfg(test)" || all.is_some_and(|all| all.split(',').any(|part| part == "test"))
}

/// How many tokens the item has that comes first: to its `;`, or to its braces. Where it
/// `may_be_a_part` (a field, an arm, an expression), a comma ends it too.
fn length_of_item(tokens: &[TokenTree], may_be_a_part: bool) -> usize {
    let (_, item) = after_visibility(tokens);
    let words = item
        .iter()
        .take_while(|token| matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_)));
    let is_function = words.into_iter().any(|word| word.to_string() == "fn");
    let (at_braces, at_comma) = match keyword(item).as_deref() {
        _ if is_function => (true, false),
        Some("use" | "let" | "const" | "static") => (false, false),
        Some("struct" | "enum" | "union" | "trait" | "impl" | "mod" | "type" | "unsafe") => {
            (true, false)
        }
        _ => (true, may_be_a_part),
    };
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => at_braces && group.delimiter() == Delimiter::Brace,
        _ => is_mark(token, ';') || at_comma && is_mark(token, ','),
    };
    let before = tokens.len() - item.len();
    item.iter().position(is_end).map_or(tokens.len(), |end| before + end + 1)
}
