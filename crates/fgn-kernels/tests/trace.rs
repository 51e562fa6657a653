//! Traces of gates, for every cell and option, against the oracle.

use candle_core::{DType, Device, Result, Tensor};
use fgn_core::oracle;
use fgn_core::{AnyCell, Cell, CellVisitor, LayerShape, Layout, Norm, Role, SequenceShape};
use fgn_kernels::{GateTrace, SequenceOptions, Trace, trace};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest errors allowed of a gate.
const F64: f64 = 1e-11;
const F32: f64 = 2e-5;

const SHAPE: SequenceShape = SequenceShape { steps: 9, batch: 3, input: 5, hidden: 7 };

#[derive(Clone, Copy, Default)]
struct Choice {
    lengths: bool,
    reverse: bool,
    resets: bool,
    projection: bool,
    norm: Norm,
    clip: bool,
    zoneout: f64,
}

struct Check(AnyCell, Choice, DType);

impl CellVisitor for Check {
    type Output = Result<()>;
    fn visit<C: Cell>(self, cell: C) -> Result<()> {
        let Check(any, choice, dtype) = self;
        let SequenceShape { steps, batch, input, hidden } = SHAPE;
        let (spec, mut rng) = (C::SPEC, ChaCha8Rng::seed_from_u64(1));
        let projects = choice.projection && spec.output_is_state && spec.memory.is_some();
        let norm = Norm {
            pre: choice.norm.pre && spec.blocks.iter().any(|block| block.is_normalized()),
            memory: choice.norm.memory && spec.memory.is_some(),
        };
        let layer = LayerShape {
            projection: projects.then_some(4),
            norm,
            ..LayerShape::new(input, hidden)
        };
        let mut plain = oracle::OracleOptions::plain::<C>(SHAPE);
        plain.layer = layer;
        plain.reverse = choice.reverse;
        plain.dropout_mask = vec![1.0; steps * batch * layer.output()];
        plain.zoneout_mix.fill(choice.zoneout);
        if choice.lengths {
            plain.lengths = vec![9, 1, 6];
        }
        if choice.resets {
            plain.resets = (0..steps * batch).map(|_| rng.random_bool(0.3)).collect();
        }
        if choice.clip {
            plain.clip = 0.3;
        }
        let resets: Vec<u8> = plain.resets.iter().map(|&reset| u8::from(reset)).collect();
        let options = SequenceOptions::default()
            .with_reverse(choice.reverse)
            .with_lengths(choice.lengths.then(|| plain.lengths.clone()))
            .with_resets(match choice.resets {
                true => Some(Tensor::from_vec(resets, (steps, batch), &Device::Cpu)?),
                false => None,
            })
            .with_projection(layer.projection)
            .with_norm(norm)
            .with_zoneout(vec![choice.zoneout; spec.states.len()])
            .with_clip(choice.clip.then_some(0.3));

        // Numbers that an f32 holds, so that both types begin with the same.
        let mut random = |count: usize| -> Vec<f64> {
            (0..count).map(|_| f64::from(rng.random_range(-1.0..1.0f32))).collect()
        };
        let x = random(steps * batch * input);
        let weights = random(Layout::of(&spec, layer).len());
        let states = random(spec.states.len() * batch * hidden);
        let run = oracle::run_with_options(cell, SHAPE, &plain, &x, &weights, &states);

        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(dtype)
        };
        let (output, found) = trace(
            any,
            &tensor(&x, &[steps, batch, input])?,
            &tensor(&weights, &[weights.len()])?,
            &tensor(&states, &[spec.states.len(), batch, hidden])?,
            &options,
        )?;

        let tolerance = if dtype == DType::F64 { F64 } else { F32 };
        let close = |found: f64, expected: f64, what: &str| {
            let error = (found - expected).abs();
            assert!(error <= tolerance, "{any} {what}: {found}, expected {expected}");
        };
        assert_eq!(output.dims(), [steps, batch, layer.output()]);
        let output = output.to_dtype(DType::F64)?.flatten_all()?;
        for (found, expected) in output.to_vec1()?.into_iter().zip(&run.output) {
            close(found, *expected, "output");
        }
        assert_eq!(found.shape, [steps, batch, hidden]);
        assert_eq!(found.lengths, plain.lengths);
        let gates = spec.indices(fgn_core::Block::is_gate);
        assert_eq!(found.gates.len(), gates.len());
        assert_eq!(found.retained.is_some(), spec.has_gated_memory());
        for (index, input) in run.inputs.iter().enumerate() {
            let row = index / hidden;
            let inside = row / batch < plain.lengths[row % batch];
            for (gate, &g) in found.gates.iter().zip(&gates) {
                assert_eq!(gate.name, spec.blocks[g].name);
                let expected = if inside { cell.gates(input)[g] } else { 0.0 };
                close(gate.values[index], expected, gate.name);
            }
            if let Some(retained) = &found.retained {
                close(retained[index], if inside { cell.retained(input) } else { 0.0 }, "retained");
            }
        }
        Ok(())
    }
}

#[test]
fn every_gate_is_the_oracles_with_every_option() {
    let none = Choice::default();
    let norm = |pre, memory| Norm { pre, memory };
    let choices = [
        none,
        Choice { lengths: true, ..none },
        Choice { reverse: true, ..none },
        Choice { reverse: true, lengths: true, ..none },
        Choice { resets: true, ..none },
        Choice { projection: true, ..none },
        Choice { norm: norm(true, false), ..none },
        Choice { norm: norm(false, true), ..none },
        Choice { clip: true, ..none },
        Choice { zoneout: 0.4, ..none },
        Choice {
            lengths: true,
            reverse: true,
            resets: true,
            projection: true,
            norm: norm(true, true),
            clip: true,
            zoneout: 0.2,
        },
    ];
    for cell in AnyCell::all() {
        for choice in choices {
            cell.visit(Check(cell, choice, DType::F64)).unwrap().unwrap();
            cell.visit(Check(cell, choice, DType::F32)).unwrap().unwrap();
        }
    }
}

#[test]
fn means_histograms_and_memories_leave_out_what_is_beyond_the_end() {
    // Two units; the second sequence ends after one of two steps.
    let values = vec![0.5, 1.0, 0.0, 0.5, 1.0, 1.0, 9.0, 9.0];
    let trace = Trace {
        shape: [2, 2, 2],
        lengths: vec![2, 1],
        gates: Vec::new(),
        retained: Some(values.clone()),
    };
    assert_eq!(trace.unit_means(&values), [0.5, 2.5 / 3.0]);
    assert_eq!(trace.histogram(&values, 4), [1, 0, 2, 3]);
    let memory = trace.time_constants().unwrap();
    assert_eq!(memory[0], 2.0);
    assert!((memory[1] - 6.0).abs() < 1e-12);
    let phi = GateTrace { name: "phi", role: Role::Forgetting, values: values.clone() };
    let summary = trace.summary(&phi);
    assert_eq!(summary.mean, trace.unit_means(&values));
    assert_eq!((summary.closed, summary.open), (vec![1.0 / 3.0, 0.0], vec![1.0 / 3.0, 2.0 / 3.0]));
    let whole = Trace { retained: Some(vec![1.0; 8]), ..trace };
    assert_eq!(whole.time_constants().unwrap(), [f64::INFINITY; 2]);
}
