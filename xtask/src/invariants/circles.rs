//! No circle of imports between the files of a crate: files import downwards only.
//!
//! The check draws a graph of a crate's files. There is an edge from one file to another where the
//! first uses a name that the second defines:
//!
//! - A name counts for the file that defines it, however many `pub use` it is imported through. A
//!   file that imports from the crate's root what the root re-exports is a finding of its own.
//! - `mod child;` and `pub use child::Name` are no imports: they place a file and name it to
//!   others. A module that also uses `Name` in its own code imports it.
//! - A path in the code (`super::plan::f()`, `plan::f()`) counts as an import does.
//! - A module and a child of it are one place where the child only extends the module's type: it
//!   has an `impl` of a type that the module defines, and no other file uses a name of it. What
//!   such a child imports counts for the module.
//! - Code under `#[cfg(test)]` may import from anywhere, and so may `tests/`, `benches/` and
//!   `examples/`.
//!
//! Files that all reach each other are one finding, with the shortest circle among them. Macros that are defined by
//! `macro_rules!` have no path to follow, so their names are left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::finding::Finding;
use super::workspace::File;
use resolve::{Crate, Edge};

mod resolve;
mod scan;
#[cfg(test)]
mod tests;
mod tokens;

/// Checks the sources of one package; `files` are those below its folder `src`.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| is_root(&file.path))
        .flat_map(|root| check_crate(&Crate::read(root, files)))
        .collect()
}

/// Whether cargo takes the file for the root of a library or a program.
fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.rsplit('/').collect();
    match parts.as_slice() {
        ["lib.rs" | "main.rs", "src", ..] | ["main.rs", _, "bin", "src", ..] => true,
        [name, "bin", "src", ..] => name.ends_with(".rs"),
        _ => false,
    }
}

fn check_crate(of: &Crate) -> Vec<Finding> {
    let edges = of.edges();
    let mut findings = through_root(of);
    let graph = Graph::new(of, &edges);
    findings.extend(graph.knots().iter().map(|knot| graph.finding(of, knot)));
    findings
}

/// One finding for each line that imports from the root.
fn through_root(of: &Crate) -> Vec<Finding> {
    let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for import in of.through_root() {
        let line = lines.entry((import.file, import.line)).or_default();
        line.push((format!("`{}`", import.name), format!("`{}`", import.defined_as)));
    }
    let findings = lines.into_iter().map(|((file, line), imports)| {
        let (names, paths): (Vec<_>, Vec<_>) = imports.into_iter().unzip();
        Finding {
            at: format!("{}:{line}", of.files[file].path),
            found: format!("{} by way of the crate's root, which re-exports it", names.join(", ")),
            expected: format!("an import from where it is defined: {}", paths.join(", ")),
        }
    });
    findings.collect()
}

/// The places of a crate, each named by a file, and the first import from one to another.
struct Graph {
    edges: BTreeMap<usize, BTreeMap<usize, Edge>>,
}

impl Graph {
    fn new(of: &Crate, edges: &[Edge]) -> Self {
        let parents = of.extensions(edges);
        let place = |mut file: usize| {
            while let Some(&parent) = parents.get(&file) {
                file = parent;
            }
            file
        };
        let mut graph = Graph { edges: BTreeMap::new() };
        for edge in edges {
            let (from, to) = (place(edge.from), place(edge.to));
            if from != to {
                graph.edges.entry(from).or_default().entry(to).or_insert_with(|| edge.clone());
            }
        }
        graph
    }

    /// The sets of places that reach each other.
    fn knots(&self) -> Vec<BTreeSet<usize>> {
        let reach: BTreeMap<_, _> =
            self.edges.keys().map(|&from| (from, self.reached(from))).collect();
        let mut knots = Vec::new();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        for (from, reached) in &reach {
            if reached.contains(from) && !done.contains(from) {
                let back =
                    |to: &&usize| reach.get(to).is_some_and(|reached| reached.contains(from));
                let knot: BTreeSet<_> = reached.iter().filter(back).copied().collect();
                done.extend(&knot);
                knots.push(knot);
            }
        }
        knots
    }

    /// The places that imports lead to from `from`.
    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            open.extend(self.next(at).filter(|&to| reached.insert(to)));
        }
        reached
    }

    fn next(&self, from: usize) -> impl Iterator<Item = usize> {
        self.edges.get(&from).into_iter().flat_map(|edges| edges.keys().copied())
    }

    fn finding(&self, of: &Crate, knot: &BTreeSet<usize>) -> Finding {
        let circle = self.shortest_circle(of, knot);
        let path = |file: usize| of.files[file].path.as_str();
        let name =
            |&file: &usize| path(file).split_once("src/").map_or(path(file), |(_, rest)| rest);
        let first = &self.edges[&circle[0]][&circle[1]];
        let last = &self.edges[&circle[circle.len() - 1]][&circle[0]];
        let import = |edge: &Edge| {
            let to = name(&edge.to);
            format!("{}:{} imports `{}` of {to}", path(edge.from), edge.line, edge.name)
        };
        let names: Vec<_> = circle.iter().chain([&circle[0]]).map(name).collect();
        let mut found = format!(
            "a circle of imports, {}: {}, and {}",
            names.join(" -> "),
            import(first),
            import(last)
        );
        let others: Vec<_> = knot.iter().filter(|file| !circle.contains(file)).map(name).collect();
        if !others.is_empty() {
            found += &format!("; other circles join it to {}", others.join(", "));
        }
        Finding {
            at: format!("{}:{}", path(last.from), last.line),
            found,
            expected: "imports downwards only: what files share in a file below them".into(),
        }
    }

    /// The places of the shortest circle in a knot, in the order of their imports.
    fn shortest_circle(&self, of: &Crate, knot: &BTreeSet<usize>) -> Vec<usize> {
        let circles = knot.iter().filter_map(|&start| self.circle_through(start));
        circles.min_by_key(|circle| (circle.len(), &of.files[circle[0]].path)).unwrap_or_default()
    }

    fn circle_through(&self, start: usize) -> Option<Vec<usize>> {
        let mut paths = VecDeque::from([vec![start]]);
        let mut seen = BTreeSet::new();
        while let Some(path) = paths.pop_front() {
            for to in self.next(*path.last()?) {
                if to == start {
                    return Some(path);
                }
                if seen.insert(to) {
                    paths.push_back([path.as_slice(), &[to]].concat());
                }
            }
        }
        None
    }
}
