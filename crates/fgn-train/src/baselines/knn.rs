//! The nearest sessions: S-KNN and V-SKNN.
//!
//! Sessions of the past that have items in common with the current one are found by an inverted index, from the most
//! recent on; no session is compared with all others.

use std::cmp::Ordering;
use std::sync::Arc;

use fgn_schema::IGNORED;

use super::baseline::Baseline;
use super::histories::Histories;

/// The most recent sessions among which neighbours are sought.
const SAMPLE: usize = 1000;
/// Neighbours.
const NEIGHBOURS: usize = 100;
/// Of a longer current session the last items count.
const RECENT: usize = 100;

/// Past sessions as sets of items, the later ones the more recent.
pub(super) struct Past {
    /// The items of each session, ascending.
    sessions: Lists,
    /// The sessions of each item, ascending.
    of_item: Lists,
}

/// Many lists of numbers, one after the other.
struct Lists {
    all: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
}

impl Lists {
    /// The list of that number; empty if there is none.
    fn get(&self, index: u32) -> &[u32] {
        let index = index as usize;
        let begin = index.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        match (begin, self.ends.get(index)) {
            (Some(&begin), Some(&end)) => &self.all[begin..end],
            _ => &[],
        }
    }
}

impl Past {
    /// Of training sessions over a catalogue of so many items.
    pub(super) fn new(train: &Histories, items: usize) -> Past {
        let mut sessions = Lists { all: Vec::new(), ends: Vec::new() };
        let mut counts = vec![0usize; items];
        for session in train.sessions() {
            let targets = session.targets.iter().filter(|&&target| target != IGNORED);
            let mut set: Vec<u32> = session.items.iter().chain(targets).copied().collect();
            set.sort_unstable();
            set.dedup();
            set.iter().for_each(|&item| counts[item as usize] += 1);
            sessions.all.extend(set);
            sessions.ends.push(sessions.all.len());
        }
        // Where the next session of each item goes: first to the beginning of its list, at last to its end.
        let mut next: Vec<usize> = Vec::with_capacity(items);
        let mut begin = 0;
        for count in counts {
            next.push(begin);
            begin += count;
        }
        let mut all = vec![0; sessions.all.len()];
        for session in 0..sessions.ends.len() as u32 {
            for &item in sessions.get(session) {
                all[next[item as usize]] = session;
                next[item as usize] += 1;
            }
        }
        Past { sessions, of_item: Lists { all, ends: next } }
    }

    /// The most recent sessions that share an item with `current`, each with the sum and the maximum of the weights of
    /// the items that they share.
    fn sample(&self, current: &[(u32, f64)]) -> Vec<Candidate> {
        let mut open: Vec<(&[u32], f64)> =
            current.iter().map(|&(item, weight)| (self.of_item.get(item), weight)).collect();
        let mut found = Vec::new();
        while found.len() < SAMPLE
            && let Some(session) = open.iter().filter_map(|(list, _)| list.last().copied()).max()
        {
            let mut candidate = Candidate { session, sum: 0.0, last: 0.0 };
            for (list, weight) in &mut open {
                if let Some((&last, rest)) = list.split_last()
                    && last == session
                {
                    *list = rest;
                    candidate.sum += *weight;
                    candidate.last = candidate.last.max(*weight);
                }
            }
            found.push(candidate);
        }
        found
    }
}

/// A past session that shares items with the current one.
struct Candidate {
    session: u32,
    /// The sum of the weights of these items.
    sum: f64,
    /// The largest of their weights: that of the item that comes last in the current session.
    last: f64,
}

/// Recommends what was in the sessions that are most like the current one.
pub(super) struct SessionKnn {
    past: Arc<Past>,
    kind: Kind,
}

/// How sessions are compared.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// S-KNN (Jannach & Ludewig 2017): sessions are sets. Their similarity is the cosine between them, and the score of
    /// an item the sum of the similarities of the neighbours that contain it.
    Sets,
    /// V-SKNN (Ludewig & Jannach 2018): an item of the current session weighs the less the longer ago it was, linearly:
    /// the last one 1, the first one of `n` items `1 / n`. The similarity is the sum of the weights of the items that
    /// are shared. In the score of an item it counts times the weight of the last of these.
    Positions,
}

impl SessionKnn {
    pub(super) fn new(past: &Arc<Past>, kind: Kind) -> SessionKnn {
        SessionKnn { past: past.clone(), kind }
    }

    /// The different items of the current session with their weights, the last item first.
    fn weighted(&self, history: &[u32]) -> Vec<(u32, f64)> {
        let recent = &history[history.len().saturating_sub(RECENT)..];
        let mut items: Vec<(u32, f64)> = Vec::with_capacity(recent.len());
        for (before, &item) in recent.iter().enumerate().rev() {
            if items.iter().all(|&(known, _)| known != item) {
                let weight = match self.kind {
                    Kind::Sets => 1.0,
                    Kind::Positions => (before + 1) as f64 / recent.len() as f64,
                };
                items.push((item, weight));
            }
        }
        items
    }
}

impl Baseline for SessionKnn {
    fn name(&self) -> String {
        match self.kind {
            Kind::Sets => "S-KNN".into(),
            Kind::Positions => "V-SKNN".into(),
        }
    }

    fn scores(&self, history: &[u32], scores: &mut [f64]) {
        let current = self.weighted(history);
        let similarity = |found: &Candidate| match self.kind {
            Kind::Sets => {
                let size = self.past.sessions.get(found.session).len();
                found.sum / ((current.len() * size) as f64).sqrt()
            }
            Kind::Positions => found.sum,
        };
        let mut candidates: Vec<(f64, Candidate)> = self
            .past
            .sample(&current)
            .into_iter()
            .map(|found| (similarity(&found), found))
            .collect();
        // Of those that are as near the most recent ones.
        let nearer = |(one, first): &(f64, Candidate), (other, second): &(f64, Candidate)| {
            let by_similarity = other.partial_cmp(one).unwrap_or(Ordering::Equal);
            by_similarity.then(second.session.cmp(&first.session))
        };
        if candidates.len() > NEIGHBOURS {
            candidates.select_nth_unstable_by(NEIGHBOURS, nearer);
            candidates.truncate(NEIGHBOURS);
        }
        for (similarity, found) in candidates {
            let score = match self.kind {
                Kind::Sets => similarity,
                Kind::Positions => similarity * found.last,
            };
            for &item in self.past.sessions.get(found.session) {
                if let Some(of_item) = scores.get_mut(item as usize) {
                    *of_item += score;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{IGN, Rows, drawn};
    use super::*;

    fn past(items: usize, sessions: &[Vec<u32>]) -> Arc<Past> {
        Arc::new(Past::new(&Histories::read(&Rows::new(items, sessions)).unwrap(), items))
    }

    /// By the definitions, comparing the current session with all others.
    fn naive(sessions: &[Vec<u32>], kind: Kind, history: &[u32], items: usize) -> Vec<f64> {
        let recent = &history[history.len().saturating_sub(RECENT)..];
        let set = |items: &[u32]| items.iter().copied().collect::<BTreeSet<u32>>();
        let weight = |item: u32| match kind {
            Kind::Sets => 1.0,
            Kind::Positions => {
                let last = recent.iter().rposition(|&other| other == item).unwrap();
                (last + 1) as f64 / recent.len() as f64
            }
        };
        let current = set(recent);
        let mut near = Vec::new();
        for session in sessions.iter().rev() {
            let other = set(session);
            let mut shared: Vec<f64> =
                current.intersection(&other).map(|&item| weight(item)).collect();
            // Summed in the same order, so that what is as near is the same number.
            shared.sort_by(|one, other| other.total_cmp(one));
            if shared.is_empty() || near.len() == SAMPLE {
                continue;
            }
            let (sum, last) =
                (shared.iter().sum::<f64>(), shared.iter().copied().fold(0.0, f64::max));
            let cosine = sum / ((current.len() * other.len()) as f64).sqrt();
            near.push(match kind {
                Kind::Sets => (cosine, cosine, other),
                Kind::Positions => (sum, sum * last, other),
            });
        }
        // The sort is stable: the most recent ones are first already.
        near.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
        let mut scores = vec![0.0; items];
        for (_, score, other) in near.iter().take(NEIGHBOURS) {
            other.iter().for_each(|&item| scores[item as usize] += score);
        }
        scores
    }

    #[test]
    fn scores_are_those_of_all_comparisons() {
        for (seed, items, count) in [(1, 5, 30), (2, 40, 400), (3, 7, 1500), (4, 300, 3000)] {
            let sessions = drawn(seed, items, count);
            let past = past(items, &sessions);
            let histories = drawn(seed + 10, items, 12);
            let long: Vec<u32> = histories.iter().flatten().copied().cycle().take(150).collect();
            for history in histories.iter().chain([&long]) {
                for kind in [Kind::Sets, Kind::Positions] {
                    let mut scores = vec![0.0; items];
                    let knn = SessionKnn::new(&past, kind);
                    knn.scores(history, &mut scores);
                    let expected = naive(&sessions, kind, history, items);
                    for (item, (found, expected)) in scores.iter().zip(&expected).enumerate() {
                        let name = knn.name();
                        assert!((found - expected).abs() < 1e-9, "{name} {history:?} {item}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_items_count_more_in_v_sknn() {
        let past = past(6, &[vec![0, 4], vec![1, 5]]);
        let scores = |kind| {
            let mut scores = [0.0; 6];
            SessionKnn::new(&past, kind).scores(&[0, 1], &mut scores);
            scores
        };
        assert_eq!(scores(Kind::Positions), [0.25, 1.0, 0.0, 0.0, 0.25, 1.0]);
        assert_eq!(scores(Kind::Sets), [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn unknown_items_have_no_neighbours() {
        let rows = Rows::with_targets(4, vec![(vec![0, 1], vec![1, IGN])]);
        let past = Arc::new(Past::new(&Histories::read(&rows).unwrap(), 4));
        for history in [&[3][..], &[9], &[]] {
            let mut scores = [0.0; 4];
            SessionKnn::new(&past, Kind::Sets).scores(history, &mut scores);
            assert_eq!(scores, [0.0; 4]);
        }
        let mut scores = [0.0; 4];
        SessionKnn::new(&past, Kind::Sets).scores(&[0], &mut scores);
        let known = 0.5f64.sqrt();
        let apart = scores.iter().zip([known, known, 0.0, 0.0]).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-12, "{scores:?}");
    }
}
