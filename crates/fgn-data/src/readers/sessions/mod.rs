//! Logs of interactions: which items a user took, one after the other, in sessions. A model predicts the next one.

mod items;
mod lines;
mod log;
mod options;
mod padded;
mod parts;
mod rows;
mod sort;
mod store;
mod streams;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fgn_schema::{Catalogue, Schema, TargetSchema};

use self::lines::SEQUENCES;
pub(crate) use self::log::{Log, LogWriter};
pub use self::options::{SessionBatches, SessionOptions, SessionSplit};
use self::padded::{Sessions, Targets, schema};
use self::parts::{Division, divide};
pub(crate) use self::store::Names;
use self::store::Store;
use self::streams::SessionStreams;
use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::reader::{Like, ReadProgress, Reader, describe, has_ending};
use crate::samples::Samples;

/// Reads logs of interactions, of which a model predicts the next item of a session:
///
/// - A table with a column of sessions (or users), one of items and perhaps one of times. The events of a session may be
///   anywhere in the table.
/// - A `.inter` file of RecBole: such a table between tabs, with types in its header (`user_id:token`).
/// - A `.seq` file: a session a line, its items between white space. Lines that begin with `%` or `#` are comments. The
///   files of the UCI repository, in which items are numbers of names in a comment, are understood.
///
/// Sessions and items are names. Items are counted in the training part, and the most frequent one has the index 0.
/// Sessions follow each other in the order of their first events' times, or in that of the file.
///
/// The log is read once. Names of items are in memory; events and names of sessions are in memory as long as they fit
/// ([`SessionOptions::memory`]), else in temporary files, where they are sorted too. A session takes 16 bytes of memory.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{InteractionLogs, Reader, Samples, SessionOptions};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("log.csv");
/// std::fs::write(&file, "who,what,when\nann,tea,1\nbob,tea,2\nann,milk,3\nbob,tea,4\n")?;
/// let options = SessionOptions {
///     session: "who".into(),
///     item: "what".into(),
///     time: Some("when".into()),
///     ..SessionOptions::default()
/// };
/// let log = InteractionLogs::read(&file, &options, None, &mut |_| ())?;
/// // Tea is 0 and milk is 1. Ann's session has a step, and Bob's session has one.
/// let batch = log.batch(&[0], &Device::Cpu)?;
/// assert_eq!(batch.input().tensor().to_vec2::<u32>()?, [[0, 0]]);
/// assert_eq!(batch.target().tensor().to_vec2::<u32>()?, [[1, 0]]);
/// assert_eq!(batch.resets().expect("streams").to_vec2::<u8>()?, [[1, 1]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InteractionLogs;

impl Reader for InteractionLogs {
    type Options = SessionOptions;

    const READS: &str =
        "a log of interactions (.inter or .seq), or a table (.csv, .tsv or .parquet) of them";

    const ENDINGS: &[&str] = &["inter", "seq", "csv", "tsv", "parquet"];

    fn suits(schema: &Schema) -> bool {
        matches!(schema.target, TargetSchema::NextItem { .. })
    }

    /// Without `like` all sessions are for training. With it they are of the items that the model knows, and each step
    /// is to be predicted; or, without labels, what follows each session.
    fn read(
        path: &Path,
        options: &SessionOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        samples(load(path, options, like, progress)?, options, like)
    }

    /// Of a log without parts, and of one without a test part, [`SessionOptions::split`] says what the test part is.
    fn open(
        path: &Path,
        options: &SessionOptions,
        split: TestSplit,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Dataset> {
        let parts = Self::parts(path)?;
        let [valid, test] = match &parts {
            Some(parts) => [parts.valid.clone(), parts.test.clone()],
            None => [None, None],
        };
        let train = parts.as_ref().map_or(path, |parts| &parts.train);
        let log = load(train, options, None, progress)?;
        let division = match test {
            Some(_) => Division::Whole,
            None => Division::new(options, split, log.store.len())?,
        };
        let name = log.name.clone();
        let parts = divide(log, &division)?;
        let like = Like::new(schema(&parts.catalogue), Vec::new());
        let held_out = |store: Option<Store>| -> Result<Option<Arc<dyn Samples>>> {
            let targets = match division {
                Division::LeaveOneOut(_) => Targets::Last,
                _ => Targets::Steps,
            };
            let sessions =
                store.map(|store| sessions(&name, &like.schema, store, options, targets));
            sessions.transpose()
        };
        let mut given = |path: Option<PathBuf>| -> Result<Option<Arc<dyn Samples>>> {
            path.map(|path| Self::read(&path, options, Some(&like), progress)).transpose()
        };
        let valid = match given(valid)? {
            Some(valid) => Some(valid),
            None => held_out(parts.valid)?,
        };
        let test = match given(test)? {
            Some(test) => Some(test),
            None => held_out(parts.test)?,
        };
        let test = test.ok_or_else(|| Error::Empty { origin: name.clone() })?;
        Ok(Dataset { train: training(&name, &parts.catalogue, parts.train, options)?, valid, test })
    }
}

/// Reads a log.
fn load(
    path: &Path,
    options: &SessionOptions,
    like: Option<&Like>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Log> {
    let name = path.display().to_string();
    like.map_or(Ok(()), |like| like.check_reader::<InteractionLogs>(&name))?;
    options.check()?;
    let log = LogWriter::new(&name, options, like);
    match has_ending(path, SEQUENCES) {
        true => lines::read(path, log, progress),
        false => rows::read(path, options, log, progress),
    }
}

/// The sessions of a log as samples: all for training, or for a model.
pub(crate) fn samples(
    log: Log,
    options: &SessionOptions,
    like: Option<&Like>,
) -> Result<Arc<dyn Samples>> {
    let name = log.name.clone();
    let Some(like) = like else {
        let parts = divide(log, &Division::Whole)?;
        return training(&name, &parts.catalogue, parts.train, options);
    };
    let TargetSchema::NextItem { catalogue } = &like.schema.target else {
        return Err(Error::Unlike {
            origin: name,
            found: InteractionLogs::READS.into(),
            expected: describe(&like.schema),
        });
    };
    let schema = schema(catalogue);
    match like.labelled {
        true => sessions(&name, &schema, log.store, options, Targets::Steps),
        false => {
            let schema = Schema::new(schema.input, TargetSchema::None);
            sessions(&name, &schema, log.store, options, Targets::None)
        }
    }
}

/// Training samples, as the options say.
fn training(
    name: &str,
    catalogue: &Catalogue,
    store: Store,
    options: &SessionOptions,
) -> Result<Arc<dyn Samples>> {
    match options.batches {
        SessionBatches::Parallel => {
            let (window, evaluation) = (options.window, options.max_length);
            Ok(Arc::new(SessionStreams::new(name, catalogue, store, window, evaluation)?))
        }
        SessionBatches::Padded => {
            sessions(name, &schema(catalogue), store, options, Targets::Steps)
        }
    }
}

/// All sessions of a store, padded.
fn sessions(
    name: &str,
    schema: &Schema,
    store: Store,
    options: &SessionOptions,
    targets: Targets,
) -> Result<Arc<dyn Samples>> {
    let all = 0..store.len();
    let (schema, store) = (schema.clone(), Arc::new(store));
    Ok(Arc::new(Sessions::new(name, schema, store, all, options.max_length, targets)?))
}
