//! The beginnings of label sequences that a beam search goes on with.
//!
//! They are nodes of a tree, so that each sequence is one node, however often the search drops it and finds it again.

use std::cmp::Ordering;

use super::decode::CtcLabel;
use super::ngram::NGram;

/// A sequence of labels that a beam search has found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CtcHypothesis {
    /// The labels. The step of each is the first of its run in the most probable alignment that the search has seen.
    pub labels: Vec<CtcLabel>,
    /// The logarithm of the sum of the probabilities of its alignments, without a language model.
    pub log_probability: f64,
    /// What hypotheses are compared by.
    pub score: f64,
}

/// What is added to the logarithm of a sequence's probability.
#[derive(Clone, Copy)]
pub(super) struct Scoring<'a> {
    pub(super) model: Option<&'a NGram>,
    pub(super) weight: f64,
    pub(super) length_bonus: f64,
}

/// The best beginnings after some steps.
pub(super) struct Prefixes<'a> {
    width: usize,
    blank: u32,
    scoring: Scoring<'a>,
    nodes: Vec<Node>,
    beam: Vec<Prefix>,
    /// The steps of labels: each entry is a step, and the entry of the label before. The first one stands for none.
    times: Vec<(usize, usize)>,
}

/// A sequence of labels: that of its parent and one more.
struct Node {
    parent: usize,
    label: u32,
    length: usize,
    children: Vec<usize>,
    /// Its index in the beam.
    slot: Option<usize>,
    /// The weighted log-probability by the language model, and the bonus for the length.
    bonus: f64,
    /// The language model's logarithms of what may follow, once they are needed.
    following: Vec<f64>,
}

/// The alignments of a sequence up to some step.
#[derive(Clone, Copy)]
struct Prefix {
    node: usize,
    /// Those that end with a blank.
    blank: Paths,
    /// Those that end with the last label.
    label: Paths,
}

/// Some alignments, by the logarithms of their probabilities.
#[derive(Clone, Copy)]
struct Paths {
    sum: f64,
    /// The most probable one, and the steps of its labels.
    best: f64,
    times: usize,
}

/// A sequence that is not in the beam: that of a prefix and one more label.
#[derive(Clone, Copy)]
struct Extension {
    node: usize,
    label: u32,
    paths: Paths,
}

impl Paths {
    const NONE: Paths = Paths { sum: f64::NEG_INFINITY, best: f64::NEG_INFINITY, times: 0 };

    /// The same with one more step of that log-probability.
    fn then(self, logarithm: f64) -> Paths {
        Paths { sum: self.sum + logarithm, best: self.best + logarithm, ..self }
    }

    fn plus(self, other: Paths) -> Paths {
        let (larger, smaller) =
            if self.sum > other.sum { (self.sum, other.sum) } else { (other.sum, self.sum) };
        let sum = match larger == f64::NEG_INFINITY {
            true => larger,
            false => larger + (smaller - larger).exp().ln_1p(),
        };
        let first = if self.best >= other.best { self } else { other };
        Paths { sum, ..first }
    }
}

impl<'a> Prefixes<'a> {
    /// The empty sequence.
    pub(super) fn new(width: usize, blank: u32, scoring: Scoring<'a>) -> Self {
        let root = Node {
            parent: 0,
            label: blank,
            length: 0,
            children: Vec::new(),
            slot: Some(0),
            bonus: 0.0,
            following: Vec::new(),
        };
        let certain = Paths { sum: 0.0, best: 0.0, times: 0 };
        let empty = Prefix { node: 0, blank: certain, label: Paths::NONE };
        Self { width, blank, scoring, nodes: vec![root], beam: vec![empty], times: vec![(0, 0)] }
    }

    /// Goes on by a step with the log-probabilities of all classes.
    pub(super) fn extend(&mut self, step: usize, logarithms: &[f64]) {
        let mut stay: Vec<Prefix> = Vec::with_capacity(self.beam.len());
        for prefix in &self.beam {
            let (node, label) = (prefix.node, self.nodes[prefix.node].label);
            let blank = prefix.blank.plus(prefix.label).then(logarithms[self.blank as usize]);
            // The root has no alignment that ends with a label.
            let label = prefix.label.then(logarithms[label as usize]);
            stay.push(Prefix { node, blank, label });
        }
        let mut extensions = Vec::new();
        for prefix in self.beam.clone() {
            for (label, &logarithm) in (0..).zip(logarithms) {
                if label == self.blank {
                    continue;
                }
                // The same label again is a new one only after a blank.
                let paths = match label == self.nodes[prefix.node].label {
                    true => prefix.blank,
                    false => prefix.blank.plus(prefix.label),
                }
                .then(logarithm);
                if paths.sum == f64::NEG_INFINITY {
                    continue;
                }
                match self.child(prefix.node, label).and_then(|child| self.nodes[child].slot) {
                    Some(slot) => {
                        let paths = self.at(step, paths);
                        stay[slot].label = stay[slot].label.plus(paths);
                    }
                    None => extensions.push(Extension { node: prefix.node, label, paths }),
                }
            }
        }
        self.choose(step, stay, extensions);
    }

    /// The best of those that stay as they are and those that are extended.
    fn choose(&mut self, step: usize, stay: Vec<Prefix>, extensions: Vec<Extension>) {
        let mut ranked: Vec<(f64, usize)> = Vec::with_capacity(stay.len() + extensions.len());
        for (index, prefix) in stay.iter().enumerate() {
            let score = prefix.blank.plus(prefix.label).sum + self.nodes[prefix.node].bonus;
            ranked.push((score, index));
        }
        for (index, extension) in (stay.len()..).zip(&extensions) {
            let score = extension.paths.sum + self.bonus(extension.node, extension.label);
            ranked.push((score, index));
        }
        if self.width < ranked.len() {
            ranked.select_nth_unstable_by(self.width - 1, order);
            ranked.truncate(self.width);
        }
        for prefix in &self.beam {
            self.nodes[prefix.node].slot = None;
        }
        self.beam.clear();
        for (_, index) in ranked {
            let prefix = match index.checked_sub(stay.len()) {
                None => stay[index],
                Some(index) => {
                    let Extension { node, label, paths } = extensions[index];
                    let (node, label) = (self.child_or_new(node, label), self.at(step, paths));
                    Prefix { node, blank: Paths::NONE, label }
                }
            };
            self.nodes[prefix.node].slot = Some(self.beam.len());
            self.beam.push(prefix);
        }
    }

    /// The sequences as a whole, the best first.
    pub(super) fn finish(mut self) -> Vec<CtcHypothesis> {
        let mut ranked = Vec::with_capacity(self.beam.len());
        for (index, prefix) in self.beam.clone().iter().enumerate() {
            let end = match self.scoring.model {
                Some(_) => self.scoring.weight * self.following(prefix.node, self.blank),
                None => 0.0,
            };
            let sum = prefix.blank.plus(prefix.label).sum;
            ranked.push((sum + self.nodes[prefix.node].bonus + end, index));
        }
        ranked.sort_unstable_by(order);
        let hypothesis = |(score, index): (f64, usize)| {
            let prefix = self.beam[index];
            let paths = prefix.blank.plus(prefix.label);
            let labels = self.labels(prefix.node, paths.times);
            CtcHypothesis { labels, log_probability: paths.sum, score }
        };
        ranked.into_iter().map(hypothesis).collect()
    }

    /// The alignments, of which the last label begins at that step.
    fn at(&mut self, step: usize, paths: Paths) -> Paths {
        self.times.push((step, paths.times));
        Paths { times: self.times.len() - 1, ..paths }
    }

    fn child(&self, node: usize, label: u32) -> Option<usize> {
        let mut children = self.nodes[node].children.iter().copied();
        children.find(|&child| self.nodes[child].label == label)
    }

    fn child_or_new(&mut self, parent: usize, label: u32) -> usize {
        if let Some(child) = self.child(parent, label) {
            return child;
        }
        let (child, bonus) = (self.nodes.len(), self.bonus(parent, label));
        let length = self.nodes[parent].length + 1;
        self.nodes[parent].children.push(child);
        let (children, following) = (Vec::new(), Vec::new());
        self.nodes.push(Node { parent, label, length, children, slot: None, bonus, following });
        child
    }

    /// The bonus of a node's sequence with one more label.
    fn bonus(&mut self, node: usize, label: u32) -> f64 {
        let model = match self.scoring.model {
            Some(_) => self.scoring.weight * self.following(node, label),
            None => 0.0,
        };
        self.nodes[node].bonus + model + self.scoring.length_bonus
    }

    /// The language model's log-probability of a label after a node's sequence.
    fn following(&mut self, node: usize, label: u32) -> f64 {
        let Some(model) = self.scoring.model else { return 0.0 };
        if self.nodes[node].following.is_empty() {
            let history: Vec<u32> = self.path(node);
            let all = 0..model.vocabulary() as u32;
            let logarithms = all.map(|token| model.probability(&history, token).ln());
            self.nodes[node].following = logarithms.collect();
        }
        self.nodes[node].following[label as usize]
    }

    /// The labels of a node's sequence.
    fn path(&self, mut node: usize) -> Vec<u32> {
        let mut labels = Vec::with_capacity(self.nodes[node].length);
        while node > 0 {
            labels.push(self.nodes[node].label);
            node = self.nodes[node].parent;
        }
        labels.reverse();
        labels
    }

    /// The labels of a node's sequence with their steps.
    fn labels(&self, node: usize, mut times: usize) -> Vec<CtcLabel> {
        let labels = self.path(node).into_iter().map(|label| CtcLabel { label, step: 0 });
        let mut labels: Vec<CtcLabel> = labels.collect();
        for label in labels.iter_mut().rev() {
            (label.step, times) = self.times[times];
        }
        labels
    }
}

/// The higher score first, of equals that with the lower index.
fn order((score, index): &(f64, usize), (other_score, other): &(f64, usize)) -> Ordering {
    other_score.total_cmp(score).then(index.cmp(other))
}
