//! Tables of texts with a class or a number for each.

mod options;
mod rows;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{Schema, TargetSchema};

pub use self::options::{DocumentOptions, DocumentTask};
pub(crate) use self::rows::Rows;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::{Like, ReadProgress, Reader};
use crate::samples::Samples;
use crate::table;

/// Reads texts from a column of a table, and the class or number of each from another.
///
/// The table is read once. Its texts, and then their tokens, are in memory as long as they fit
/// ([`DocumentOptions::memory`]), else in temporary files.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{DocumentOptions, Documents, Reader, Samples};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("mails.csv");
/// std::fs::write(&file, "text,kind\nbad,spam\nab,ham\n")?;
/// let options = DocumentOptions {
///     column: "text".into(),
///     target: "kind".into(),
///     ..DocumentOptions::default()
/// };
/// let mails = Documents::read(&file, &options, None, &mut |_| ())?;
/// assert_eq!(mails.schema().to_string(), "texts over a vocabulary of 3 characters, 2 classes");
/// let batch = mails.batch(&[0, 1], &Device::Cpu)?;
/// assert_eq!(batch.input().tensor().to_vec2::<u32>()?, [[1, 0, 2], [0, 1, 0]]);
/// assert_eq!(batch.input().lengths(), Some(&[3, 2][..]));
/// assert_eq!(batch.target().tensor().to_vec1::<u32>()?, [1, 0]); // spam, ham
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Documents;

impl Reader for Documents {
    type Options = DocumentOptions;

    const READS: &str = "a table (.csv, .tsv or .parquet) of texts and their classes or numbers";

    const ENDINGS: &[&str] = table::ENDINGS;

    fn suits(schema: &Schema) -> bool {
        let is_target = match schema.target {
            TargetSchema::Class { per_step, .. } | TargetSchema::Value { per_step, .. } => {
                !per_step
            }
            _ => false,
        };
        schema.input.tokenizer().is_some() && is_target
    }

    fn read(
        path: &Path,
        options: &DocumentOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<Documents>(&name))?;
        let mut rows = Rows::new(&name, options, like)?;
        options.check(rows.is_labelled())?;
        let mut table = table::open(path, options.format())?;
        let column = table::column(&name, table.columns(), &options.column)?;
        let target = match rows.is_labelled() {
            true => Some(table::column(&name, table.columns(), &options.target)?),
            false => None,
        };
        table::each_row(&name, &mut *table, progress, |table| {
            let target = target.map(|target| table.field(target)).transpose()?;
            rows.add(table.field(column)?, target, table.place())
        })?;
        rows.finish()
    }

    /// The vocabulary, where it was trained.
    fn settle(options: &mut DocumentOptions, dataset: &Dataset) {
        options.tokenizer.settle(dataset.train.schema().input.tokenizer());
    }
}
