//! Best-path decoding: the most probable class of each step.

use crate::logits::argmax;

/// A label that was decoded, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtcLabel {
    /// The label.
    pub label: u32,
    /// The first step of its run, counted from 0.
    pub step: usize,
}

/// Decodes step by step: a stream's logits come in, labels come out as soon as they begin.
///
/// The state is the class of the step before. A label is given where the class with the largest logit, the first of
/// several, is another one than before and not the blank (best-path decoding: Graves et al. 2006, section 3.2).
///
/// ```
/// use fgn_nn::CtcDecoder;
///
/// // The classes are "a", "b" and the blank.
/// let mut decoder = CtcDecoder::new(2);
/// let steps = [[5.0f32, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 5.0], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]];
/// let found = steps.map(|logits| decoder.push(&logits));
/// assert_eq!(found, [Some(0), None, None, Some(0), Some(1)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtcDecoder {
    blank: usize,
    /// The class of the step before.
    class: usize,
}

impl CtcDecoder {
    /// A decoder at the beginning of a sequence.
    pub fn new(blank: usize) -> Self {
        Self { blank, class: blank }
    }

    /// The label that begins at the next step, if one does. `logits` are those of all classes, at least one.
    pub fn push(&mut self, logits: &[f32]) -> Option<u32> {
        let class = argmax(logits);
        let is_new = class != self.class && class != self.blank;
        self.class = class;
        is_new.then_some(class as u32)
    }

    /// Goes back to the beginning of a sequence.
    pub fn reset(&mut self) {
        self.class = self.blank;
    }
}

/// The labels of a whole sequence, from the logits of each of its steps: what a [`CtcDecoder`] gives.
///
/// ```
/// let steps = [[5.0f32, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 5.0], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]];
/// let found = fgn_nn::ctc_greedy(&steps, 2);
/// assert_eq!(found.iter().map(|at| (at.label, at.step)).collect::<Vec<_>>(), [(0, 0), (0, 3), (1, 4)]);
/// ```
pub fn ctc_greedy(steps: &[impl AsRef<[f32]>], blank: usize) -> Vec<CtcLabel> {
    let mut decoder = CtcDecoder::new(blank);
    let labels = steps.iter().enumerate().filter_map(|(step, logits)| {
        decoder.push(logits.as_ref()).map(|label| CtcLabel { label, step })
    });
    labels.collect()
}
