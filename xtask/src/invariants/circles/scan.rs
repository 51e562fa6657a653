//! What a file says of its modules: their children, the names they define, what they import, and
//! every path in their code. Reads tokens; knows nothing of other files.
//!
//! Items under `#[cfg(test)]` are left out, and so is the inside of `macro_rules!`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One module, written in a file of its own or in braces inside another.
#[derive(Default)]
pub(super) struct Module {
    /// From the crate's root, which is the empty path.
    pub(super) path: Vec<String>,
    /// The number of its file.
    pub(super) file: usize,
    /// Its `mod child;`: the children with files of their own.
    pub(super) children: Vec<String>,
    /// The names that its items define.
    pub(super) names: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// The paths in its code, and the single names that look like a type or a call.
    pub(super) mentions: Vec<Mention>,
    /// The types that its `impl` blocks are for, by their last segment.
    pub(super) extended: Vec<String>,
}

/// One name brought by a `use`.
pub(super) struct Import {
    /// What the name is here; `*` for all names of the module at `path`.
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// Whether it is `pub use`, to whatever extent.
    pub(super) is_reexport: bool,
}

pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// The module at `path` whose code is `stream`, followed by the modules in braces inside it.
pub(super) fn modules(path: Vec<String>, file: usize, stream: TokenStream) -> Vec<Module> {
    let mut modules = vec![Module { path, file, ..Module::default() }];
    for item in items(&without_tests(stream)) {
        read_item(item, &mut modules);
    }
    modules
}

/// Reads an item of `modules[0]`; modules in braces are added at the end.
fn read_item(item: &[TokenTree], modules: &mut Vec<Module>) {
    let (is_public, item) = after_visibility(item);
    let module = &mut modules[0];
    match (keyword(item), item) {
        (Some("use"), _) => module.read_use(item, is_public),
        (Some("mod"), [_, TokenTree::Ident(name), TokenTree::Group(body)]) => {
            let path = [module.path.as_slice(), &[name.to_string()]].concat();
            let file = module.file;
            modules.extend(self::modules(path, file, body.stream()));
        }
        (Some("mod"), [_, TokenTree::Ident(name), ..]) => module.children.push(name.to_string()),
        (Some("macro_rules"), [_, _, TokenTree::Ident(name), ..]) => {
            module.names.push(name.to_string());
        }
        _ => {
            module.names.extend(defined(item));
            module.extended.extend(extended(item));
            module.read_code(item);
        }
    }
}

impl Module {
    fn read_use(&mut self, item: &[TokenTree], is_reexport: bool) {
        let Some((first, tree)) = item.split_first() else { return };
        let line = first.span().start().line;
        self.read_tree(tree, &[], Import { name: String::new(), path: vec![], line, is_reexport });
    }

    /// Reads `a::b::{c, d as e}` below `prefix`; each import takes the rest from `like`.
    fn read_tree(&mut self, tree: &[TokenTree], prefix: &[String], like: Import) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut tokens = tree.iter();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => name = tokens.next().map(name_of),
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == '*' => name = Some("*".into()),
                TokenTree::Group(group) => {
                    let inside: Vec<_> = group.stream().into_iter().collect();
                    for part in inside.split(|token| is_mark(token, ',')) {
                        let line =
                            part.first().map_or(like.line, |token| token.span().start().line);
                        self.read_tree(
                            part,
                            &path,
                            Import { line, path: vec![], name: String::new(), ..like },
                        );
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last() {
            let name = name.unwrap_or_else(|| last.clone());
            self.imports.push(Import { name, path, ..like });
        }
    }

    /// Reads the paths of some code, and the `use` inside it.
    fn read_code(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let rest = &tokens[at..];
            at += match token {
                TokenTree::Group(group) => {
                    self.read_code(&without_tests(group.stream()));
                    1
                }
                TokenTree::Ident(word) if word == "use" && !is_mark_at(rest, 1, '<') => {
                    let end = rest.iter().position(|token| is_mark(token, ';'));
                    self.read_use(&rest[..end.unwrap_or(rest.len())], false);
                    end.unwrap_or(rest.len())
                }
                TokenTree::Ident(_) => {
                    let path = path_at(rest);
                    // A segment is one token, each `::` before it two.
                    let length = 3 * path.len() - 2;
                    if !is_part(&tokens[..at]) && is_used(&path, rest.get(length)) {
                        let line = token.span().start().line;
                        self.mentions.push(Mention { path, line });
                    }
                    length
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
            };
        }
    }
}

/// The path that begins with the first token, an identifier.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = vec![name_of(&tokens[0])];
    for part in tokens[1..].chunks(3) {
        match part {
            [a, b, TokenTree::Ident(word)] if is_mark(a, ':') && is_mark(b, ':') => {
                path.push(word.to_string());
            }
            _ => break,
        }
    }
    path
}

/// Whether what follows `before` belongs to it: a field, a lifetime, the rest of a path, the name
/// of a function that is being defined.
fn is_part(before: &[TokenTree]) -> bool {
    match before {
        [.., a, b] if is_mark(a, '.') && is_mark(b, '.') => false,
        [.., a, b] if is_mark(a, ':') && is_mark(b, ':') => true,
        [.., last] => {
            is_mark(last, '.')
                || is_mark(last, '\'')
                || matches!(last, TokenTree::Ident(word) if word == "fn")
        }
        [] => false,
    }
}

/// Whether a path is more than a variable: it has segments, a capital letter, or is called.
fn is_used(path: &[String], next: Option<&TokenTree>) -> bool {
    let is_called = matches!(next, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    path.len() > 1 || is_called || path[0].starts_with(|first: char| first.is_uppercase())
}

/// The name that an item defines.
fn defined(item: &[TokenTree]) -> Option<String> {
    const KINDS: [&str; 9] =
        ["fn", "struct", "enum", "union", "trait", "type", "static", "const", "mut"];
    const BEFORE: [&str; 4] = ["unsafe", "async", "extern", "safe"];
    let mut defines = false;
    for token in item {
        match token {
            TokenTree::Ident(word) if KINDS.iter().any(|kind| word == kind) => defines = true,
            TokenTree::Ident(word) if defines => return Some(word.to_string()),
            TokenTree::Ident(word) if BEFORE.iter().any(|before| word == before) => {}
            TokenTree::Literal(_) => {}
            _ => return None,
        }
    }
    None
}

/// The type that an `impl` block is for.
fn extended(item: &[TokenTree]) -> Option<String> {
    let item = match item {
        [TokenTree::Ident(word), rest @ ..] if word == "unsafe" => rest,
        _ => item,
    };
    if keyword(item) != Some("impl") {
        return None;
    }
    let mut depth = 0_usize;
    let mut name = None;
    let mut is_done = false;
    for (at, token) in item.iter().enumerate().skip(1) {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '<' => depth += 1,
            TokenTree::Punct(mark) if mark.as_char() == '>' && !is_mark(&item[at - 1], '-') => {
                depth = depth.saturating_sub(1);
            }
            TokenTree::Ident(word) if depth == 0 && word == "for" => is_done = false,
            TokenTree::Ident(word) if depth == 0 && word == "where" => is_done = true,
            TokenTree::Ident(word) if depth == 0 && !is_done => name = Some(word.to_string()),
            _ => {}
        }
    }
    name
}

/// The tokens of one level without those of items under `#[cfg(test)]`.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
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

/// Whether it is `[cfg(test)]` or `[cfg(all(test, …))]`.
fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = token else { return false };
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)"
        || text.starts_with("cfg(all(test,")
        || text.starts_with("cfg(all(") && text.contains(",test")
}

/// The items of a module's tokens.
fn items(tokens: &[TokenTree]) -> impl Iterator<Item = &[TokenTree]> {
    let mut rest = tokens;
    std::iter::from_fn(move || {
        let (item, after) = rest.split_at(length_of_item(rest, false));
        rest = after;
        (!item.is_empty()).then_some(item)
    })
}

/// How many tokens the item has that comes first: to its `;`, or to its braces. Where it
/// `may_be_a_part` (a field, an arm, an expression), a comma ends it too.
fn length_of_item(tokens: &[TokenTree], may_be_a_part: bool) -> usize {
    const TO_SEMICOLON: [&str; 4] = ["use", "let", "const", "static"];
    const TO_BRACES: [&str; 12] = [
        "fn",
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "mod",
        "type",
        "unsafe",
        "async",
        "extern",
        "macro_rules",
    ];
    let start = tokens.len() - after_visibility(tokens).1.len();
    let is_one_of =
        |words: &[&str]| keyword(&tokens[start..]).is_some_and(|word| words.contains(&word));
    let is_const_fn = matches!(&tokens[start..], [_, TokenTree::Ident(word), ..] if word == "fn" || word == "unsafe");
    let needs_semicolon = is_one_of(&TO_SEMICOLON) && !is_const_fn;
    let ends_at_comma = may_be_a_part && !needs_semicolon && !is_one_of(&TO_BRACES) && !is_const_fn;
    let is_end = |token: &TokenTree| match token {
        TokenTree::Punct(mark) => mark.as_char() == ';' || ends_at_comma && mark.as_char() == ',',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !needs_semicolon,
        _ => false,
    };
    let end = tokens[start..].iter().position(is_end);
    end.map_or(tokens.len(), |end| start + end + 1)
}

/// Whether an item is public, to whatever extent; and what follows its attributes and that.
fn after_visibility(mut item: &[TokenTree]) -> (bool, &[TokenTree]) {
    let mut is_public = false;
    loop {
        item = match item {
            [mark, TokenTree::Group(_), rest @ ..] if is_mark(mark, '#') => rest,
            [a, b, TokenTree::Group(_), rest @ ..] if is_mark(a, '#') && is_mark(b, '!') => rest,
            [TokenTree::Ident(word), rest @ ..] if word == "pub" => {
                is_public = true;
                match rest {
                    [TokenTree::Group(group), rest @ ..]
                        if group.delimiter() == Delimiter::Parenthesis =>
                    {
                        rest
                    }
                    _ => rest,
                }
            }
            _ => return (is_public, item),
        };
    }
}

/// The first word of an item, where it is one that matters here.
fn keyword(item: &[TokenTree]) -> Option<&'static str> {
    const KEYWORDS: [&str; 17] = [
        "use",
        "mod",
        "macro_rules",
        "impl",
        "fn",
        "struct",
        "enum",
        "union",
        "trait",
        "type",
        "unsafe",
        "async",
        "extern",
        "let",
        "const",
        "static",
        "where",
    ];
    let TokenTree::Ident(word) = item.first()? else { return None };
    KEYWORDS.into_iter().find(|keyword| word == keyword)
}

fn name_of(token: &TokenTree) -> String {
    token.to_string()
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_mark_at(tokens: &[TokenTree], at: usize, mark: char) -> bool {
    tokens.get(at).is_some_and(|token| is_mark(token, mark))
}
