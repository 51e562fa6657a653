//! The continual embedded Reber grammar (Gers, Schmidhuber & Cummins 2000): one endless string of strings, in which no
//! border is marked and no state is reset.
//!
//! The target of a step is the set of symbols that may follow, as a class. So the accuracy is the share of steps at
//! which the prediction names all symbols that are legal and no other: the criterion of that paper. Near its end a string
//! repeats its second symbol, which a model must remember over the whole inner string.

mod grammar;
mod strings;

use std::ops::Range;
use std::sync::Arc;

use candle_core::Device;
use fgn_schema::{Batch, InputSchema, MAX_SIZE, Schema, TargetSchema};

use self::grammar::{SETS, SYMBOLS};
use self::strings::Strings;
use super::options::{TaskOptions, WINDOW, within};
use super::samples::{Part, VERSION, batch, without_targets};
use crate::cut::Cut;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::reader::Like;
use crate::samples::{Samples, Windows, check_indices};

/// What the data set is called.
const NAME: &str = "reber";

/// How many strings the training, validation and test part have, if nothing else is asked for.
const STRINGS: [u32; 3] = [40_000, 1_000, 100_000];

/// Steps of a window in an evaluation, which goes on from window to window.
const EVALUATION_WINDOW: usize = 1_000;

/// The data set, whose parts `seed` draws.
///
/// # Errors
/// [`Error::Option`](crate::error::Error::Option) for an option that the task lacks, or that is out of range.
pub(crate) fn open(options: &TaskOptions, seed: u64, like: Option<&Like>) -> Result<Dataset> {
    options.check_known(NAME, &[WINDOW])?;
    let window = within(WINDOW, options.window, 50, 1..=MAX_SIZE, "steps of a window")?;
    let counts = options.samples(STRINGS)?;
    let target = match like.is_none_or(|like| like.labelled) {
        true => {
            TargetSchema::Class { names: SETS.map(|(name, _)| name.into()).into(), per_step: true }
        }
        false => TargetSchema::None,
    };
    let schema = Schema::new(InputSchema::tokens(SYMBOLS.len()), target);
    let read = |part: Part| -> Result<Arc<dyn Samples>> {
        let strings = Arc::new(Strings::new(part, seed, counts[part as usize]));
        let window = if part == Part::Train { window } else { EVALUATION_WINDOW };
        let cut = Cut::new(NAME, 0..strings.steps(), window, EVALUATION_WINDOW)?;
        Ok(Arc::new(ReberStream { schema: schema.clone(), strings, cut }))
    };
    Ok(Dataset {
        train: read(Part::Train)?,
        valid: Some(read(Part::Valid)?),
        test: read(Part::Test)?,
    })
}

/// A part of the endless string, in windows.
#[derive(Clone, Debug)]
struct ReberStream {
    schema: Schema,
    strings: Arc<Strings>,
    /// Its steps, of all of the strings'.
    cut: Cut,
}

impl Samples for ReberStream {
    fn name(&self) -> &str {
        NAME
    }

    fn len(&self) -> usize {
        self.cut.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        format!("from symbol {}", self.cut.range(index).start + 1)
    }

    /// All windows are of one sequence.
    fn group(&self, _: u32) -> u32 {
        0
    }

    fn windows(&self) -> Option<&dyn Windows> {
        Some(self)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let read = |&index: &u32| self.strings.read(self.cut.range(index));
        let batch = batch(indices.iter().map(read).collect(), device)?;
        match self.schema.target {
            TargetSchema::None => without_targets(&batch),
            _ => Ok(batch),
        }
    }

    /// Of what the strings follow from.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(&[NAME.to_owned()]);
        content.names(self.schema.target.names());
        content.number(VERSION);
        self.strings.fingerprint(&mut content);
        self.cut.fingerprint(&mut content);
        Ok(content.finish())
    }
}

impl Windows for ReberStream {
    fn steps(&self) -> u64 {
        self.cut.count()
    }

    fn window(&self) -> usize {
        self.cut.window()
    }

    fn evaluation_window(&self) -> usize {
        self.cut.evaluation_window()
    }

    fn is_continual(&self) -> bool {
        true
    }

    fn cut(&self, range: Range<u64>, window: usize) -> Result<Arc<dyn Samples>> {
        let cut = self.cut.part(NAME, range, window)?;
        Ok(Arc::new(ReberStream { cut, ..self.clone() }))
    }
}
