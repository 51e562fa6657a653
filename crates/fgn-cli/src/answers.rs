//! A model's answers for files, one file after the other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fgn_nn::{Answer, Model};
use fgn_train::{DataConfig, predict_file};

use crate::error::{Error, Result};
use crate::output::print_error;
use crate::stdin::Source;

/// Predicts what is in `files`, and calls `each` with the file, the sample's title and its answer. Standard input, `-`,
/// is read as a file with the ending `format`. A file that cannot be read is reported and skipped; the exit code is 1
/// then.
///
/// # Errors
/// Those of standard output.
pub(crate) fn answer_files(
    model: &Model,
    data: &DataConfig,
    files: &[PathBuf],
    format: &str,
    each: &mut dyn FnMut(&Path, &str, &Answer) -> Result<()>,
) -> Result<ExitCode> {
    each_file(files, format, &mut |file, input| {
        let each = &mut |title: String, answer: Answer| {
            each(file, &input.as_typed(&title), &answer)?;
            Ok(())
        };
        Ok(predict_file(model, data, input.path(), each)?)
    })
}

/// Calls `read` with each of `files`, as it was typed and as it is to be read. Standard input, `-`, is read as a file with
/// the ending `format`. A file that cannot be read is reported and skipped; the exit code is 1 then.
///
/// # Errors
/// Those of standard output.
pub(crate) fn each_file(
    files: &[PathBuf],
    format: &str,
    read: &mut dyn FnMut(&Path, &Source<'_>) -> Result<()>,
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match open_and_read(file, format, read) {
            Ok(()) => {}
            Err(error @ (Error::Closed | Error::Output(_))) => return Err(error),
            Err(error) => {
                print_error(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn open_and_read(
    file: &Path,
    format: &str,
    read: &mut dyn FnMut(&Path, &Source<'_>) -> Result<()>,
) -> Result<()> {
    let input = Source::open(file, format)?;
    read(file, &input).map_err(|error| match error {
        Error::Closed | Error::Output(_) => error,
        error => input.explain(error),
    })
}

/// What a sample is called. One that has its file's name is called by the path typed, since files of several folders may
/// have the same name.
pub(crate) fn shown_name(file: &Path, title: &str) -> String {
    match file.file_name().is_some_and(|name| name == title) {
        true => file.display().to_string(),
        false => title.to_owned(),
    }
}
