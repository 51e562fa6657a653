use super::bf16::bf16;
use super::rows::{Rows, vector_ranges};
use crate::cell::{Cell, StepInput};
use crate::dual::Dual;
use crate::lane::Lane;
use crate::layout::{LayerShape, Layout, Norm};
use crate::sequence_shape::SequenceShape;

/// Added to a variance before its root is taken.
const EPSILON: f64 = 1e-5;

/// What a run does beside the cell's equations, as plainly as can be. StepOutput `k` of a sequence is the `k`th
/// one taken.
#[derive(Clone, Debug)]
pub struct OracleOptions {
    /// Projection and normalisation.
    pub layer: LayerShape,
    /// `[B]`: the length of each sequence.
    pub lengths: Vec<usize>,
    /// Whether each sequence runs from its end to its beginning.
    pub reverse: bool,
    /// `[T, B]`: whether the states before the step read as zero.
    pub resets: Vec<bool>,
    /// `[S, T, B, H]`, in the order in which steps are taken: the share of each state that is the state before.
    pub zoneout_mix: Vec<f64>,
    /// `[T, B, P or H]`, in the order in which steps are taken: the factors on the hidden state that the recurrent
    /// weights read.
    pub dropout_mask: Vec<f64>,
    /// The limit of each state, `−clip ..= clip`.
    pub clip: f64,
    /// Whether operands of products are rounded to bf16: weight matrices, inputs, hidden states.
    pub bf16: bool,
}

impl OracleOptions {
    /// No option set.
    pub fn plain<C: Cell>(shape: SequenceShape) -> Self {
        let SequenceShape { steps, batch, hidden, .. } = shape;
        Self {
            layer: LayerShape::new(shape.input, hidden),
            lengths: vec![steps; batch],
            reverse: false,
            resets: vec![false; steps * batch],
            zoneout_mix: vec![0.0; C::SPEC.states.len() * steps * batch * hidden],
            dropout_mask: vec![1.0; steps * batch * hidden],
            clip: f64::INFINITY,
            bf16: false,
        }
    }
}

/// The operations of normalisation, clipping and rounding beside those of a [`Lane`].
pub trait Real: Lane {
    /// The number itself, without its derivative.
    fn value(self) -> f64;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The nearest bf16 number, see [`bf16`](super::bf16); its derivative is that of the number.
    fn rounded(self) -> Self;
}

impl Real for f64 {
    fn value(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn rounded(self) -> Self {
        bf16(self)
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

    fn rounded(self) -> Self {
        Self::new(bf16(self.value), self.slope)
    }
}

/// The result of [`run_with_options`].
pub struct OracleRun<L> {
    /// `[T, B, P or H]`: zero past a sequence's length.
    pub output: Vec<L>,
    /// `[T, B, S, H]`: the states after each step; zero past a sequence's length and beyond a projection.
    pub all_states: Vec<L>,
    /// `[S, B, H]`: the states after each sequence's last step; zero beyond a projection.
    pub states: Vec<L>,
    /// `[T, B, H]`: the input of every unit at every step; zero past a sequence's length.
    pub inputs: Vec<StepInput<L>>,
}

/// Runs `cell` over `x: [T, B, I]` with packed `weights` (see [`Layout::of`]) from the initial `states: [S, B,
/// H]`.
///
/// # Panics
/// If a slice has a length other than that of the shape.
pub fn run_with_options<L: Real, C: Cell>(
    cell: C,
    shape: SequenceShape,
    options: &OracleOptions,
    x: &[L],
    weights: &[L],
    states: &[L],
) -> OracleRun<L> {
    let SequenceShape { steps, batch, input, hidden } = shape;
    let LayerShape { projection, norm, .. } = options.layer;
    let (count, size) = (C::SPEC.states.len(), options.layer.output());
    let layout = Layout::of(&C::SPEC, options.layer);
    let round = |number: L| if options.bf16 { number.rounded() } else { number };
    let mut weights = weights.to_vec();
    for slot in
        ["weight_ih", "weight_hh", "weight_hr"].iter().filter_map(|name| layout.tensor(name))
    {
        weights[slot.range()].iter_mut().for_each(|weight| *weight = round(*weight));
    }
    let weights = &weights[..];
    let tensor = |name: &str| layout.tensor(name).map_or(&[][..], |slot| &weights[slot.range()]);
    let rows = Rows::new(&C::SPEC, options.layer);
    let vectors = vector_ranges(&C::SPEC, options.layer);
    let mut result = OracleRun {
        output: vec![L::zero(); steps * batch * size],
        all_states: vec![L::zero(); steps * batch * count * hidden],
        states: vec![L::zero(); states.len()],
        inputs: vec![StepInput::zero(); steps * batch * hidden],
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
            let row = t * batch + b;
            if options.resets[row] {
                now.fill(L::zero());
            }
            let x: Vec<L> = x[row * input..][..input].iter().map(|&x| round(x)).collect();
            let mask = &options.dropout_mask[(k * batch + b) * size..][..size];
            let h: Vec<L> =
                now.iter().zip(mask).map(|(&h, &factor)| round(h * L::splat(factor))).collect();

            let mut units: Vec<StepInput<L>> = (0..hidden).map(|_| StepInput::zero()).collect();
            for (unit, input) in units.iter_mut().enumerate() {
                for (pre, row) in input.pre.iter_mut().zip(rows.of_unit(unit)) {
                    // A normalised block's biases are added afterwards.
                    for (index, value) in row.terms(&x, &h, !norm.pre) {
                        *pre = value.mul_add(weights[index], *pre);
                    }
                }
                for (s, prev) in input.prev.iter_mut().take(count).enumerate() {
                    *prev = now[s * hidden + unit];
                }
                for (vector, range) in input.vectors.iter_mut().zip(&vectors) {
                    *vector = weights[range.start + unit];
                }
            }
            if norm.pre {
                normalise_blocks::<L, C>(&mut units, &layout, weights);
            }
            let mut taken: Vec<_> = units.iter().map(|input| cell.step(input)).collect();
            if let (Norm { memory: true, .. }, Some(memory)) = (norm, C::SPEC.memory) {
                let mut memories: Vec<L> = taken.iter().map(|step| step.next[memory]).collect();
                normalise(&mut memories);
                let (gain, bias) = (tensor("norm_memory"), tensor("norm_memory_bias"));
                for (unit, input) in units.iter_mut().enumerate() {
                    input.normalized_memory = Some(memories[unit].mul_add(gain[unit], bias[unit]));
                }
                taken = units.iter().map(|input| cell.step(input)).collect();
            }

            result.inputs[row * hidden..][..hidden].copy_from_slice(&units);

            let before = now.clone();
            for s in 0..count {
                let mut new: Vec<L> = taken.iter().map(|step| step.next[s]).collect();
                if let (Some(size), 0) = (projection, s) {
                    let dot = |row: &[L]| {
                        row.iter()
                            .zip(&new)
                            .fold(L::zero(), |sum, (&w, &h)| w.mul_add(round(h), sum))
                    };
                    new = tensor("weight_hr").chunks(hidden).map(dot).collect();
                    debug_assert_eq!(new.len(), size);
                    new.resize(hidden, L::zero());
                }
                for (unit, new) in new.into_iter().enumerate() {
                    let zoneout_mix =
                        options.zoneout_mix[((s * steps + k) * batch + b) * hidden + unit];
                    let old = before[s * hidden + unit];
                    let next =
                        L::splat(zoneout_mix).mul_add(old, L::splat(1.0 - zoneout_mix) * new);
                    now[s * hidden + unit] = clipped(next, options.clip);
                }
            }
            let output = &mut result.output[row * size..][..size];
            for (unit, output) in output.iter_mut().enumerate() {
                *output = if C::SPEC.output_is_state { now[unit] } else { taken[unit].output };
            }
            result.all_states[row * count * hidden..][..count * hidden].copy_from_slice(&now);
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

fn normalise_blocks<L: Real, C: Cell>(units: &mut [StepInput<L>], layout: &Layout, weights: &[L]) {
    let hidden = units.len();
    for (block, of) in C::SPEC.blocks.iter().enumerate() {
        if of.is_normalized() {
            let mut row: Vec<L> = units.iter().map(|input| input.pre[block]).collect();
            normalise(&mut row);
            units.iter_mut().zip(row).for_each(|(input, n)| input.pre[block] = n);
        }
        for name in ["norm_pre", "bias_ih", "bias_hh"] {
            let Some(slot) = layout.tensor(name) else { continue };
            let Some(index) = slot.blocks.iter().position(|&of| of == block) else { continue };
            let row = &weights[slot.offset + index * hidden..][..hidden];
            for (input, &weight) in units.iter_mut().zip(row) {
                let pre = input.pre[block];
                input.pre[block] = if name == "norm_pre" { pre * weight } else { pre + weight };
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
    let std = (sum(&squares) / count + L::splat(EPSILON)).sqrt();
    row.iter_mut().for_each(|x| *x = *x / std);
}
