//! Recommendations after each event of a stream, as it comes in.

use std::collections::HashSet;
use std::io::{self, BufRead, Read as _};
use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::output::{note, print_error};
use crate::recent::Recent;
use crate::recommendations::{History, Recommendations, Recommended};
use crate::stdin::unreadable;

/// The longest line, in bytes.
const LONGEST: u64 = 1 << 16;
/// Unknown items that are reported.
const REPORTED: usize = 20;

/// The sessions of a stream.
pub(crate) struct EventStream<'r> {
    recommendations: &'r mut Recommendations,
    sessions: Recent<History>,
    unknown: Unknown,
    /// Whether a session was forgotten.
    has_forgotten: bool,
}

impl<'r> EventStream<'r> {
    /// Of the sessions, the `most` most recently used are kept.
    pub(crate) fn new(recommendations: &'r mut Recommendations, most: usize) -> EventStream<'r> {
        let (sessions, unknown) = (Recent::new(most), Unknown::default());
        EventStream { recommendations, sessions, unknown, has_forgotten: false }
    }

    /// Reads standard input line by line, and calls `each` with the session and its best items after each event. A line
    /// that cannot be read is reported and skipped; the exit code is 1 then.
    ///
    /// # Errors
    /// Input that cannot be read; whatever `each` returns.
    pub(crate) fn run(
        &mut self,
        each: &mut dyn FnMut(&str, &[Recommended<'_>]) -> Result<()>,
    ) -> Result<ExitCode> {
        let mut input = io::stdin().lock();
        let (mut line, mut number, mut code) = (Vec::new(), 0, ExitCode::SUCCESS);
        while read_line(&mut input, &mut line).map_err(unreadable)? {
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let event = match is_too_long(&line) {
                true => Err(format!("a line of more than {LONGEST} bytes")),
                false => Event::parse(&line),
            };
            match event {
                Ok(event) => self.add(number, &event, each)?,
                Err(found) => {
                    print_error(&Error::Event { line: number, found });
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    /// An unknown item leaves its session as it is.
    fn add(
        &mut self,
        line: u64,
        event: &Event,
        each: &mut dyn FnMut(&str, &[Recommended<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Event { session, item } = event;
        let nothing = History::default();
        let history = match self.recommendations.item(item) {
            None => {
                self.unknown.report(line, item);
                self.sessions.get(session).unwrap_or(&nothing)
            }
            Some(item) => {
                self.warn_of_the_first_forgotten(session);
                let history = self.sessions.entry(session);
                self.recommendations.read(history, item)?;
                &*history
            }
        };
        each(session, &self.recommendations.best(history)?)
    }

    fn warn_of_the_first_forgotten(&mut self, session: &str) {
        let forgets = self.sessions.is_full() && self.sessions.get(session).is_none();
        if forgets && !self.has_forgotten {
            self.has_forgotten = true;
            note(
                "There are more sessions than --sessions: from now on, the least recently used are forgotten.\n",
            );
        }
    }
}

/// Reads the next line, of a longer one than [`LONGEST`] the beginning. False at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.by_ref().take(LONGEST + 1).read_until(b'\n', line)?;
    if is_too_long(line) {
        input.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

fn is_too_long(line: &[u8]) -> bool {
    line.len() as u64 > LONGEST && !line.ends_with(b"\n")
}

/// Unknown items, each of which is reported once.
#[derive(Default)]
struct Unknown {
    reported: HashSet<String>,
    is_cut: bool,
}

impl Unknown {
    fn report(&mut self, line: u64, item: &str) {
        if self.reported.contains(item) || self.is_cut {
            return;
        }
        if self.reported.len() == REPORTED {
            self.is_cut = true;
            return note("Further unknown items are not reported.\n");
        }
        self.reported.insert(item.to_owned());
        note(&format!("line {line}: unknown item {item:?}; its events are left out\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_skipped_as_a_whole() {
        let long = "x".repeat(LONGEST as usize);
        let text = format!("a\n{long}y{long}\n\n{long}\nb");
        let (mut input, mut line, mut found) = (text.as_bytes(), Vec::new(), Vec::new());
        while read_line(&mut input, &mut line).unwrap() {
            found.push((line.len(), is_too_long(&line)));
        }
        let most = LONGEST as usize + 1;
        assert_eq!(found, [(2, false), (most, true), (1, false), (most, false), (1, false)]);
    }
}
