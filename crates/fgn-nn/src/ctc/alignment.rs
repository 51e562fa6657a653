//! The forward-backward algorithm over the alignments of one sample (Graves et al. 2006, sections 3.2 and 4.1).
//!
//! The labels `l_1 … l_L` of the target stand between blanks, so an alignment is a path through `2 L + 1` states:
//! blank 0, label 0, blank 1, and so on to blank `L`. Blanks and labels are in lists of their own here, so that each
//! step is two loops without branches.

use super::wide::Wide;

/// A number of a tensor.
pub(super) trait Number: candle_core::WithDType {
    fn wide(self) -> f64;
    fn narrow(x: f64) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn narrow(x: f64) -> f32 {
        x as f32
    }
}

impl Number for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn narrow(x: f64) -> f64 {
        x
    }
}

/// The logits of one sample and its target, checked: each label is less than `classes` and none is the blank.
pub(super) struct Sample<'a, T> {
    /// The logits of step `t` begin at `t · stride`; there are `classes`.
    pub(super) logits: &'a [T],
    pub(super) stride: usize,
    pub(super) classes: usize,
    /// How many steps there are.
    pub(super) steps: usize,
    pub(super) labels: &'a [u32],
    pub(super) blank: usize,
}

impl<T: Number> Sample<'_, T> {
    fn row(&self, step: usize) -> &[T] {
        &self.logits[step * self.stride..][..self.classes]
    }
}

/// What is computed with; its memory serves one sample after the other.
#[derive(Default)]
pub(super) struct Workspace {
    /// The softmax of each step, `[T, V]`.
    probabilities: Vec<f64>,
    /// The probabilities of the blank and of each label of the target at each step, `[T, 1 + L]`.
    emissions: Vec<Wide>,
    /// The forward variables, `[T, 2 L + 3]`: see [`Row`].
    alpha: Vec<Wide>,
    /// The backward variables of one step, without and with its emission.
    beta: [Vec<Wide>; 2],
    /// For each label, [`Wide::ONE`] if a path may come from the label before without a blank between, else
    /// [`Wide::ZERO`]. There is one more at the end.
    skips: Vec<Wide>,
    /// The powers of one step's logits, `[V]`.
    powers: Vec<Wide>,
    /// The logits of one step, `[V]`.
    logits: Vec<f64>,
    /// The expected number of times that each class is emitted at one step, `[V]`.
    occupancy: Vec<f64>,
    /// The probability of each state of one step.
    posterior: Vec<f64>,
}

/// The states of one step: `blanks` has `L + 1`; `labels` has `L`, with a [`Wide::ZERO`] before and after them.
#[derive(Clone, Copy)]
struct Row<'a> {
    blanks: &'a [Wide],
    labels: &'a [Wide],
}

impl<'a> Row<'a> {
    fn new(states: &'a [Wide], labels: usize) -> Row<'a> {
        let (blanks, labels) = states.split_at(labels + 1);
        Row { blanks, labels }
    }
}

/// How many numbers a [`Row`] has.
fn width(labels: usize) -> usize {
    2 * labels + 3
}

impl Workspace {
    /// The negative log-likelihood of the target, and its gradient with respect to the logits where one is asked for:
    /// `[T, V]`, the steps without a gap.
    ///
    /// The loss is infinite where no alignment has a probability above zero, and NaN where the softmax of a step is.
    /// No gradient is written then.
    pub(super) fn run<T: Number>(
        &mut self,
        sample: &Sample<'_, T>,
        gradient: Option<&mut [T]>,
    ) -> f64 {
        if sample.steps == 0 {
            return if sample.labels.is_empty() { 0.0 } else { f64::INFINITY };
        }
        if !self.emit(sample) {
            return f64::NAN;
        }
        self.forward(sample);
        let labels = sample.labels.len();
        let last = &self.alpha[(sample.steps - 1) * width(labels)..];
        let last = Row::new(last, labels);
        // Before the first label there is a zero, so this is right for an empty target, too.
        let likelihood = last.blanks[labels].plus(last.labels[labels]);
        let loss = -likelihood.ln();
        if let Some(gradient) = gradient.filter(|_| loss.is_finite()) {
            self.backward(sample, likelihood, gradient);
        }
        // A likelihood of 1 is no negative zero.
        loss + 0.0
    }

    /// The softmax of each step. Returns whether all are finite.
    fn emit<T: Number>(&mut self, sample: &Sample<'_, T>) -> bool {
        let Sample { classes, steps, labels, blank, .. } = *sample;
        self.probabilities.resize(steps * classes, 0.0);
        self.emissions.resize(steps * (1 + labels.len()), Wide::ZERO);
        self.powers.resize(classes, Wide::ZERO);
        self.logits.resize(classes, 0.0);
        let rows = self.probabilities.chunks_exact_mut(classes);
        let emissions = self.emissions.chunks_exact_mut(1 + labels.len());
        for (step, (probabilities, emissions)) in rows.zip(emissions).enumerate().take(steps) {
            for (wide, logit) in self.logits.iter_mut().zip(sample.row(step)) {
                *wide = logit.wide();
            }
            let sum = softmax(&self.logits, &mut self.powers, probabilities);
            if !sum.is_finite() {
                return false;
            }
            let factor = 1.0 / sum;
            probabilities.iter_mut().for_each(|probability| *probability *= factor);
            emissions[0] = self.powers[blank].times(factor);
            for (emission, &label) in emissions[1..].iter_mut().zip(labels) {
                *emission = self.powers[label as usize].times(factor);
            }
        }
        true
    }

    /// The forward variables of all steps: `α_t(s)` is the probability of all paths from the beginning to state `s` at
    /// step `t`.
    fn forward<T: Number>(&mut self, sample: &Sample<'_, T>) {
        let labels = sample.labels.len();
        let (width, emitted) = (width(labels), 1 + labels);
        self.skips.clear();
        self.skips.push(Wide::ZERO);
        let differ = |pair: &[u32]| if pair[0] == pair[1] { Wide::ZERO } else { Wide::ONE };
        self.skips.extend(sample.labels.windows(2).map(differ));
        self.skips.resize(emitted, Wide::ZERO);
        self.alpha.resize(sample.steps * width, Wide::ZERO);
        let mut rows = self.alpha.chunks_exact_mut(width).take(sample.steps);
        let mut emissions = self.emissions.chunks_exact(emitted);
        let Some(mut row) = rows.next() else { return };
        row.fill(Wide::ZERO);
        row[0] = Wide::ONE;
        if labels > 0 {
            row[emitted + 1] = Wide::ONE;
        }
        loop {
            if let Some(emission) = emissions.next() {
                multiply(row, emission);
            }
            let before = row;
            match rows.next() {
                Some(next) => row = next,
                None => return,
            }
            transition(Row::new(before, labels), row, &self.skips, 0);
        }
    }

    /// The backward variables, step by step from the end, and with them the gradient: `β_t(s)` is the probability of
    /// all paths after step `t` from state `s` to the end, so `α_t(s) β_t(s)` is that of all paths through the state.
    fn backward<T: Number>(
        &mut self,
        sample: &Sample<'_, T>,
        likelihood: Wide,
        gradient: &mut [T],
    ) {
        let Sample { classes, steps, labels, blank, .. } = *sample;
        let (width, emitted) = (width(labels.len()), 1 + labels.len());
        let [beta, emitting] = &mut self.beta;
        beta.clear();
        beta.resize(width, Wide::ZERO);
        emitting.clear();
        emitting.resize(width, Wide::ZERO);
        self.posterior.resize(width, 0.0);
        self.occupancy.clear();
        self.occupancy.resize(classes, 0.0);
        beta[labels.len()] = Wide::ONE;
        if !labels.is_empty() {
            beta[emitted + labels.len()] = Wide::ONE;
        }
        for step in (0..steps).rev() {
            let alpha = &self.alpha[step * width..][..width];
            posterior(alpha, beta, likelihood, &mut self.posterior);
            self.occupancy[blank] =
                reduce(&self.posterior[..emitted], 0.0, |one, other| one + other);
            labels.iter().for_each(|&label| self.occupancy[label as usize] = 0.0);
            for (&label, posterior) in labels.iter().zip(&self.posterior[emitted + 1..]) {
                self.occupancy[label as usize] += posterior;
            }
            let probabilities = &self.probabilities[step * classes..][..classes];
            let gradient = &mut gradient[step * classes..][..classes];
            for ((gradient, probability), occupancy) in
                gradient.iter_mut().zip(probabilities).zip(&self.occupancy)
            {
                *gradient = T::narrow(probability - occupancy);
            }
            if step > 0 {
                emitting.copy_from_slice(beta);
                multiply(emitting, &self.emissions[step * emitted..][..emitted]);
                transition(Row::new(emitting, labels.len()), beta, &self.skips, 1);
            }
        }
    }
}

/// The powers `e^(x − max)` of logits, as wide and as ordinary numbers, and their sum; NaN if a logit is NaN or +∞, or
/// all are −∞.
fn softmax(logits: &[f64], powers: &mut [Wide], narrow: &mut [f64]) -> f64 {
    let largest =
        reduce(logits, f64::NEG_INFINITY, |one, other| if other > one { other } else { one });
    for ((power, narrow), logit) in powers.iter_mut().zip(&mut *narrow).zip(logits) {
        *power = Wide::exp(logit - largest);
        *narrow = power.narrow();
    }
    reduce(narrow, 0.0, |one, other| one + other)
}

/// Combines all values, in four lanes that do not wait for each other.
#[inline(always)]
fn reduce(values: &[f64], start: f64, combine: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [start; 4];
    let chunks = values.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, value);
    }
    combine(combine(lanes[0], lanes[1]), combine(lanes[2], lanes[3]))
}

/// Multiplies the states of a row with the emissions of its step: the blank's, then one for each label.
fn multiply(row: &mut [Wide], emission: &[Wide]) {
    let Some((&blank, emission)) = emission.split_first() else { return };
    let (blanks, labels) = row.split_at_mut(emission.len() + 1);
    for state in blanks {
        *state = state.product(blank);
    }
    // The first is the zero before the labels.
    for (state, &emission) in labels[1..].iter_mut().zip(emission) {
        *state = state.product(emission);
    }
}

/// For each state the sum over the states that lead to it, for `offset` 0; over those that it leads to, for 1.
fn transition(from: Row<'_>, to: &mut [Wide], skips: &[Wide], offset: usize) {
    let count = from.blanks.len() - 1;
    let (blanks, labels) = to.split_at_mut(count + 1);
    sum_blanks(blanks, from.blanks, &from.labels[offset..]);
    // The label itself, the blank beside it, and the label beyond that.
    let neighbours = [&from.blanks[offset..], &from.labels[2 * offset..]];
    sum_labels(&mut labels[1..=count], &from.labels[1..=count], neighbours, &skips[offset..]);
    labels[0] = Wide::ZERO;
    labels[count + 1] = Wide::ZERO;
}

#[inline(never)]
fn sum_blanks(to: &mut [Wide], same: &[Wide], labels: &[Wide]) {
    for ((to, same), label) in to.iter_mut().zip(same).zip(labels) {
        *to = same.plus(*label);
    }
}

#[inline(never)]
fn sum_labels(to: &mut [Wide], same: &[Wide], [blanks, labels]: [&[Wide]; 2], skips: &[Wide]) {
    for ((((to, same), blank), label), skip) in
        to.iter_mut().zip(same).zip(blanks).zip(labels).zip(skips)
    {
        let skipped = Wide { exponent: label.exponent + skip.exponent, ..*label };
        *to = same.plus_both(*blank, skipped);
    }
}

/// The probability of each state, given the target.
fn posterior(alpha: &[Wide], beta: &[Wide], likelihood: Wide, found: &mut [f64]) {
    let factor = 1.0 / likelihood.mantissa;
    for ((found, alpha), beta) in found.iter_mut().zip(alpha).zip(beta) {
        let exponent = alpha.exponent + beta.exponent - likelihood.exponent;
        *found = Wide { mantissa: alpha.mantissa * beta.mantissa * factor, exponent }.narrow();
    }
}
