//! What the tasks have in common: samples that are drawn one by one, each from its part and its index alone.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, Padded, Schema, TargetSchema};
use rand_chacha::ChaCha8Rng;

use super::options::TaskOptions;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Samples, check_indices};
use crate::sampling::generator;

/// The parts of a data set, each with draws of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    Valid,
    Test,
}

impl Part {
    /// All of them, in the order of their numbers of samples.
    pub(super) const ALL: [Part; 3] = [Part::Train, Part::Valid, Part::Test];
}

/// A task: how a sample is drawn, and what is to be predicted of it.
pub(crate) trait Task: Debug + Send + Sync + Sized + 'static {
    /// What the data set is called.
    const NAME: &'static str;
    /// What sets its draws apart from those of others.
    const PURPOSE: [u8; 7];
    /// How many samples the training, validation and test part have, if nothing else is asked for.
    const SAMPLES: [u32; 3];

    /// The task with these options.
    ///
    /// # Errors
    /// [`Error::Option`](crate::error::Error::Option) for an option that it lacks, or that is out of range.
    fn new(options: &TaskOptions) -> Result<Self>;

    /// What a sample is, and what is to be predicted.
    fn schema(&self) -> Schema;

    /// The names of the features of a step.
    fn features(&self) -> &[String] {
        &[]
    }

    /// Samples of a part, each drawn from a generator of its own.
    ///
    /// # Errors
    /// Tensors that cannot be made.
    fn draw(&self, part: Part, random: Vec<ChaCha8Rng>, device: &Device) -> Result<Batch>;

    /// The sizes that the samples follow from, for their fingerprint.
    fn sizes(&self) -> Vec<usize>;
}

/// The generator of what is drawn at an index of a part.
pub(super) fn random(purpose: [u8; 7], part: Part, seed: u64, index: u64) -> ChaCha8Rng {
    let [a, b, c, d, e, f, g] = purpose;
    generator([a, b, c, d, e, f, g, b'0' + part as u8], seed, index)
}

/// Samples of a part of a task.
#[derive(Debug)]
pub(super) struct TaskSamples<T> {
    task: Arc<T>,
    schema: Schema,
    part: Part,
    seed: u64,
    count: u32,
}

impl<T: Task> TaskSamples<T> {
    /// `count` samples, 1 or more, of a part that `seed` draws. The target of the schema is the task's, or none.
    pub(super) fn new(task: Arc<T>, schema: Schema, part: Part, seed: u64, count: u32) -> Self {
        TaskSamples { task, schema, part, seed, count }
    }
}

impl<T: Task> Samples for TaskSamples<T> {
    fn name(&self) -> &str {
        T::NAME
    }

    fn len(&self) -> usize {
        self.count as usize
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn features(&self) -> &[String] {
        self.task.features()
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let of = |&index: &u32| random(T::PURPOSE, self.part, self.seed, index.into());
        let batch = self.task.draw(self.part, indices.iter().map(of).collect(), device)?;
        match self.schema.target {
            TargetSchema::None => without_targets(&batch),
            _ => Ok(batch),
        }
    }

    /// Of what the samples follow from.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        content.names(&[T::NAME.to_owned()]);
        content.names(self.schema.target.names());
        content.names(self.features());
        let sizes = self.task.sizes().into_iter().map(|size| size as u64);
        let own = [VERSION, self.part as u64, self.seed, self.count.into()];
        own.into_iter().chain(sizes).for_each(|number| content.number(number));
        Ok(content.finish())
    }
}

/// Changes with what is drawn.
pub(super) const VERSION: u64 = 1;

/// The inputs of a batch, for prediction.
pub(super) fn without_targets(batch: &Batch) -> Result<Batch> {
    let nothing = Tensor::zeros(batch.size(), DType::U32, batch.input().tensor().device())?;
    Ok(Batch::new(batch.input().clone(), nothing))
}

/// Tokens, with a class or [`IGNORED`](fgn_schema::IGNORED) for each.
#[derive(Debug, PartialEq)]
pub(super) struct Sequence {
    pub(super) input: Vec<u32>,
    pub(super) target: Vec<u32>,
}

/// Sequences as a batch: `[B, T]` both.
///
/// # Errors
/// Tensors that cannot be made.
pub(super) fn batch(sequences: Vec<Sequence>, device: &Device) -> Result<Batch> {
    let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.input.len()).collect();
    let steps = lengths.iter().copied().max().unwrap_or(0);
    let shape = (sequences.len(), steps);
    let (mut input, mut target) = (Vec::new(), Vec::new());
    for (row, sequence) in (1..).zip(sequences) {
        input.extend(sequence.input);
        target.extend(sequence.target);
        input.resize(row * steps, 0);
        target.resize(row * steps, 0);
    }
    let is_full = lengths.iter().all(|&length| length == steps);
    let padded = |tokens: Vec<u32>| -> Result<Padded> {
        let tensor = Tensor::from_vec(tokens, shape, device)?;
        Ok(if is_full { tensor.into() } else { Padded::with_lengths(tensor, lengths.clone())? })
    };
    Ok(Batch::new(padded(input)?, padded(target)?))
}

/// So many names: `s0`, `s1`, and so on, for the letter `s`.
pub(super) fn names(letter: char, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{letter}{number}")).collect()
}
