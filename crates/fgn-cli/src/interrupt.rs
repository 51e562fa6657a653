//! Ctrl-C: once saves and stops, twice stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::output::note;

/// The exit code that shells give to a program that Ctrl-C ended.
pub(crate) const EXIT_CODE: u8 = 130;

/// A flag that the first Ctrl-C, or the first request to terminate, sets; the second ends the program. What happens is
/// printed unless `quiet`.
pub(crate) fn on_ctrl_c(quiet: bool) -> Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    let flag = asked.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
        if !quiet {
            note("\nFinishing this step, then saving; Ctrl-C again stops at once.\n");
        }
    };
    ctrlc::set_handler(handler).map_err(Error::Signals)?;
    Ok(asked)
}
