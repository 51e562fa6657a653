//! Which file defines the name that a path leads to, through `use` and `pub use`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use super::scan::{self, Import, Module};
use crate::invariants::workspace::File;

/// How many `use` a path may lead through; a circle of them would have no end.
const MAX_STEPS: usize = 8;

/// The modules of one library or program, found from its root by `mod`.
pub(super) struct Crate<'a> {
    pub(super) files: Vec<&'a File>,
    modules: BTreeMap<Vec<String>, Module>,
}

/// Where a path leads.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Module(Vec<String>),
    Name {
        module: Vec<String>,
        name: String,
    },
    /// To a name of another crate, of the language or of a function.
    Outside(Vec<String>),
}

/// One file's use of a name that another file defines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
    pub(super) name: String,
}

/// An import from the crate's root of a name that the root re-exports.
pub(super) struct ThroughRoot {
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) name: String,
    /// The path where it is defined.
    pub(super) defined_as: String,
}

impl<'a> Crate<'a> {
    /// Reads the modules below `root`; files that no `mod` names (those of tests) are left out.
    pub(super) fn read(root: &'a File, files: &'a [File]) -> Self {
        let mut found = Crate { files: Vec::new(), modules: BTreeMap::new() };
        let folder = Path::new(&root.path).parent().unwrap_or(Path::new(""));
        let mut open = vec![(vec![], root)];
        while let Some((path, file)) = open.pop() {
            // What is no Rust is a finding of `sources`.
            let stream: TokenStream = file.text.parse().unwrap_or_default();
            found.files.push(file);
            for module in scan::modules(path, found.files.len() - 1, stream) {
                for child in &module.children {
                    let path = [module.path.as_slice(), std::slice::from_ref(child)].concat();
                    let stem = folder.join(path.iter().collect::<PathBuf>());
                    let names = [stem.with_extension("rs"), stem.join("mod.rs")];
                    let file = files
                        .iter()
                        .find(|file| names.iter().any(|name| name == Path::new(&file.path)));
                    open.extend(file.map(|file| (path, file)));
                }
                found.modules.insert(module.path.clone(), module);
            }
        }
        found
    }

    /// Every use that one file makes of another's names, in the order of files and lines.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for module in self.modules.values() {
            for Use { path, line, is_glob } in uses(module) {
                let leads_to = match self.resolve(&module.path, path, 0) {
                    Target::Name { module, .. } => module,
                    Target::Module(module) if is_glob => module,
                    // The names of a module that is imported are used where they are mentioned.
                    Target::Module(_) | Target::Outside(_) => continue,
                };
                let (from, to) = (module.file, self.modules[&leads_to].file);
                if from != to {
                    edges.push(Edge { from, to, line, name: path.join("::") });
                }
            }
        }
        edges.sort_by_key(|edge| (edge.from, edge.to, edge.line));
        edges
    }

    /// The imports of names that the root re-exports from elsewhere.
    pub(super) fn through_root(&self) -> Vec<ThroughRoot> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for module in self.modules.values().filter(|module| module.file != 0) {
            for Use { path, line, .. } in uses(module) {
                let Some(name) = self.name_in_root(&module.path, path) else { continue };
                let defined_as = match self.resolve(&[], std::slice::from_ref(name), 0) {
                    Target::Name { module, .. } if module.is_empty() => continue,
                    Target::Name { module, name } => {
                        format!("crate::{}::{name}", module.join("::"))
                    }
                    Target::Module(module) => format!("crate::{}", module.join("::")),
                    Target::Outside(path) => path.join("::"),
                };
                if seen.insert((module.file, name.clone())) {
                    let (file, name) = (module.file, name.clone());
                    found.push(ThroughRoot { file, line, name, defined_as });
                }
            }
        }
        found
    }

    /// The files that only extend a type of the module that they are a child of, each with that
    /// module's file: they have an `impl` of it, and no other file uses a name that they define.
    pub(super) fn extensions(&self, edges: &[Edge]) -> BTreeMap<usize, usize> {
        let parents = self.modules.values().filter_map(|module| {
            let (_, parent) = module.path.split_last()?;
            let parent = &self.modules[parent];
            let extends =
                |name: &String| match self.resolve(&module.path, std::slice::from_ref(name), 0) {
                    Target::Name { module, .. } => module == parent.path,
                    _ => false,
                };
            let is_extension = module.file != parent.file
                && module.extended.iter().any(extends)
                && !edges.iter().any(|edge| edge.to == module.file);
            is_extension.then_some((module.file, parent.file))
        });
        parents.collect()
    }

    /// The name that `path` takes from the root by an import there.
    fn name_in_root<'p>(&self, from: &[String], path: &'p [String]) -> Option<&'p String> {
        let (base, rest) = base(from, path)?;
        let name = rest.first()?;
        let root = &self.modules[&Vec::new()];
        let is_own =
            root.names.contains(name) || self.modules.contains_key(std::slice::from_ref(name));
        (base.is_empty() && !is_own && name != "*").then_some(name)
    }

    /// Where `path` leads, as seen from the module `from`.
    fn resolve(&self, from: &[String], path: &[String], steps: usize) -> Target {
        if let Some((base, rest)) = base(from, path) {
            return self.walk(base, rest, steps).unwrap_or_else(|| Target::Outside(path.to_vec()));
        }
        let in_scope =
            self.knows(from, &path[0], steps).then(|| self.walk(from.to_vec(), path, steps));
        in_scope.flatten().unwrap_or_else(|| Target::Outside(path.to_vec()))
    }

    /// Follows `path` from the module `at`; `None` where the `use` on the way have no end.
    fn walk(&self, mut at: Vec<String>, path: &[String], steps: usize) -> Option<Target> {
        if steps > MAX_STEPS {
            return None;
        }
        for (n, name) in path.iter().enumerate() {
            let below = [at.as_slice(), std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&below) {
                at = below;
                continue;
            }
            let module = &self.modules[&at];
            let is_own = module.names.contains(name);
            let import = if is_own { None } else { self.import_of(module, name, steps) };
            if let Some(import) = import {
                let mut target = import.path.clone();
                target.extend((import.name == "*").then(|| name.clone()));
                target.extend_from_slice(&path[n + 1..]);
                return Some(self.resolve(&at, &target, steps + 1));
            }
            // A name that no item defines is made by a macro there.
            return Some(Target::Name { module: at, name: name.clone() });
        }
        Some(Target::Module(at))
    }

    /// Whether `name` means something in the module `at`.
    fn knows(&self, at: &[String], name: &String, steps: usize) -> bool {
        let below = [at, std::slice::from_ref(name)].concat();
        let module = &self.modules[at];
        self.modules.contains_key(&below)
            || module.names.contains(name)
            || self.import_of(module, name, steps).is_some()
    }

    /// The `use` in `module` that brings `name`: by name, or else with all names of a module.
    fn import_of<'m>(&self, module: &'m Module, name: &String, steps: usize) -> Option<&'m Import> {
        let by_name = module
            .imports
            .iter()
            .find(|import| import.name == *name && import.path.first() != Some(name));
        by_name.or_else(|| {
            let brings = |import: &&Import| {
                import.name == "*"
                    && steps < MAX_STEPS
                    && match self.resolve(&module.path, &import.path, steps + 1) {
                        Target::Module(of) => of != module.path && self.knows(&of, name, steps + 1),
                        _ => false,
                    }
            };
            module.imports.iter().find(brings)
        })
    }
}

/// The module from which a path is counted, and the rest of the path; `None` for one that begins
/// with a name.
fn base<'p>(from: &[String], path: &'p [String]) -> Option<(Vec<String>, &'p [String])> {
    let mut base = match path.first()?.as_str() {
        "crate" => vec![],
        "self" => from.to_vec(),
        "super" => from.split_last()?.1.to_vec(),
        _ => return None,
    };
    let mut rest = &path[1..];
    while rest.first().is_some_and(|name| name == "super") {
        base.pop();
        rest = &rest[1..];
    }
    Some((base, rest))
}

/// A path by which a module uses something.
struct Use<'a> {
    path: &'a [String],
    line: usize,
    /// Whether it brings all names of the module at `path`.
    is_glob: bool,
}

/// What a module uses: its imports, except the re-exports, and the paths in its code.
fn uses(module: &Module) -> impl Iterator<Item = Use<'_>> {
    let imports = module.imports.iter().filter(|import| !import.is_reexport);
    let imports = imports.map(|import| Use {
        path: &import.path,
        line: import.line,
        is_glob: import.name == "*",
    });
    let mentions = module.mentions.iter();
    imports.chain(mentions.map(|of| Use { path: &of.path, line: of.line, is_glob: false }))
}
