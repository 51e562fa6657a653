use super::{Rows, Shape, vector_ranges};
use crate::{At, Cell, Dual, Form, Lane, Layout, Norm};

/// Added to a variance before its root is taken.
const EPSILON: f64 = 1e-5;

/// What a run does beside the cell's equations, as plainly as can be. Step `k` of a sequence is the `k`th
/// one taken.
#[derive(Clone, Debug)]
pub struct Options {
    /// Projection and normalisation.
    pub form: Form,
    /// `[B]`: the length of each sequence.
    pub lengths: Vec<usize>,
    /// Whether each sequence runs from its end to its beginning.
    pub reverse: bool,
    /// `[T, B]`: whether the states before the step read as zero.
    pub resets: Vec<bool>,
    /// `[S, T, B, H]`, steps as taken: how much of each state is the one before.
    pub kept: Vec<f64>,
    /// `[T, B, P or H]`, steps as taken: what the hidden state is multiplied by for the recurrent weights.
    pub fed: Vec<f64>,
    /// What each state is limited to, from below and from above.
    pub clip: f64,
}

impl Options {
    /// Nothing beside.
    pub fn plain<C: Cell>(shape: Shape) -> Self {
        let Shape { steps, batch, hidden, .. } = shape;
        Self {
            form: Form::new(shape.input, hidden),
            lengths: vec![steps; batch],
            reverse: false,
            resets: vec![false; steps * batch],
            kept: vec![0.0; C::SPEC.states.len() * steps * batch * hidden],
            fed: vec![1.0; steps * batch * hidden],
            clip: f64::INFINITY,
        }
    }
}

/// What normalisation and clipping need beside a lane's arithmetic.
pub trait Real: Lane {
    /// The number itself, without its derivative.
    fn value(self) -> f64;
    /// The square root.
    fn sqrt(self) -> Self;
}

impl Real for f64 {
    fn value(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

impl Real for Dual {
    fn value(self) -> f64 {
        self.value
    }

    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Self::new(root, self.slope / (2.0 * root))
    }
}

/// What [`run`] gives.
pub struct Run<L> {
    /// `[T, B, P or H]`: zero beyond a sequence's end.
    pub output: Vec<L>,
    /// `[T, B, S, H]`: the states after each step; zero beyond a sequence's end and beyond a projection.
    pub all_states: Vec<L>,
    /// `[S, B, H]`: the states after each sequence's last step; zero beyond a projection.
    pub states: Vec<L>,
    /// `[T, B, H]`: the arguments of every unit's every step; zero beyond a sequence's end.
    pub at: Vec<At<L>>,
}

/// Runs `cell` over `x: [T, B, I]` with packed `weights` (see [`Layout::of`]) from the initial `states: [S, B,
/// H]`.
///
/// # Panics
/// If a slice has another length than the shape says.
pub fn run<L: Real, C: Cell>(
    cell: C,
    shape: Shape,
    options: &Options,
    x: &[L],
    weights: &[L],
    states: &[L],
) -> Run<L> {
    let Shape { steps, batch, input, hidden } = shape;
    let Form { projection, norm, .. } = options.form;
    let (count, size) = (C::SPEC.states.len(), options.form.output());
    let layout = Layout::of(&C::SPEC, options.form);
    let tensor = |name: &str| layout.tensor(name).map_or(&[][..], |slot| &weights[slot.range()]);
    let rows = Rows::new(&C::SPEC, options.form);
    let vectors = vector_ranges(&C::SPEC, options.form);
    let mut result = Run {
        output: vec![L::zero(); steps * batch * size],
        all_states: vec![L::zero(); steps * batch * count * hidden],
        states: vec![L::zero(); states.len()],
        at: vec![At::zero(); steps * batch * hidden],
    };
    for b in 0..batch {
        // The states of this sequence, `[S, H]`.
        let mut now: Vec<L> = (0..count)
            .flat_map(|s| states[(s * batch + b) * hidden..][..hidden].iter().copied())
            .collect();
        if let Some(hidden_state) = now.get_mut(..hidden) {
            hidden_state[size..].fill(L::zero());
        }
        for k in 0..options.lengths[b] {
            let t = if options.reverse { options.lengths[b] - 1 - k } else { k };
            let place = t * batch + b;
            if options.resets[place] {
                now.fill(L::zero());
            }
            let x = &x[place * input..][..input];
            let fed = &options.fed[(k * batch + b) * size..][..size];
            let h: Vec<L> = now.iter().zip(fed).map(|(&h, &by)| h * L::splat(by)).collect();

            let mut units: Vec<At<L>> = (0..hidden).map(|_| At::zero()).collect();
            for (unit, at) in units.iter_mut().enumerate() {
                for (pre, row) in at.pre.iter_mut().zip(rows.of_unit(unit)) {
                    // A normalised block's biases are added afterwards.
                    for (place, value) in row.terms(x, &h, !norm.pre) {
                        *pre = value.mul_add(weights[place], *pre);
                    }
                }
                for (s, prev) in at.prev.iter_mut().take(count).enumerate() {
                    *prev = now[s * hidden + unit];
                }
                for (vector, range) in at.vectors.iter_mut().zip(&vectors) {
                    *vector = weights[range.start + unit];
                }
            }
            if norm.pre {
                normalise_blocks::<L, C>(&mut units, &layout, weights);
            }
            let mut taken: Vec<_> = units.iter().map(|at| cell.step(at)).collect();
            if let (Norm { memory: true, .. }, Some(memory)) = (norm, C::SPEC.memory) {
                let mut seen: Vec<L> = taken.iter().map(|step| step.next[memory]).collect();
                normalise(&mut seen);
                let (gain, bias) = (tensor("norm_memory"), tensor("norm_memory_bias"));
                for (unit, at) in units.iter_mut().enumerate() {
                    at.seen = Some(seen[unit].mul_add(gain[unit], bias[unit]));
                }
                taken = units.iter().map(|at| cell.step(at)).collect();
            }

            result.at[place * hidden..][..hidden].copy_from_slice(&units);

            let before = now.clone();
            for s in 0..count {
                let mut new: Vec<L> = taken.iter().map(|step| step.next[s]).collect();
                if let (Some(size), 0) = (projection, s) {
                    let dot = |row: &[L]| {
                        row.iter().zip(&new).fold(L::zero(), |sum, (&w, &h)| w.mul_add(h, sum))
                    };
                    new = tensor("weight_hr").chunks(hidden).map(dot).collect();
                    debug_assert_eq!(new.len(), size);
                    new.resize(hidden, L::zero());
                }
                for (unit, new) in new.into_iter().enumerate() {
                    let kept = options.kept[((s * steps + k) * batch + b) * hidden + unit];
                    let old = before[s * hidden + unit];
                    let next = L::splat(kept).mul_add(old, L::splat(1.0 - kept) * new);
                    now[s * hidden + unit] = clipped(next, options.clip);
                }
            }
            let output = &mut result.output[place * size..][..size];
            for (unit, output) in output.iter_mut().enumerate() {
                *output = if C::SPEC.output_is_state { now[unit] } else { taken[unit].output };
            }
            result.all_states[place * count * hidden..][..count * hidden].copy_from_slice(&now);
        }
        for s in 0..count {
            result.states[(s * batch + b) * hidden..][..hidden]
                .copy_from_slice(&now[s * hidden..][..hidden]);
        }
    }
    result
}

fn clipped<L: Real>(number: L, clip: f64) -> L {
    match number.value() {
        value if value >= clip => L::splat(clip),
        value if value <= -clip => L::splat(-clip),
        _ => number,
    }
}

fn normalise_blocks<L: Real, C: Cell>(units: &mut [At<L>], layout: &Layout, weights: &[L]) {
    let hidden = units.len();
    for (block, of) in C::SPEC.blocks.iter().enumerate() {
        if of.is_normalised() {
            let mut row: Vec<L> = units.iter().map(|at| at.pre[block]).collect();
            normalise(&mut row);
            units.iter_mut().zip(row).for_each(|(at, n)| at.pre[block] = n);
        }
        for name in ["norm_pre", "bias_ih", "bias_hh"] {
            let Some(slot) = layout.tensor(name) else { continue };
            let Some(place) = slot.blocks.iter().position(|&of| of == block) else { continue };
            let row = &weights[slot.offset + place * hidden..][..hidden];
            for (at, &weight) in units.iter_mut().zip(row) {
                let pre = at.pre[block];
                at.pre[block] = if name == "norm_pre" { pre * weight } else { pre + weight };
            }
        }
    }
}

fn normalise<L: Real>(row: &mut [L]) {
    let count = L::splat(row.len() as f64);
    let sum = |row: &[L]| row.iter().fold(L::zero(), |sum, &x| sum + x);
    let mean = sum(row) / count;
    row.iter_mut().for_each(|x| *x = *x - mean);
    let squares: Vec<L> = row.iter().map(|&x| x * x).collect();
    let deviation = (sum(&squares) / count + L::splat(EPSILON)).sqrt();
    row.iter_mut().for_each(|x| *x = *x / deviation);
}
