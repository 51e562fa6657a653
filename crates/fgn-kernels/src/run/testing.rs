//! Runs with every option on random numbers, for the tests of all backends.

use fgn_core::{Cell, LayerShape, Layout, Norm, SequenceShape, oracle};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::run::options::{Emit, HiddenDropout};
use crate::run::plan::Plan;
use crate::run::rules::Rules;
use crate::run::schedule::Schedule;

/// The options of a run that a test makes of a shape.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) lengths: bool,
    pub(crate) reverse: bool,
    pub(crate) resets: bool,
    pub(crate) projection: bool,
    pub(crate) norm: Norm,
    pub(crate) zoneout: f64,
    pub(crate) clip: bool,
    pub(crate) dropout: HiddenDropout,
    pub(crate) train: bool,
    pub(crate) emit: Emit,
    /// Whether hidden states begin at zero.
    pub(crate) from_zero: bool,
}

pub(crate) fn choices() -> Vec<Choice> {
    let none = Choice::default();
    let norm = |pre, memory| Norm { pre, memory };
    let dropout = |per_step| HiddenDropout { rate: 0.3, per_step };
    let all = Choice {
        lengths: true,
        reverse: true,
        resets: true,
        projection: true,
        norm: norm(true, true),
        zoneout: 0.2,
        clip: true,
        dropout: dropout(true),
        train: true,
        emit: Emit::States,
        from_zero: false,
    };
    vec![
        none,
        Choice { lengths: true, ..none },
        Choice { lengths: true, emit: Emit::Last, ..none },
        Choice { reverse: true, ..none },
        Choice { reverse: true, lengths: true, ..none },
        Choice { resets: true, ..none },
        Choice { projection: true, ..none },
        Choice { projection: true, emit: Emit::States, resets: true, ..none },
        Choice { norm: norm(true, false), ..none },
        Choice { norm: norm(false, true), ..none },
        Choice { norm: norm(true, true), ..none },
        Choice { zoneout: 0.4, ..none },
        Choice { zoneout: 0.4, train: true, ..none },
        Choice { dropout: dropout(false), train: true, ..none },
        Choice { dropout: dropout(true), train: true, ..none },
        Choice { dropout: dropout(true), ..none },
        Choice { clip: true, ..none },
        Choice { emit: Emit::States, ..none },
        Choice { from_zero: true, ..none },
        Choice { from_zero: true, lengths: true, resets: true, ..none },
        Choice { from_zero: true, dropout: dropout(true), train: true, ..none },
        Choice { emit: Emit::Last, ..all },
        Choice { from_zero: true, ..all },
        all,
    ]
}

pub(crate) fn random(rng: &mut ChaCha8Rng, count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|_| f64::from(rng.random_range(-scale..scale) as f32)).collect()
}

/// What one run is made of, and the same for the oracle.
pub(crate) struct Setting {
    pub(crate) shape: SequenceShape,
    pub(crate) plan: Plan,
    pub(crate) options: oracle::OracleOptions,
    pub(crate) x: Vec<f64>,
    pub(crate) weights: Vec<f64>,
    pub(crate) states: Vec<f64>,
    pub(crate) d_output: Vec<f64>,
    pub(crate) d_states: Vec<f64>,
}

/// A setting for a cell, without the options that it does not have.
pub(crate) fn setting<C: Cell>(shape: SequenceShape, choice: Choice, seed: u64) -> Setting {
    let SequenceShape { steps, batch, input, hidden } = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let spec = C::SPEC;
    let count = spec.states.len();
    let projects = choice.projection && spec.output_is_state && spec.memory.is_some() && hidden > 1;
    let layer = LayerShape {
        projection: projects.then_some(hidden.div_ceil(2)),
        norm: Norm { memory: choice.norm.memory && spec.memory.is_some(), ..choice.norm },
        ..LayerShape::new(input, hidden)
    };
    let lengths: Vec<usize> = match choice.lengths {
        true => (0..batch).map(|_| rng.random_range(1..=steps)).collect(),
        false => vec![steps; batch],
    };
    let resets: Vec<bool> =
        (0..steps * batch).map(|_| choice.resets && rng.random_bool(0.2)).collect();
    let clip = choice.clip.then_some(0.3);
    let mut zoneout = [0.0; fgn_core::MAX_STATES];
    for (s, rate) in zoneout.iter_mut().take(count).enumerate() {
        *rate = choice.zoneout / (1 + s) as f64;
    }
    let seed = choice.train.then(|| rng.random());
    let rules = Rules { zoneout, clip, dropout: choice.dropout, seed };
    let schedule = Schedule::new(
        shape,
        choice.lengths.then(|| lengths.clone()),
        choice.reverse,
        choice.resets.then(|| resets.clone()),
    );
    let size = layer.output();
    let mut options = oracle::OracleOptions {
        layer,
        lengths,
        reverse: choice.reverse,
        resets,
        clip: clip.unwrap_or(f64::INFINITY),
        ..oracle::OracleOptions::plain::<C>(shape)
    };
    let places = (0..steps).flat_map(|k| (0..batch).map(move |b| (k, b)));
    options.zoneout_mix = (0..count)
        .flat_map(|s| places.clone().map(move |(k, b)| (s, k, b)))
        .flat_map(|(s, k, b)| (0..hidden).map(move |unit| rules.zoneout_mix_unit(s, k, b, unit)))
        .collect();
    let fed = |(k, b)| (0..size).map(move |unit| (k, b, unit));
    options.dropout_mask = places
        .flat_map(fed)
        .map(
            |(k, b, unit)| {
                if rules.drop_hidden() { rules.hidden_factor_unit(k, b, unit) } else { 1.0 }
            },
        )
        .collect();
    let plan = Plan { layer, emit: choice.emit, schedule, rules, telemetry: false, bf16: None };
    let scale = 1.0 / (hidden as f64).sqrt();
    let layout = Layout::of(&spec, layer);
    let mut states = random(&mut rng, count * batch * hidden, 1.0);
    spec.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
    // Of a projected hidden state, the rest is not there.
    states[..batch * hidden].chunks_mut(hidden).for_each(|row| row[size..].fill(0.0));
    if choice.from_zero {
        states[..batch * hidden].fill(0.0);
    }
    let mut d_states = random(&mut rng, states.len(), 1.0);
    d_states[..batch * hidden].chunks_mut(hidden).for_each(|row| row[size..].fill(0.0));
    let emitted = plan.output_shape(&spec, shape).iter().product();
    Setting {
        x: random(&mut rng, steps * batch * input, 1.0),
        weights: random(&mut rng, layout.len(), scale.max(0.4)),
        d_output: random(&mut rng, emitted, 1.0),
        shape,
        plan,
        options,
        states,
        d_states,
    }
}

/// The emitted numbers of the oracle's run.
pub(crate) fn emitted<L: oracle::Real>(setting: &Setting, run: &oracle::OracleRun<L>) -> Vec<L> {
    let SequenceShape { batch, hidden, .. } = setting.shape;
    let size = setting.options.layer.output();
    match setting.plan.emit {
        Emit::All => run.output.clone(),
        Emit::Last => (0..batch)
            .flat_map(|b| {
                let place = setting.plan.schedule.place(setting.options.lengths[b] - 1, b);
                run.output[place * size..][..size].to_vec()
            })
            .collect(),
        Emit::States => {
            let states = run.all_states.chunks(run.states.len() / batch);
            let rows = run.output.chunks(size).zip(states);
            let wide = |row: &[L]| {
                let mut row = row.to_vec();
                row.resize(hidden, L::zero());
                row
            };
            rows.flat_map(|(output, states)| [wide(output), states.to_vec()].concat()).collect()
        }
    }
}
