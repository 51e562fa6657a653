//! Tables of time series: CSV files, or Parquet files with the feature `parquet`.

mod columns;
pub(crate) mod options;
mod rows;
pub(crate) mod sequences;
pub(crate) mod store;
mod windows;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema};

pub use self::options::{Missing, SeriesOptions, Task};

use self::columns::Columns;
use self::rows::Rows;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::{Like, ReadProgress, Reader};
use crate::samples::Samples;
use crate::table;

/// Reads time series from a table: the rows of an id are the steps of a sequence. Numbers are `f64` from the
/// file to the batch; ids and the names of classes stay the text that is in the file.
///
/// The table is read once, row by row, and every field is checked. Its numbers are in memory as long as they fit
/// ([`SeriesOptions::memory`]), else in a temporary file, from which a batch's rows are read when they are
/// asked for.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Reader, Samples, SeriesOptions, Tables};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("steps.csv");
/// std::fs::write(&file, "who,x,y,kind\na,1,2,slow\na,3,4,slow\nb,5,6,fast\n")?;
///
/// let options = SeriesOptions {
///     id: Some("who".into()),
///     target: vec!["kind".into()],
///     ..SeriesOptions::default()
/// };
/// let series = Tables::read(&file, &options, None, &mut |_| ())?;
/// assert_eq!(series.features(), ["x", "y"]);
/// assert_eq!(series.schema().target.names(), ["fast", "slow"]);
/// let batch = series.batch(&[0, 1], &Device::Cpu)?;
/// let steps = batch.input().tensor().to_vec3::<f64>()?;
/// assert_eq!(steps, [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]]);
/// assert_eq!(batch.input().lengths(), Some(&[2, 1][..]));
/// assert_eq!(batch.target().tensor().to_vec1::<u32>()?, [1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tables;

impl Reader for Tables {
    type Options = SeriesOptions;

    const READS: &str = "a table (.csv, .tsv or .parquet)";

    const ENDINGS: &[&str] = table::ENDINGS;

    fn suits(schema: &Schema) -> bool {
        matches!(schema.input, InputSchema::Series { .. })
    }

    fn read(
        path: &Path,
        options: &SeriesOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<Tables>(&name))?;
        options.check()?;
        let mut table = table::open(path, options.format())?;
        let columns = Columns::find(&name, table.columns(), options, like)?;
        if let Some(like) = like {
            like.check_input(&name, &InputSchema::Series { features: columns.features.len() })?;
        }
        let mut rows = Rows::new(&name, columns, options, like);
        table::each_row(&name, &mut *table, progress, |table| rows.add(table))?;
        Ok(Arc::new(rows.finish()?))
    }

    /// The features by name, whatever columns a later table has.
    fn settle(options: &mut SeriesOptions, dataset: &Dataset) {
        if options.features.is_empty() {
            options.features = dataset.train.features().to_vec();
        }
    }
}
