//! Sessions end to end, as one long sequence of steps.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use fgn_schema::{Batch, Catalogue, Padded, Schema};

use super::padded::{Sessions, Targets, add_items, schema};
use super::store::Store;
use crate::cut::Cut;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::samples::{Divided, Samples, Windows, check_indices};

/// Sessions end to end, in windows. A session of `n` events has `n - 1` steps: each reads an event and predicts the next
/// one. At a session's first step the state of a model is reset.
#[derive(Clone, Debug)]
pub(super) struct SessionStreams {
    name: String,
    schema: Schema,
    store: Arc<Store>,
    /// Its steps, of all of the store's.
    cut: Cut,
}

impl SessionStreams {
    /// All sessions of a store. Each has 2 events or more.
    ///
    /// # Errors
    /// No session, and more windows than an index can name.
    pub(super) fn new(
        name: &str,
        catalogue: &Catalogue,
        store: Store,
        window: usize,
        evaluation_window: usize,
    ) -> Result<SessionStreams> {
        let steps = 0..first_step(&store, store.len());
        let cut = Cut::new(name, steps, window, evaluation_window)?;
        let (name, schema, store) = (name.to_owned(), schema(catalogue), Arc::new(store));
        Ok(SessionStreams { name, schema, store, cut })
    }

    /// The session that a step is of.
    fn session(&self, step: u64) -> usize {
        // The first one that begins later, less one. A session has a step or more, so that none begins where another does.
        let (mut low, mut high) = (0, self.store.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match first_step(&self.store, middle) <= step {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low.saturating_sub(1)
    }

    /// Appends the steps in a range: what is read, what is predicted, and where a session begins.
    fn push(
        &self,
        steps: Range<u64>,
        input: &mut Vec<u32>,
        target: &mut Vec<u32>,
        resets: &mut Vec<u8>,
    ) -> Result<()> {
        let mut session = self.session(steps.start);
        // Every session before this one has one event more than steps.
        let first = steps.start + session as u64;
        let last = steps.end - 1 + self.session(steps.end - 1) as u64;
        let events = self.store.read(first..last + 2)?;
        let mut event = first;
        for _ in steps {
            if event + 1 == self.store.start(session + 1) {
                // The last event of a session predicts nothing.
                (event, session) = (event + 1, session + 1);
            }
            let at = (event - first) as usize;
            input.push(events[at]);
            target.push(events[at + 1]);
            resets.push(u8::from(event == self.store.start(session)));
            event += 1;
        }
        Ok(())
    }
}

/// How many steps the sessions before this one have.
fn first_step(store: &Store, session: usize) -> u64 {
    store.start(session) - session as u64
}

impl Samples for SessionStreams {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.cut.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The session of the first step, and which event it reads.
    fn title(&self, index: u32) -> String {
        let step = self.cut.range(index).start;
        let session = self.session(step);
        let event = step.saturating_sub(first_step(&self.store, session)) + 1;
        match self.store.title(session) {
            Some(title) if event == 1 => title,
            Some(title) => format!("{title}, from event {event}"),
            None => index.to_string(),
        }
    }

    /// All windows are of one sequence.
    fn group(&self, _: u32) -> u32 {
        0
    }

    fn windows(&self) -> Option<&dyn Windows> {
        Some(self)
    }

    /// The last sessions, of `count` windows or a little more, as a part of whole sessions.
    fn hold_out(&self, count: usize, _: u64) -> Result<Option<Divided>> {
        let Range { start, end } = self.cut.steps();
        let too_many = || Error::HeldOut { held_out: count, count: self.len() };
        let held_out = (count as u64).saturating_mul(self.cut.window() as u64);
        let step = end.checked_sub(held_out).filter(|&step| step > start && step < end);
        let first = self.session(step.ok_or_else(too_many)?);
        // Of sessions that are cut, what is left is for training only.
        let last = self.session(end - 1);
        let is_whole = first_step(&self.store, last + 1) == end;
        let sessions = first..if is_whole { last + 1 } else { last };
        let left = first_step(&self.store, first);
        if left <= start || sessions.is_empty() {
            return Err(too_many());
        }
        let train = Windows::cut(self, 0..left - start, self.cut.window())?;
        let (name, schema) = (&self.name, self.schema.clone());
        let valid = Sessions::new(
            name,
            schema,
            self.store.clone(),
            sessions,
            self.cut.evaluation_window(),
            Targets::Steps,
        )?;
        Ok(Some((train, Arc::new(valid))))
    }

    fn batch(&self, indices: &[u32], device: &Device) -> Result<Batch> {
        check_indices(indices, self.len())?;
        let ranges: Vec<Range<u64>> = indices.iter().map(|&index| self.cut.range(index)).collect();
        let lengths: Vec<usize> =
            ranges.iter().map(|range| (range.end - range.start) as usize).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let (mut input, mut target, mut resets) = (Vec::new(), Vec::new(), Vec::new());
        for (row, range) in (1..).zip(ranges) {
            self.push(range, &mut input, &mut target, &mut resets)?;
            input.resize(row * steps, 0);
            target.resize(row * steps, 0);
            resets.resize(row * steps, 0);
        }
        let shape = (indices.len(), steps);
        let is_full = lengths.iter().all(|&length| length == steps);
        let padded = |items: Vec<u32>| -> Result<Padded> {
            let tensor = Tensor::from_vec(items, shape, device)?;
            Ok(if is_full { tensor.into() } else { Padded::with_lengths(tensor, lengths.clone())? })
        };
        let resets = Tensor::from_vec(resets, shape, device)?;
        Ok(Batch::new(padded(input)?, padded(target)?).with_resets(resets)?)
    }

    /// The events were hashed while they were read.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut content = Fingerprinter::new();
        add_items(&self.schema, &mut content);
        self.store.fingerprint(&mut content);
        self.cut.fingerprint(&mut content);
        Ok(content.finish())
    }
}

impl Windows for SessionStreams {
    fn steps(&self) -> u64 {
        self.cut.count()
    }

    fn window(&self) -> usize {
        self.cut.window()
    }

    fn evaluation_window(&self) -> usize {
        self.cut.evaluation_window()
    }

    fn cut(&self, range: Range<u64>, window: usize) -> Result<Arc<dyn Samples>> {
        let cut = self.cut.part(&self.name, range, window)?;
        Ok(Arc::new(SessionStreams { cut, ..self.clone() }))
    }
}
