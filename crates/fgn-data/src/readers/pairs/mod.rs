//! Tables of pairs of texts, of which a model writes the second where it reads the first.

mod options;
mod rows;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{Schema, TargetSchema};

pub use self::options::PairOptions;
pub(crate) use self::rows::Rows;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::{Like, ReadProgress, Reader};
use crate::samples::Samples;
use crate::table;

/// Reads pairs of texts from two columns of a table: sources, and the targets that a model writes for them, as the
/// sentences of two languages. Sources and targets have a vocabulary each. That of the targets has the special
/// token `<end>`, with which every target ends.
///
/// The table is read once. Its texts, and then their tokens, are in memory as long as they fit
/// ([`PairOptions::memory`]), else in temporary files.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{PairOptions, Pairs, Reader, Samples};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("pairs.tsv");
/// std::fs::write(&file, "walk left\tL W\nwalk\tW\n")?;
/// let options = PairOptions {
///     source: "1".into(),
///     target: "2".into(),
///     header: false,
///     ..PairOptions::default()
/// };
/// let pairs = Pairs::read(&file, &options, None, &mut |_| ())?;
/// let batch = pairs.batch(&[0, 1], &Device::Cpu)?;
/// // 0 is <unk>; walk is the most frequent word, 1. Of the targets W is 1, L is 2, and <end> is 3.
/// assert_eq!(batch.input().tensor().to_vec2::<u32>()?, [[1, 2], [1, 0]]);
/// assert_eq!(batch.input().lengths(), Some(&[2, 1][..]));
/// assert_eq!(batch.target().tensor().to_vec2::<u32>()?, [[2, 1, 3], [1, 3, 0]]);
/// assert_eq!(batch.target().lengths(), Some(&[3, 2][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pairs;

impl Reader for Pairs {
    type Options = PairOptions;

    const READS: &str = "a table (.csv, .tsv or .parquet) of pairs of texts";

    const ENDINGS: &[&str] = table::ENDINGS;

    fn suits(schema: &Schema) -> bool {
        let is_text = matches!(schema.target, TargetSchema::Sequence { tokenizer: Some(_), .. });
        schema.input.tokenizer().is_some() && is_text
    }

    fn read(
        path: &Path,
        options: &PairOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<Pairs>(&name))?;
        let mut rows = Rows::new(&name, options, like);
        options.check(rows.is_labelled())?;
        let mut table = table::open(path, options.format())?;
        let source = table::column(&name, table.columns(), &options.source)?;
        let target = match rows.is_labelled() {
            true => Some(table::column(&name, table.columns(), &options.target)?),
            false => None,
        };
        table::each_row(&name, &mut *table, progress, |table| {
            let target = target.map(|target| table.field(target)).transpose()?;
            rows.add(table.field(source)?, target, table.place())
        })?;
        rows.finish()
    }

    /// The vocabularies, where they were trained.
    fn settle(options: &mut PairOptions, dataset: &Dataset) {
        let schema = dataset.train.schema();
        options.source_tokenizer.settle(schema.input.tokenizer());
        options.target_tokenizer.settle(schema.target.tokenizer());
    }
}
