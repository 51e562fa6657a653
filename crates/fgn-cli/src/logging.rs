//! Structured logs, beside the progress bar.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::console::beside_bars;
use crate::error::{Error, Result};
use crate::output::note;

const VARIABLE: &str = "FGN_LOG";

/// Logs to standard error: warnings, more with each `verbose`, only errors if `quiet`, or what `FGN_LOG` says.
pub(crate) fn start(verbose: u8, quiet: bool) -> Result<()> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) => text.parse::<Targets>().map_err(|error| Error::Variable {
            key: VARIABLE,
            found: format!("{text:?} ({error})"),
            expected: "a level, as info, or levels by target, as warn,fgn_train=debug",
        })?,
        Err(_) => Targets::new().with_default(match verbose {
            _ if quiet => LevelFilter::ERROR,
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }),
    };
    let lines = fmt::layer().with_writer(|| Stderr).with_ansi(false).with_target(false);
    // Whoever uses the library may have a subscriber of their own.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    Ok(())
}

/// Standard error, with any progress bar out of the way. Writing never fails: the log's own report of a failure
/// would panic where standard error is closed.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        beside_bars(|| note(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
