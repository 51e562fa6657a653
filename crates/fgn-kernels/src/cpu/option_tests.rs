//! Every option of a run, for every cell: values against the oracle, gradients against its derivative in
//! random directions, and the same bits on any number of threads.

use fgn_core::oracle::{self, Shape};
use fgn_core::{AnyCell, Cell, CellVisitor, Dual, Form, Layout, Norm};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Arguments;
use super::backward::{Derivatives, backward};
use super::equations::Compiled;
use super::forward::{Forward, forward};
use super::isa::Isa;
use super::plan::Plan;
use super::rules::Rules;
use super::schedule::Schedule;
use super::simd::Element;
use crate::{Dropout, Emit};

/// The largest errors allowed, relative to the largest number of a tensor.
const F32: f64 = 5e-5;
const F64: f64 = 1e-11;

/// The options of a run that a test makes of a shape.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    lengths: bool,
    reverse: bool,
    resets: bool,
    projection: bool,
    norm: Norm,
    zoneout: f64,
    clip: bool,
    dropout: Dropout,
    train: bool,
    emit: Emit,
}

fn choices() -> Vec<Choice> {
    let none = Choice::default();
    let norm = |pre, memory| Norm { pre, memory };
    let dropout = |each_step| Dropout { rate: 0.3, each_step };
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
        Choice { emit: Emit::Last, ..all },
        all,
    ]
}

fn random(rng: &mut ChaCha8Rng, count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|_| f64::from(rng.random_range(-scale..scale) as f32)).collect()
}

fn cast<E: Element>(numbers: &[f64]) -> Vec<E> {
    numbers.iter().map(|&x| E::from_f64(x)).collect()
}

/// What one run is made of, and the same for the oracle.
struct Setting {
    shape: Shape,
    plan: Plan,
    options: oracle::Options,
    x: Vec<f64>,
    weights: Vec<f64>,
    states: Vec<f64>,
    d_output: Vec<f64>,
    d_states: Vec<f64>,
}

/// A setting for a cell, without the options that it does not have.
fn setting<C: Cell>(shape: Shape, choice: Choice, seed: u64) -> Setting {
    let Shape { steps, batch, input, hidden } = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let spec = C::SPEC;
    let count = spec.states.len();
    let projects = choice.projection && spec.output_is_state && spec.memory.is_some() && hidden > 1;
    let form = Form {
        projection: projects.then_some(hidden.div_ceil(2)),
        norm: Norm { memory: choice.norm.memory && spec.memory.is_some(), ..choice.norm },
        ..Form::new(input, hidden)
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
    let size = form.output();
    let mut options = oracle::Options {
        form,
        lengths,
        reverse: choice.reverse,
        resets,
        clip: clip.unwrap_or(f64::INFINITY),
        ..oracle::Options::plain::<C>(shape)
    };
    let places = (0..steps).flat_map(|k| (0..batch).map(move |b| (k, b)));
    options.kept = (0..count)
        .flat_map(|s| places.clone().map(move |(k, b)| (s, k, b)))
        .flat_map(|(s, k, b)| (0..hidden).map(move |unit| rules.kept_unit(s, k, b, unit)))
        .collect();
    let fed = |(k, b)| (0..size).map(move |unit| (k, b, unit));
    options.fed = places
        .flat_map(fed)
        .map(|(k, b, unit)| if rules.drop_hidden() { rules.fed_unit(k, b, unit) } else { 1.0 })
        .collect();
    let plan = Plan { form, emit: choice.emit, schedule, rules, telemetry: false };
    let scale = 1.0 / (hidden as f64).sqrt();
    let layout = Layout::of(&spec, form);
    let mut states = random(&mut rng, count * batch * hidden, 1.0);
    spec.divisors(&mut states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
    // Of a projected hidden state, the rest is not there.
    states[..batch * hidden].chunks_mut(hidden).for_each(|row| row[size..].fill(0.0));
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
fn emitted<L: oracle::Real>(setting: &Setting, run: &oracle::Run<L>) -> Vec<L> {
    let Shape { batch, hidden, .. } = setting.shape;
    let size = setting.options.form.output();
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

/// Outputs, final states, and the derivatives by input, weights and initial states.
type Results<E> = [Vec<E>; 5];

fn run<E: Element>(isa: Isa, cell: AnyCell, setting: &Setting) -> Results<E> {
    let Setting { shape, plan, x, weights, states, .. } = setting;
    let (x, weights, states) = (cast::<E>(x), cast::<E>(weights), cast::<E>(states));
    let arguments = Arguments { shape: *shape, plan, x: &x, weights: &weights, states: &states };
    let equations = Compiled(isa).of::<E>(cell);
    let Forward { output, states, saved, .. } = forward(isa, &*equations, &arguments, true);
    let untracked = forward(isa, &*equations, &arguments, false);
    let same = output == untracked.output && states == untracked.states;
    assert!(same, "{cell}: saving changes the result");
    let (d_output, d_states) = (cast(&setting.d_output), cast(&setting.d_states));
    let by = Derivatives { output: &d_output, states: Some(&d_states) };
    let d = backward(isa, &*equations, &arguments, &saved.unwrap(), by, true);
    [output, states, d.x.unwrap(), d.weights, d.states]
}

fn assert_close<E: Element>(what: &str, found: &[E], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found.to_f64() - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{place}]: {} is not {expected}, off by {error:e} of {scale}",
            found.to_f64()
        );
    }
}

struct Check(AnyCell, Shape, Choice);

impl CellVisitor for Check {
    type Output = ();

    fn visit<C: Cell>(self, cell: C) {
        let Self(any, shape, choice) = self;
        let setting = &setting::<C>(shape, choice, 7);
        let Setting { options, x, weights, states, d_output, d_states, .. } = setting;
        let expected = oracle::run(cell, shape, options, x, weights, states);
        let expected = [emitted(setting, &expected), expected.states];

        let isa = Isa::available()[0];
        let exact = run::<f64>(isa, any, setting);
        let what = format!("{any} {shape:?} {choice:?}");
        for (found, expected) in exact.iter().zip(&expected) {
            assert_close(&what, found, expected, F64);
        }
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..4 {
            let direction = [x, weights, states].map(|of| random(&mut rng, of.len(), 1.0));
            let dual = |values: &[f64], slopes: &[f64]| -> Vec<Dual> {
                values.iter().zip(slopes).map(|(&v, &s)| Dual::new(v, s)).collect()
            };
            let moved = oracle::run(
                cell,
                shape,
                options,
                &dual(x, &direction[0]),
                &dual(weights, &direction[1]),
                &dual(states, &direction[2]),
            );
            let slopes = |duals: &[Dual]| duals.iter().map(|dual| dual.slope).collect::<Vec<_>>();
            let expected = dot(&slopes(&emitted(setting, &moved)), d_output)
                + dot(&slopes(&moved.states), d_states);
            let parts = [0, 1, 2].map(|n| dot(&exact[2 + n], &direction[n]));
            let found: f64 = parts.iter().sum();
            // The sum has terms of both signs: the tolerance is relative to the largest part.
            let scale = parts.iter().fold(1e-3, |scale: f64, part| scale.max(part.abs()));
            let error = (found - expected).abs() / scale;
            assert!(error < 100.0 * F64, "{what}: slope {found} is not {expected}: {parts:?}");
        }

        for isa in Isa::available() {
            let found = run::<f32>(isa, any, setting);
            let names = ["output", "states", "d_x", "d_weights", "d_states"];
            for ((name, found), exact) in names.iter().zip(&found).zip(&exact) {
                assert_close(&format!("{} {what} {name}", isa.name()), found, exact, F32);
            }
        }
    }
}

#[test]
fn every_option_is_what_the_oracle_computes() {
    let shape = |steps, batch, input, hidden| Shape { steps, batch, input, hidden };
    let shapes = [shape(9, 5, 3, 19), shape(1, 1, 1, 1), shape(30, 2, 7, 33), shape(4, 17, 2, 16)];
    for cell in AnyCell::all() {
        for choice in choices() {
            for shape in shapes {
                cell.visit(Check(cell, shape, choice));
            }
        }
    }
}

struct OnThreads(AnyCell, Shape, Choice);

impl CellVisitor for OnThreads {
    type Output = ();

    fn visit<C: Cell>(self, _: C) {
        let Self(cell, shape, choice) = self;
        let setting = setting::<C>(shape, choice, 9);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run::<f32>(Isa::available()[0], cell, &setting))
        };
        let alone = on(1);
        for threads in [2, 3, 8] {
            assert!(
                alone == on(threads),
                "{cell} {shape:?} {choice:?} differs on {threads} threads"
            );
        }
    }
}

#[test]
fn options_give_the_same_bits_on_any_number_of_threads() {
    let shape = |steps, batch, input, hidden| Shape { steps, batch, input, hidden };
    let cut_by_sequences = shape(40, 37, 5, 33);
    let cut_by_units_alone = shape(150, 1, 3, 70);
    let cut_by_units = shape(3, 2, 5, 300);
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN] {
        for choice in choices() {
            for shape in [cut_by_sequences, cut_by_units_alone, cut_by_units] {
                cell.visit(OnThreads(cell, shape, choice));
            }
        }
    }
}
