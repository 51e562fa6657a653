//! What a file says of its modules: their children, the names they define, what they import, and
//! every path in their code. Reads tokens; knows nothing of other files.
//!
//! Items under `#[cfg(test)]` are left out, and so is the inside of `macro_rules!`.

use proc_macro2::{TokenStream, TokenTree};

use super::tokens::{after_visibility, is_mark, is_parenthesis, items, keyword, without_tests};

/// One module, written in a file of its own or in braces inside another.
#[derive(Default)]
pub(super) struct Module {
    /// From the crate's root, which is the empty path.
    pub(super) path: Vec<String>,
    /// The number of its file.
    pub(super) file: usize,
    /// Its `mod child;`: the children with files of their own. A registry's macro that has `mod $file;` declares
    /// those that its lines name, as `child::Name`.
    pub(super) children: Vec<String>,
    /// The macros of it that declare files.
    registries: Vec<String>,
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
    match (keyword(item).as_deref(), item) {
        (Some("use"), _) => module.read_use(item, is_public),
        (Some("mod"), [_, TokenTree::Ident(name), TokenTree::Group(body)]) => {
            let path = [module.path.as_slice(), &[name.to_string()]].concat();
            let file = module.file;
            modules.extend(self::modules(path, file, body.stream()));
        }
        (Some("mod"), [_, TokenTree::Ident(name), ..]) => module.children.push(name.to_string()),
        (Some("macro_rules"), [_, _, TokenTree::Ident(name), body @ ..]) => {
            module.names.push(name.to_string());
            if body.iter().any(declares_files) {
                module.registries.push(name.to_string());
            }
        }
        (Some(name), [_, mark, TokenTree::Group(lines), ..])
            if is_mark(mark, '!') && module.registries.iter().any(|known| known == name) =>
        {
            module.children.extend(heads(lines.stream()));
            module.read_code(item);
        }
        _ => {
            module.names.extend(defined(item));
            module.extended.extend(extended(item));
            module.read_code(item);
        }
    }
}

/// Whether a macro's tokens have `mod $file`.
fn declares_files(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let tokens: Vec<_> = group.stream().into_iter().collect();
    let is_declaration = |pair: &[TokenTree]| {
        matches!(&pair[0], TokenTree::Ident(word) if word == "mod") && is_mark(&pair[1], '$')
    };
    tokens.windows(2).any(is_declaration) || tokens.iter().any(declares_files)
}

/// The first segments of the paths in some tokens: `a` of `a::B`.
fn heads(stream: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = stream.into_iter().collect();
    let head = |three: &[TokenTree]| match three {
        [TokenTree::Ident(head), one, two] if is_mark(one, ':') && is_mark(two, ':') => {
            Some(head.to_string())
        }
        _ => None,
    };
    tokens.windows(3).filter_map(head).collect()
}

impl Module {
    fn read_use(&mut self, item: &[TokenTree], is_reexport: bool) {
        self.read_tree(&item[1..], &[], is_reexport);
    }

    /// Reads `a::b::{c, d as e}` below the path `prefix`.
    fn read_tree(&mut self, tree: &[TokenTree], prefix: &[String], is_reexport: bool) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut tokens = tree.iter();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tokens.next().map(TokenTree::to_string);
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == '*' => name = Some("*".into()),
                TokenTree::Group(group) => {
                    let inside: Vec<_> = group.stream().into_iter().collect();
                    for part in inside.split(|token| is_mark(token, ',')) {
                        self.read_tree(part, &path, is_reexport);
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let (Some(last), Some(token)) = (path.last(), tree.first()) {
            let name = name.unwrap_or_else(|| last.clone());
            let line = token.span().start().line;
            self.imports.push(Import { name, path, line, is_reexport });
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
                TokenTree::Ident(word) if word == "use" && !is_capture(rest) => {
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

/// Whether it is the `use<…>` of a type, which imports nothing.
fn is_capture(tokens: &[TokenTree]) -> bool {
    tokens.get(1).is_some_and(|token| is_mark(token, '<'))
}

/// The path that begins with the first token, an identifier.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = vec![tokens[0].to_string()];
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
    let is_called = next.is_some_and(is_parenthesis);
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
    if keyword(item).as_deref() != Some("impl") {
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
