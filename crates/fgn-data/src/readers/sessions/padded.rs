//! Sessions as samples of their own, padded to the longest of a batch.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_schema::{Batch, Catalogue, IGNORED, InputSchema, Schema, TargetSchema};

use super::store::Store;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Samples, check_count, check_indices};
use crate::text::samples::padded;

/// Sessions, padded. One of more steps than a sample reads becomes several samples, each of which begins half that
/// many steps after the one before. Its first half repeats steps whose targets are [`IGNORED`]: so each target counts
/// once, and has half of a sample before it where the session has that.
#[derive(Debug)]
pub(super) struct Sessions {
    name: String,
    schema: Schema,
    store: Arc<Store>,
    /// Which sessions of the store.
    sessions: Range<usize>,
    /// The first sample of each session.
    firsts: Vec<u32>,
    /// How many samples there are.
    count: usize,
    max_length: usize,
    targets: Targets,
}

/// Which steps have a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Targets {
    /// All: the next event.
    Steps,
    /// The last one. The session has at most one event more than a sample reads.
    Last,
    /// None: all events are read, and what follows is not known. The session has no more events than a sample reads.
    None,
}

/// What a sample with targets is: items, of which each predicts the next.
pub(super) fn schema(catalogue: &Catalogue) -> Schema {
    let input = InputSchema::tokens(catalogue.len());
    Schema::new(input, TargetSchema::NextItem { catalogue: catalogue.clone() })
}

/// Adds the names of the items that samples are of.
pub(super) fn add_items(schema: &Schema, content: &mut Fingerprinter) {
    if let TargetSchema::NextItem { catalogue } = &schema.target {
        content.names(catalogue.names());
    }
}

impl Sessions {
    /// Some sessions of a store.
    ///
    /// # Errors
    /// No samples, and more than an index can name.
    pub(super) fn new(
        name: &str,
        schema: Schema,
        store: Arc<Store>,
        sessions: Range<usize>,
        max_length: usize,
        targets: Targets,
    ) -> Result<Sessions> {
        let (mut firsts, mut count) = (Vec::with_capacity(sessions.len()), 0);
        for session in sessions.clone() {
            firsts.push(count as u32);
            count += pieces(steps(&store, session, targets), max_length);
            check_count(name, count)?;
        }
        check_count(name, count)?;
        let name = name.to_owned();
        Ok(Sessions { name, schema, store, sessions, firsts, count, max_length, targets })
    }

    /// The session of a sample, as one of the store, and which of its samples it is.
    fn session(&self, index: u32) -> (usize, u64) {
        let after = self.firsts.partition_point(|&first| first <= index);
        let at = after.saturating_sub(1);
        let first = self.firsts.get(at).copied().unwrap_or(0);
        (self.sessions.start + at, u64::from(index - first))
    }

    /// The step of its session with which a sample begins.
    fn first_step(&self, piece: u64) -> u64 {
        piece * (self.max_length / 2) as u64
    }

    /// The items that a sample reads, and its targets.
    fn sample(&self, index: u32) -> Result<(Vec<u32>, Vec<u32>)> {
        let (session, piece) = self.session(index);
        let steps = steps(&self.store, session, self.targets);
        let first = self.first_step(piece);
        let last = steps.min(first + self.max_length as u64);
        let start = self.store.start(session);
        if self.targets == Targets::None {
            return Ok((self.store.read(start + first..start + last)?, Vec::new()));
        }
        let mut input = self.store.read(start + first..start + last + 1)?;
        let mut target = input[1..].to_vec();
        let read = target.len();
        input.truncate(read);
        let counted = match (self.targets, piece) {
            (Targets::Last, _) => 1,
            (_, 0) => read,
            // Those that the sample before had not.
            _ => read - (self.max_length - self.max_length / 2).min(read),
        };
        target[..read - counted].fill(IGNORED);
        Ok((input, target))
    }
}

/// How many steps of a session are read.
fn steps(store: &Store, session: usize, targets: Targets) -> u64 {
    store.events(session) - u64::from(targets != Targets::None)
}

/// How many samples a session of so many steps becomes.
fn pieces(steps: u64, max_length: usize) -> usize {
    let (most, advance) = (max_length as u64, (max_length / 2) as u64);
    1 + steps.saturating_sub(most).div_ceil(advance.max(1)) as usize
}

impl Samples for Sessions {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.count
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The session, and of a long one the event from which on the sample reads.
    fn title(&self, index: u32) -> String {
        let (session, piece) = self.session(index);
        match self.store.title(session) {
            Some(title) if piece == 0 => title,
            Some(title) => format!("{title}, from event {}", self.first_step(piece) + 1),
            None => index.to_string(),
        }
    }

    fn group(&self, index: u32) -> u32 {
        (self.session(index).0 - self.sessions.start) as u32
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for &index in indices {
            let (input, target) = self.sample(index)?;
            inputs.push(input);
            targets.push(target);
        }
        let input = padded(&inputs, device)?;
        if self.targets == Targets::None {
            return Ok(Batch::new(input, Tensor::zeros(indices.len(), DType::U32, device)?));
        }
        Ok(Batch::new(input, padded(&targets, device)?))
    }

    /// The events were hashed while they were read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        add_items(&self.schema, &mut content);
        self.store.fingerprint(&mut content);
        let Range { start, end } = self.sessions;
        for number in [start, end, self.max_length, self.targets as usize] {
            content.number(number as u64);
        }
        Ok(content.finish())
    }
}
