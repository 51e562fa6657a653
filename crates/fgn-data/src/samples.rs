//! The one view of data that batches, training and evaluation have.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use candle_core::Device;
use fgn_schema::{Batch, Schema};

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};

/// Samples of one [`Schema`], from which any [`Batch`] can be made.
///
/// Where the numbers lie, in memory or in a file, is the implementation's own affair. A data set of your own
/// is one implementation:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_data::{Batch, Batches, InputSchema, Order, Padded, Result, Samples, Schema, TargetSchema};
///
/// /// Sample `i` is a sequence of `i + 1` ones; its target is their sum.
/// #[derive(Debug)]
/// struct Sums {
///     schema: Schema,
/// }
///
/// impl Samples for Sums {
///     fn name(&self) -> &str {
///         "sums"
///     }
///     fn len(&self) -> usize {
///         10
///     }
///     fn schema(&self) -> &Schema {
///         &self.schema
///     }
///     fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
///         let lengths: Vec<usize> = indices.iter().map(|&index| index as usize + 1).collect();
///         let steps = lengths.iter().max().copied().unwrap_or(0);
///         let input = Tensor::ones((indices.len(), steps, 1), DType::F64, device)?;
///         let sums: Vec<f64> = lengths.iter().map(|&length| length as f64).collect();
///         let target = Tensor::from_vec(sums, (indices.len(), 1), device)?;
///         Ok(Batch::new(Padded::with_lengths(input, lengths)?, target))
///     }
/// }
///
/// let target = TargetSchema::Value { names: vec!["sum".into()], per_step: false };
/// let sums = Sums { schema: Schema::new(InputSchema::Series { features: 1 }, target) };
/// let batches = Batches::new(&sums, Order::AsGiven, 4, &Device::Cpu)?;
/// let shapes = batches.map(|batch| Ok(batch?.input().tensor().dims().to_vec()));
/// assert_eq!(shapes.collect::<Result<Vec<_>>>()?, [[4, 4, 1], [4, 8, 1], [2, 10, 1]]);
/// # Ok::<(), fgn_data::Error>(())
/// ```
pub trait Samples: Debug + Send + Sync {
    /// What the samples are called in errors and reports: a file's name, say.
    fn name(&self) -> &str;

    /// How many samples there are, at least 1 and at most `u32::MAX`.
    fn len(&self) -> usize;

    /// Always false.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a sample and its target are.
    fn schema(&self) -> &Schema;

    /// The names of the features of a step, in their order; empty if they have none.
    fn features(&self) -> &[String] {
        &[]
    }

    /// What the sample at `index` is called where it is shown: a file's name, an id; its index if it has no
    /// name.
    fn title(&self, index: u32) -> String {
        index.to_string()
    }

    /// Which later values the targets are, if the samples are windows of longer sequences; by default they are
    /// not.
    fn forecast(&self) -> Option<Forecast> {
        None
    }

    /// The samples as windows of one long sequence, if they are; by default they are not.
    fn windows(&self) -> Option<&dyn Windows> {
        None
    }

    /// The group of the sample at `index`. Samples of one group are never split between training, validation
    /// and test. Data whose samples overlap, as the windows of a sequence do, says so here; by default each
    /// sample is a group of its own.
    fn group(&self, index: u32) -> u32 {
        index
    }

    /// Holds samples of about `count` out for validation, where the samples are to be divided in another way than
    /// [`Dataset::hold_out`](crate::Dataset::hold_out) divides others: as [`Divided`]. By default they are not.
    ///
    /// # Errors
    /// [`Error::HeldOut`] when `count` leaves nothing to train on.
    fn hold_out(&self, count: usize, seed: u64) -> Result<Option<Divided>> {
        let _ = (count, seed);
        Ok(None)
    }

    /// The samples at `indices`, each less than [`len`](Self::len), in that order.
    /// [`InputSchema`](fgn_schema::InputSchema) and [`TargetSchema`](fgn_schema::TargetSchema) say what the
    /// tensors hold, and in which data type.
    ///
    /// # Errors
    /// [`Error::Index`] for an index out of range; whatever reading the data gives.
    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch>;

    /// A hash of all inputs, targets and names, by which a resumed training knows that its data is still the same.
    /// It does not depend on paths or times. By default every sample is read once; data that knows a faster way
    /// says so here.
    ///
    /// # Errors
    /// Whatever reading the data gives.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(self.schema().target.names());
        content.names(self.features());
        let count = u32::try_from(self.len()).map_err(|_| Error::TooMany { count: self.len() })?;
        let indices: Vec<u32> = (0..count).collect();
        for indices in indices.chunks(READ_TOGETHER) {
            content.batch(&self.batch(indices, &Device::Cpu)?)?;
        }
        Ok(content.finish())
    }
}

/// Samples that are consecutive windows of one long sequence, each step of which has a target: those of a text, say.
/// The state of a model can be carried from one window to the next.
///
/// The sequence can be cut into other windows, so that training, validation and test each have a part without gaps,
/// and every epoch can begin its windows somewhere else.
pub trait Windows: Samples {
    /// How many steps with a target there are in all.
    fn steps(&self) -> u64;

    /// How many steps a window has; the last window may have fewer.
    fn window(&self) -> usize;

    /// How many steps a window has in an evaluation.
    fn evaluation_window(&self) -> usize;

    /// Whether an evaluation is of one stream: a model that can carry its state goes on from window to window, and is
    /// never reset. By default each window is read from a state of zeros, and what a state that goes on gives is
    /// measured beside it.
    fn is_continual(&self) -> bool {
        false
    }

    /// The steps in `range`, in windows of `window` steps.
    ///
    /// # Errors
    /// [`Error::Empty`] for no step, [`Error::Option`] for a window of 0
    /// steps.
    fn cut(&self, range: Range<u64>, window: usize) -> Result<Arc<dyn Samples>>;
}

/// Samples in two parts: those that are left, and those that are held out.
pub type Divided = (Arc<dyn Samples>, Arc<dyn Samples>);

/// Which later values are the targets of samples that are windows of longer sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How many steps after the last step of a window its target is, at least 1.
    pub ahead: usize,
    /// How many steps after a window the next one of the same sequence begins, at least 1.
    pub stride: usize,
    /// Of each value of the target, which feature of a step it is.
    pub features: Vec<usize>,
}

/// How many samples are read together for a fingerprint.
const READ_TOGETHER: usize = 100;

impl<S: Samples + ?Sized> Samples for Arc<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> usize {
        (**self).len()
    }

    fn schema(&self) -> &Schema {
        (**self).schema()
    }

    fn features(&self) -> &[String] {
        (**self).features()
    }

    fn title(&self, index: u32) -> String {
        (**self).title(index)
    }

    fn forecast(&self) -> Option<Forecast> {
        (**self).forecast()
    }

    fn windows(&self) -> Option<&dyn Windows> {
        (**self).windows()
    }

    fn group(&self, index: u32) -> u32 {
        (**self).group(index)
    }

    fn hold_out(&self, count: usize, seed: u64) -> Result<Option<Divided>> {
        (**self).hold_out(count, seed)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        (**self).batch(indices, device)
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        (**self).fingerprint()
    }
}

/// # Errors
/// [`Error::Index`] for an index that is not below `count`.
pub(crate) fn check_indices(indices: &[u32], count: usize) -> Result<()> {
    match indices.iter().find(|&&index| index as usize >= count) {
        Some(&index) => Err(Error::Index { index, count }),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::Empty`] for no samples, [`Error::TooMany`] for more than an index can name.
pub(crate) fn check_count(origin: &str, count: usize) -> Result<()> {
    match u32::try_from(count) {
        Ok(0) => Err(Error::Empty { origin: origin.to_owned() }),
        Ok(_) => Ok(()),
        Err(_) => Err(Error::TooMany { count }),
    }
}
