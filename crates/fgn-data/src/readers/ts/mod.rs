//! Time series in the `.ts` format of aeon and sktime.

mod header;
mod options;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema};

use self::header::Header;
pub use self::options::TsOptions;
use self::rows::Rows;
use crate::error::{Error, Result};
use crate::reader::{Like, Parts, ReadProgress, Reader, has_ending, part};
use crate::samples::Samples;
use crate::text::lines::Lines;

/// Reads time series in the `.ts` format of aeon and sktime, in which the archive of the UEA and UCR is published: a
/// series a line, with its class or a number to predict as the last field.
///
/// A folder with `NAME_TRAIN.ts` and `NAME_TEST.ts` is a data set with its test part. All classes that the header of
/// the training part lists are classes, whether or not it has a series of each.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Reader, Samples, TsFiles, TsOptions};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("steps.ts");
/// let text = "@problemName steps\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength false\n\
///             @classLabel true slow fast\n@data\n1,2,3:4,5,6:slow\n7,8:9,10:fast\n";
/// std::fs::write(&file, text)?;
///
/// let series = TsFiles::read(&file, &TsOptions::default(), None, &mut |_| ())?;
/// assert_eq!(series.schema().to_string(), "series of 2 features, 2 classes");
/// let batch = series.batch(&[1, 0], &Device::Cpu)?;
/// let steps = batch.input().tensor().to_vec3::<f64>()?;
/// assert_eq!(steps, [[[7.0, 9.0], [8.0, 10.0], [0.0, 0.0]], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]]);
/// assert_eq!(batch.target().tensor().to_vec1::<u32>()?, [0, 1]); // fast, slow
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TsFiles;

impl Reader for TsFiles {
    type Options = TsOptions;

    const READS: &str = "time series (.ts) in the format of aeon and sktime";

    const ENDINGS: &[&str] = &["ts"];

    fn suits(schema: &Schema) -> bool {
        matches!(schema.input, InputSchema::Series { .. })
    }

    fn read(
        path: &Path,
        options: &TsOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<TsFiles>(&name))?;
        let mut lines = Lines::open(path)?;
        let header = Header::read(&name, &mut lines)?;
        let mut rows = Rows::new(&name, header, options, like)?;
        while let Some(line) = lines.advance()? {
            if line.trim_start().starts_with('#') {
                continue;
            }
            rows.add(line.trim(), lines.number())?;
            if lines.number().is_multiple_of(1024) {
                let (done, total) = lines.progress();
                progress(ReadProgress::new(&name, done, total));
            }
        }
        let (done, total) = lines.progress();
        progress(ReadProgress::new(&name, done, total));
        Ok(Arc::new(rows.finish()?))
    }

    /// Besides `train.ts` and so on, `NAME_TRAIN.ts` and `NAME_TEST.ts`.
    fn parts(path: &Path) -> Result<Option<Parts>> {
        if let Some(train) = part::<Self>(path, &["train"])? {
            let valid = part::<Self>(path, &["valid", "val", "validation"])?;
            return Ok(Some(Parts { train, valid, test: part::<Self>(path, &["test"])? }));
        }
        let Some(train) = ending_in(path, "_train")? else { return Ok(None) };
        Ok(Some(Parts { train, valid: None, test: ending_in(path, "_test")? }))
    }
}

/// The file in a folder whose name ends so before `.ts`, in upper or lower case.
///
/// # Errors
/// [`Error::Folder`] for two of them.
fn ending_in(folder: &Path, end: &str) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_part = |file: &PathBuf| {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        has_ending(file, TsFiles::ENDINGS) && stem.ends_with(end) && file.is_file()
    };
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_part).collect();
    files.sort();
    match &files[..] {
        [one, other, ..] => Err(Error::Folder {
            path: folder.to_owned(),
            found: format!("{} and {}", one.display(), other.display()),
            expected: "the files of one data set".into(),
        }),
        _ => Ok(files.pop()),
    }
}
