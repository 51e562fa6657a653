//! Which part of a log is for training, for validation and for the test; and the catalogue, which follows from the
//! training part.

use std::cmp::Reverse;
use std::ops::Range;

use fgn_schema::Catalogue;

use super::items::{UNKNOWN, Unknown};
use super::log::{Log, count};
use super::options::{SessionOptions, SessionSplit};
use super::store::{Store, StoreWriter};
use crate::dataset::TestSplit;
use crate::error::{Error, Result};

/// How a log is divided.
#[derive(Debug)]
pub(super) enum Division {
    /// All is for training.
    Whole,
    /// The sessions from this one on are the test part.
    From(usize),
    /// These sessions are the test part, ascending.
    Drawn(Vec<u32>),
    /// The last event of each session is to be predicted in the test, the one before it in the validation. So many
    /// events are read at most.
    LeaveOneOut(usize),
}

/// The parts of a log. Their items are those of the catalogue.
pub(super) struct Parts {
    pub(super) catalogue: Catalogue,
    pub(super) train: Store,
    pub(super) valid: Option<Store>,
    pub(super) test: Option<Store>,
}

impl Division {
    /// As the options say, for so many sessions.
    ///
    /// # Errors
    /// Those of a [`TestSplit`].
    pub(super) fn new(
        options: &SessionOptions,
        split: TestSplit,
        sessions: usize,
    ) -> Result<Division> {
        Ok(match options.split {
            SessionSplit::Time => Division::From(sessions - split.held_out(sessions)?),
            SessionSplit::Sessions => Division::Drawn(split.draw(sessions)?.1),
            SessionSplit::LeaveOneOut => Division::LeaveOneOut(options.max_length),
        })
    }

    /// Which of a session's `count` events are of the training, validation and test part.
    fn ranges(&self, session: usize, count: usize) -> [Range<usize>; 3] {
        let is_test = match self {
            Division::Whole => false,
            Division::From(first) => session >= *first,
            Division::Drawn(drawn) => drawn.binary_search(&(session as u32)).is_ok(),
            Division::LeaveOneOut(_) if count < 3 => false,
            Division::LeaveOneOut(most) => {
                let until = |end: usize| end.saturating_sub(most + 1)..end;
                return [0..count - 2, until(count - 1), until(count)];
            }
        };
        if is_test { [0..0, 0..0, 0..count] } else { [0..count, 0..0, 0..0] }
    }
}

/// Divides a log.
///
/// # Errors
/// A part without sessions, and [`Error::Spill`].
pub(super) fn divide(log: Log, division: &Division) -> Result<Parts> {
    let (catalogue, indices) = catalogue(&log, division)?;
    let mut writers =
        [(); 3].map(|()| StoreWriter::new(log.store.memory().clone(), catalogue.len()));
    let mut unknown = Unknown::default();
    let mut known = Vec::new();
    log.store.each(|session, number, items| {
        let ranges = division.ranges(session, items.len());
        for (writer, range) in writers.iter_mut().zip(ranges) {
            known.clear();
            for &item in &items[range] {
                match indices[item as usize] {
                    UNKNOWN => unknown.add(&log.items[item as usize]),
                    index => known.push(index),
                }
            }
            // One event is to be read and one to be predicted.
            if known.len() >= 2 {
                writer.push(number, &known)?;
            }
        }
        Ok(())
    })?;
    unknown.warn(&log.name, "the training part");
    let lacks = |part: &str, expected: &str| Error::Table {
        at: log.name.clone(),
        found: format!("no session to {part}"),
        expected: expected.to_owned(),
    };
    let [train, valid, test] = writers.map(|writer| writer.finish(log.store.names().clone()));
    let train = Some(train?).filter(|train| train.len() > 0);
    let train = train.ok_or_else(|| lacks("train on", "sessions of 2 or more events"))?;
    let of_events = |part: Store| Some(part).filter(|part| part.len() > 0);
    let (valid, test) = (of_events(valid?), of_events(test?));
    if test.is_none() && !matches!(division, Division::Whole) {
        let expected = match division {
            Division::LeaveOneOut(_) => "sessions of 3 or more events",
            _ => "sessions of 2 or more events of items that the training part has",
        };
        return Err(lacks("test with", expected));
    }
    Ok(Parts { catalogue, train, valid, test })
}

/// The catalogue of the training part, and the index in it of each item of the log: the most frequent first, of equal
/// counts the one that appears first. Where every session has a part in training, it has all items of the log.
fn catalogue(log: &Log, division: &Division) -> Result<(Catalogue, Vec<u32>)> {
    let (mut counts, mut trained) = (vec![0; log.items.len()], vec![0; log.items.len()]);
    log.store.each(|session, _, items| {
        let [train, ..] = division.ranges(session, items.len());
        count(&mut counts, items);
        count(&mut trained, &items[train]);
        Ok(())
    })?;
    let has_all = matches!(division, Division::LeaveOneOut(_));
    let is_known = |&item: &usize| if has_all { counts[item] > 0 } else { trained[item] > 0 };
    let mut order: Vec<usize> = (0..log.items.len()).filter(is_known).collect();
    order.sort_by_key(|&item| Reverse(trained[item]));
    let mut indices = vec![UNKNOWN; log.items.len()];
    for (index, &item) in (0..).zip(&order) {
        indices[item] = index;
    }
    let names = order.iter().map(|&item| log.items[item].clone()).collect();
    let counts = order.iter().map(|&item| trained[item]).collect();
    Ok((Catalogue::new(names, counts)?, indices))
}
