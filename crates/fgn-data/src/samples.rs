//! What every data set is to the rest: some samples, given a batch at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;

use crate::sampling::{generator, parted};
use crate::{Error, Result};

/// Anything that gives samples: the one view of data that batches, training and measuring have.
///
/// A set knows how many samples it has, what they are ([`Form`]), and how to make a [`Batch`] of any
/// of them. Where the numbers lie, in memory or in a file, is its own affair. A set of one's own is
/// one implementation:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_data::{Batch, Batches, Form, Input, Order, Result, Samples, Target};
///
/// /// Sample `i` is a sequence of `i + 1` steps of one number; its target is their sum.
/// #[derive(Debug)]
/// struct Sums {
///     form: Form,
/// }
///
/// impl Samples for Sums {
///     fn name(&self) -> &str {
///         "sums"
///     }
///     fn len(&self) -> usize {
///         10
///     }
///     fn form(&self) -> &Form {
///         &self.form
///     }
///     fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
///         let lengths: Vec<usize> = places.iter().map(|&place| place as usize + 1).collect();
///         let steps = lengths.iter().max().copied().unwrap_or(0);
///         let input = Tensor::ones((places.len(), steps, 1), candle_core::DType::F32, device)?;
///         let sums: Vec<f32> = lengths.iter().map(|&length| length as f32).collect();
///         let target = Tensor::from_vec(sums, (places.len(), 1), device)?;
///         Ok(Batch { input, lengths: Some(lengths), target })
///     }
/// }
///
/// let target = Target::Numbers(vec!["sum".into()]);
/// let sums = Sums { form: Form { input: Input::Series { features: 1 }, target, each_step: false } };
/// let batches = Batches::new(&sums, Order::AsGiven, 4, &Device::Cpu)?;
/// let shapes: Vec<_> = batches.map(|batch| Ok(batch?.input.dims().to_vec())).collect::<Result<_>>()?;
/// assert_eq!(shapes, [[4, 4, 1], [4, 8, 1], [2, 10, 1]]);
/// # Ok::<(), fgn_data::Error>(())
/// ```
pub trait Samples: Debug + Send + Sync {
    /// What the set is called in errors and reports: a file's name, say.
    fn name(&self) -> &str;

    /// How many samples there are, at least 1 and at most `u32::MAX`.
    fn len(&self) -> usize;

    /// Always false.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a sample and its target are.
    fn form(&self) -> &Form;

    /// What the numbers of a step are called, in their order; empty if they have no names.
    fn features(&self) -> &[String] {
        &[]
    }

    /// What the sample at `place` is called where it is shown: a file's name, an id; its place if it
    /// has no name.
    fn title(&self, place: u32) -> String {
        place.to_string()
    }

    /// Samples of one group are never parted: not between training and validation, for one. A set
    /// whose samples overlap, as windows of a sequence do, says so here. Else each is its own group.
    fn group(&self, place: u32) -> u32 {
        place
    }

    /// The samples at `places`, each less than [`len`](Self::len), in that order.
    ///
    /// # Errors
    /// A place that names no sample, and data that cannot be read.
    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch>;
}

impl<S: Samples + ?Sized> Samples for Arc<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn len(&self) -> usize {
        (**self).len()
    }

    fn form(&self) -> &Form {
        (**self).form()
    }

    fn features(&self) -> &[String] {
        (**self).features()
    }

    fn title(&self, place: u32) -> String {
        (**self).title(place)
    }

    fn group(&self, place: u32) -> u32 {
        (**self).group(place)
    }

    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
        (**self).batch(places, device)
    }
}

/// What the samples of a set are, and what is to be told of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What a sample is.
    pub input: Input,
    /// What is to be told.
    pub target: Target,
    /// Whether each time step has a target; if not, each sample has one.
    pub each_step: bool,
}

/// What a sample is, and what [`Batch::input`] holds for `B` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An image. `[B, height, width]` of 1 channel, `[B, height, width, channels]` of several: f32,
    /// 0 (black) to 1 (white).
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// 1 for grey, 3 for red, green and blue.
        channels: usize,
    },
    /// A sequence of steps of several numbers. `[B, T, features]`, f32, with zeros behind a sequence
    /// that is shorter than the longest of its batch.
    Series {
        /// Numbers a step.
        features: usize,
    },
    /// A sequence of symbols. `[B, T]`, u32, each less than `symbols`; zeros behind a shorter one.
    Symbols {
        /// How many different ones there are.
        symbols: usize,
    },
}

/// What is to be told of a sample, or of each of its steps, and what [`Batch::target`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of these classes, by name. `[B]`, or `[B, T]` for each step: u32, a place in this list.
    Classes(Vec<String>),
    /// These numbers, by name. `[B, N]`, or `[B, T, N]` for each step: f32.
    Numbers(Vec<String>),
}

/// Some samples and their targets; [`Input`] and [`Target`] say what the tensors hold.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The samples, the first dimension counts them.
    pub input: Tensor,
    /// The steps of each sample, each at least 1, where they differ between samples of the set: what
    /// is behind them in `input` and in `target` is filling. `[B]`.
    pub lengths: Option<Vec<usize>>,
    /// What is to be told of them.
    pub target: Tensor,
}

/// Some samples of a set, as a set.
#[derive(Clone, Debug)]
pub struct Subset {
    whole: Arc<dyn Samples>,
    places: Vec<u32>,
}

impl Subset {
    /// The samples of `whole` at `places`, in that order.
    ///
    /// # Errors
    /// No places, and one that names no sample.
    pub fn new(whole: Arc<dyn Samples>, places: Vec<u32>) -> Result<Subset> {
        if places.is_empty() {
            return Err(Error::Empty { origin: format!("a part of {}", whole.name()) });
        }
        check_places(&places, whole.len())?;
        Ok(Subset { whole, places })
    }

    /// Which samples of the whole set these are.
    pub fn places(&self) -> &[u32] {
        &self.places
    }
}

impl Samples for Subset {
    fn name(&self) -> &str {
        self.whole.name()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn form(&self) -> &Form {
        self.whole.form()
    }

    fn features(&self) -> &[String] {
        self.whole.features()
    }

    fn title(&self, place: u32) -> String {
        match self.places.get(place as usize) {
            Some(&place) => self.whole.title(place),
            None => place.to_string(),
        }
    }

    fn group(&self, place: u32) -> u32 {
        self.places.get(place as usize).map_or(place, |&place| self.whole.group(place))
    }

    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
        check_places(places, self.len())?;
        let places: Vec<u32> = places.iter().map(|&place| self.places[place as usize]).collect();
        self.whole.batch(&places, device)
    }
}

/// Holds `count` samples out, or some more if they come in groups: `(kept, held out)`, each ascending.
pub(crate) fn divide(
    samples: &Arc<dyn Samples>,
    count: usize,
    purpose: [u8; 8],
    seed: u64,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let all = samples.len();
    if count >= all {
        return Err(Error::Validation { valid: count, count: all });
    }
    let end = u32::try_from(all).map_err(|_| Error::TooMany { count: all })?;
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    (0..end).for_each(|place| *sizes.entry(samples.group(place)).or_default() += 1);
    if sizes.len() == all {
        return Ok(parted(end, count, purpose, seed));
    }
    if sizes.len() == 1 {
        let kept = end - count as u32;
        return Ok(((0..kept).collect(), (kept..end).collect()));
    }
    let mut groups: Vec<u32> = sizes.keys().copied().collect();
    groups.shuffle(&mut generator(purpose, seed, 0));
    groups.pop(); // One is left to learn from.
    let mut left = count;
    let mut held = BTreeSet::new();
    while left > 0
        && let Some(group) = groups.pop()
    {
        left = left.saturating_sub(sizes[&group]);
        held.insert(group);
    }
    Ok((0..end).partition(|&place| !held.contains(&samples.group(place))))
}

/// Orders names of classes: numbers by value, then words by letter.
pub(crate) fn class_key(name: &str) -> (u64, &str) {
    (name.parse().unwrap_or(u64::MAX), name)
}

/// Names in the order of classes, and `labels`, places in them, changed to fit.
pub(crate) fn sorted_classes(names: Vec<String>, labels: &mut [u32]) -> Vec<String> {
    let mut sorted: Vec<(u32, String)> = (0..).zip(names).collect();
    sorted.sort_by(|(_, one), (_, other)| class_key(one).cmp(&class_key(other)));
    let mut places = vec![0; sorted.len()];
    for (place, &(before, _)) in (0..).zip(&sorted) {
        places[before as usize] = place;
    }
    labels.iter_mut().for_each(|label| *label = places[*label as usize]);
    sorted.into_iter().map(|(_, name)| name).collect()
}

/// # Errors
/// A place that is not below `count`.
pub(crate) fn check_places(places: &[u32], count: usize) -> Result<()> {
    match places.iter().find(|&&place| place as usize >= count) {
        Some(&index) => Err(Error::Index { index, count }),
        None => Ok(()),
    }
}

/// A whole data set: parts of one form, each for a purpose of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<S = Arc<dyn Samples>> {
    /// To learn from.
    pub train: S,
    /// To see how learning goes; where a set has none of its own, [`Dataset::hold_out`] makes one.
    pub valid: Option<S>,
    /// To measure with, once, at the end.
    pub test: S,
}

impl<S: Samples + 'static> Dataset<S> {
    /// The same, whatever its kind: what a trainer takes.
    pub fn shared(self) -> Dataset {
        Dataset {
            train: Arc::new(self.train),
            valid: self.valid.map(|valid| Arc::new(valid) as Arc<dyn Samples>),
            test: Arc::new(self.test),
        }
    }
}

impl Dataset {
    /// Holds `count` training samples out for validation, drawn by `seed`, as [`split`](crate::split) does. Samples
    /// of one [group](Samples::group) stay together: whole groups are held out until there are `count`;
    /// of one group alone, the last samples are. A set with a validation part of its own stays as it is.
    ///
    /// # Errors
    /// When `count` leaves nothing to train on.
    ///
    /// ```
    /// let digits = fgn_data::mnist()?.shared().hold_out(5_000, 1)?;
    /// assert_eq!(digits.train.len(), 55_000);
    /// assert_eq!(digits.valid.map(|valid| valid.len()), Some(5_000));
    /// # Ok::<(), fgn_data::Error>(())
    /// ```
    pub fn hold_out(self, count: usize, seed: u64) -> Result<Dataset> {
        if self.valid.is_some() || count == 0 {
            return Ok(self);
        }
        let (train, valid) = divide(&self.train, count, *b"validate", seed)?;
        let part = |places| -> Result<Arc<dyn Samples>> {
            Ok(Arc::new(Subset::new(self.train.clone(), places)?))
        };
        Ok(Dataset { train: part(train)?, valid: Some(part(valid)?), test: self.test })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Image { height, width, channels: 1 } => {
                write!(f, "images of {height} x {width} pixels")
            }
            Input::Image { height, width, channels } => {
                write!(f, "images of {height} x {width} pixels in {channels} channels")
            }
            Input::Series { features } => write!(f, "series of {features} numbers a step"),
            Input::Symbols { symbols } => write!(f, "sequences of {symbols} symbols"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Classes(names) => write!(f, "{} classes", names.len()),
            Target::Numbers(names) => write!(f, "{} numbers to tell", names.len()),
        }
    }
}
