//! Files of a session a line.
//!
//! The files of the UCI repository begin with the names of their items, which the lines call by number:
//!
//! ```text
//! % Different categories found in input file:
//! frontpage news tech
//! % Sequences:
//! 1 1
//! 3 2 2
//! ```

use std::path::Path;

use super::log::{Log, LogWriter};
use super::store::Names;
use crate::error::{Error, Result};
use crate::names::shortened;
use crate::reader::ReadProgress;
use crate::text::lines::Lines;

/// The ending of such files.
pub(super) const SEQUENCES: &[&str] = &["seq"];

/// The comment before the names of the items.
const CATEGORIES: &str = "Different categories found in input file:";

/// Reads such a file.
pub(super) fn read(
    path: &Path,
    mut log: LogWriter<'_>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Log> {
    let mut lines = Lines::open(path)?;
    let (mut names, mut names_follow) = (None, false);
    let mut items = Vec::new();
    while let Some(line) = lines.advance()? {
        let number = lines.number();
        let at = || format!("{}, line {number}", path.display());
        if number.is_multiple_of(4096) {
            let (done, total) = lines.progress();
            progress(ReadProgress::new(log.name(), done, total));
        }
        if let Some(comment) = line.trim_start().strip_prefix(['%', '#']) {
            names_follow |= comment.trim() == CATEGORIES;
            continue;
        }
        if std::mem::take(&mut names_follow) {
            names = Some(categories(&line, &at)?);
            continue;
        }
        items.clear();
        for word in line.split_whitespace() {
            let name = match &names {
                Some(names) => category(names, word, &at)?,
                None => word,
            };
            items.push(log.item(name, at)?);
        }
        log.session(number, &mut items)?;
    }
    let (_, total) = lines.progress();
    progress(ReadProgress::new(log.name(), total, total));
    log.finish(Names::Numbers("line"))
}

/// The names in a line.
fn categories(line: &str, at: &impl Fn() -> String) -> Result<Vec<String>> {
    let names: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(names),
        Some(pair) => Err(Error::Table {
            at: at(),
            found: format!("two items called {}", shortened(pair[0])),
            expected: "a name of its own for each".into(),
        }),
    }
}

/// The name of the item of that number.
fn category<'a>(names: &'a [String], number: &str, at: &impl Fn() -> String) -> Result<&'a str> {
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| names.get(index)) {
        Some(name) => Ok(name),
        None => Err(Error::Table {
            at: at(),
            found: shortened(number),
            expected: format!("the number of an item, 1 to {}", names.len()),
        }),
    }
}
