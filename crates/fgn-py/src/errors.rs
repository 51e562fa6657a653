//! Errors and panics as Python exceptions.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::{PyErr, PyResult, Python, create_exception};

create_exception!(
    fgn,
    Error,
    PyValueError,
    "Something that was given does not fit: the message says what was found and what was expected."
);
create_exception!(fgn, InternalError, PyRuntimeError, "A defect of fgn itself. Please report it.");

/// The exception for an error, with its causes as far as its own message does not name them.
pub(crate) fn error(error: impl StdError) -> PyErr {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    Error::new_err(message)
}

/// The exception for something that does not fit.
pub(crate) fn wrong(what: &str, found: impl std::fmt::Display, expected: &str) -> PyErr {
    Error::new_err(format!("{what}: expected {expected}, got {found}"))
}

/// Runs `work` without the GIL. A panic becomes an `InternalError`.
pub(crate) fn work<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> PyResult<T> + Send,
) -> PyResult<T> {
    let done = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    done.unwrap_or_else(|panic| Err(internal(&*panic)))
}

fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    InternalError::new_err(format!("a defect of fgn: {text}"))
}
