//! Initial values: distributions, gates, seeds.

use std::collections::HashMap;

use candle_core::{DType, Device};
use fgn_core::{AnyCell, Norm, Role};
use fgn_nn::{
    ForgetBias, Generator, InitConfig, InitRule, Model, Parameters, Recurrent, RecurrentConfig,
    RecurrentInit, Ring, WeightInit, init,
};

use crate::common::{flat, model_config, recurrent_config};

/// Of an orthogonal matrix times its transpose, in `f64`.
const ORTHOGONALITY_TOLERANCE: f64 = 1e-10;
/// Of a mean or variance over thousands of samples, relative: four standard errors or more.
const STATISTICS_TOLERANCE: f64 = 0.1;
const INPUT_SIZE: usize = 50;

/// A recurrent layer's parameter as drawn.
fn drawn(cell: AnyCell, hidden: usize, init: InitConfig, name: &str) -> Vec<f64> {
    let mut parameters = Parameters::new(4, DType::F64, &Device::Cpu).unwrap();
    let config = recurrent_config(cell, hidden, init);
    Recurrent::new(&mut parameters, "layer", INPUT_SIZE, &config).unwrap();
    let name = format!("layer.{name}_l0");
    let (_, var) = parameters.list().iter().find(|(other, _)| *other == name).unwrap();
    flat(var)
}

fn with_weights(weights: WeightInit) -> InitConfig {
    InitConfig { weights, recurrent: RecurrentInit::Same, ..InitConfig::default() }
}

fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < STATISTICS_TOLERANCE, "{found} {expected}");
}

/// Checks bound and standard deviation; a mean of zero follows from the latter's being about zero.
fn check_spread(values: &[f64], bound: f64, std: f64) {
    let largest = values.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!(largest <= bound, "{largest} > {bound}");
    close(largest, bound);
    let count = values.len() as f64;
    close((values.iter().map(|x| x * x).sum::<f64>() / count).sqrt(), std);
    let mean = values.iter().sum::<f64>() / count;
    assert!(mean.abs() < STATISTICS_TOLERANCE * std, "mean {mean}");
}

#[test]
fn recurrent_blocks_are_orthogonal_and_differ() {
    for hidden in [1, 7, 65] {
        let matrix = drawn(AnyCell::LSTM, hidden, InitConfig::default(), "weight_hh");
        assert_eq!(matrix.len(), 4 * hidden * hidden);
        let blocks: Vec<_> = matrix.chunks(hidden * hidden).collect();
        for block in &blocks {
            for (a, row) in block.chunks(hidden).enumerate() {
                for (b, other) in block.chunks(hidden).enumerate() {
                    let product: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                    let expected = f64::from(u8::from(a == b));
                    assert!((product - expected).abs() < ORTHOGONALITY_TOLERANCE, "{product}");
                }
            }
        }
        assert!(hidden == 1 || blocks[0] != blocks[1]);
    }
}

#[test]
fn weights_follow_their_distributions() {
    let hidden = 40;
    for (name, columns) in [("weight_ih", INPUT_SIZE), ("weight_hh", hidden)] {
        let draw = |weights| drawn(AnyCell::FGN, hidden, with_weights(weights), name);
        let bound = (6.0 / (columns + hidden) as f64).sqrt();
        check_spread(&draw(WeightInit::XavierUniform), bound, bound / 3f64.sqrt());
        let bound = 1.0 / (hidden as f64).sqrt();
        check_spread(&draw(WeightInit::PytorchUniform), bound, bound / 3f64.sqrt());
        // A normal distribution truncated at two standard deviations has 0.8796 of the standard deviation.
        let std = 0.03;
        check_spread(&draw(WeightInit::TruncatedNormal { std }), 2.0 * std, 0.8796 * std);
    }
}

/// Each block of `bias_ih` with its role; checks that the other biases and vectors are zero.
fn biases(cell: AnyCell, hidden: usize, forget_bias: ForgetBias) -> Vec<(Role, Vec<f64>)> {
    let recurrent = RecurrentInit::Same; // the quicker one: no weights are looked at
    let init = InitConfig { forget_bias, recurrent, ..InitConfig::default() };
    let spec = cell.spec();
    let others = spec.vectors.iter().copied().filter(|name| !["u", "nu", "tau"].contains(name));
    let has_hidden_bias = spec.blocks.iter().any(|block| block.has_hidden_bias());
    for name in others.chain(has_hidden_bias.then_some("bias_hh")) {
        assert!(drawn(cell, hidden, init.clone(), name).iter().all(|&x| x == 0.0));
    }
    if !spec.blocks.iter().any(|block| block.has_input_bias()) {
        return Vec::new();
    }
    let bias = drawn(cell, hidden, init, "bias_ih");
    let fed = spec.blocks.iter().filter(|block| block.has_input_bias());
    fed.map(|block| block.role).zip(bias.chunks(hidden).map(<[f64]>::to_vec)).collect()
}

fn of_role(biases: &[(Role, Vec<f64>)], role: Role) -> Option<Vec<f64>> {
    biases.iter().find(|(other, _)| *other == role).map(|(_, values)| values.clone())
}

/// The biases towards keeping: those of a forget gate, or those of an update gate with the opposite sign.
fn keeping(biases: &[(Role, Vec<f64>)]) -> Option<Vec<f64>> {
    let update = || Some(of_role(biases, Role::Update)?.iter().map(|b| -b).collect());
    of_role(biases, Role::Forget).or_else(update)
}

#[test]
fn a_unit_of_its_own_keeps_between_none_and_all_of_itself() {
    let kept = drawn(AnyCell::IND_RNN, 500, InitConfig::default(), "u");
    assert!(kept.iter().all(|u| (0.0..1.0).contains(u)));
    close(kept.iter().sum::<f64>() / 500.0, 0.5);
}

#[test]
fn eigenvalues_are_spread_over_a_ring() {
    let hidden = 2000;
    let ring = Ring { r_min: 0.5, r_max: 0.9, max_phase: 1.0 };
    let init = InitConfig { ring: Some(ring), ..InitConfig::default() };
    let squares = drawn(AnyCell::LRU, hidden, init.clone(), "nu");
    let squares: Vec<f64> = squares.iter().map(|nu| 1.0 / (1.0 + (-nu).exp())).collect();
    // Evenly over the area: r² is uniform over [0.25, 0.81].
    assert!(squares.iter().all(|square| (0.25..=0.81).contains(square)));
    close(squares.iter().sum::<f64>() / hidden as f64, 0.53);
    close(
        squares.iter().map(|s| (s - 0.53).powi(2)).sum::<f64>() / hidden as f64,
        0.56f64.powi(2) / 12.0,
    );
    let phases = drawn(AnyCell::LRU, hidden, init, "tau");
    let phases: Vec<f64> = phases.iter().map(|tau| 2.0 * tau.exp().atan()).collect();
    assert!(phases.iter().all(|phase| (0.0..=1.0).contains(phase)));
    close(phases.iter().sum::<f64>() / hidden as f64, 0.5);
    close(phases.iter().map(|p| (p - 0.5).powi(2)).sum::<f64>() / hidden as f64, 1.0 / 12.0);
}

#[test]
fn a_ring_that_makes_no_sense_is_refused() {
    let error = |cell, ring| {
        let init = InitConfig { ring: Some(ring), ..InitConfig::default() };
        let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
        let config = recurrent_config(cell, 4, init);
        Recurrent::new(&mut parameters, "", 1, &config).unwrap_err().to_string()
    };
    let ring = Ring::default();
    for (wrong, expected) in [
        (
            Ring { r_min: 0.999, ..ring },
            "`recurrent.init.ring.r_min` is 0.999, expected at least 0",
        ),
        (Ring { r_min: f64::NAN, ..ring }, "`recurrent.init.ring.r_min` is NaN"),
        (Ring { r_max: 1.0, ..ring }, "`recurrent.init.ring.r_max` is 1, expected below 1"),
        (
            Ring { max_phase: 3.2, ..ring },
            "`recurrent.init.ring.max_phase` is 3.2, expected over 0",
        ),
    ] {
        let error = error(AnyCell::LRU, wrong);
        assert!(error.starts_with(expected), "{error}");
    }
    let error = error(AnyCell::LSTM, ring);
    assert!(error.contains("the cell has no eigenvalues (lru has)"), "{error}");
}

#[test]
fn constant_forget_bias() {
    for cell in AnyCell::all() {
        for (role, values) in biases(cell, 6, ForgetBias::Constant(2.5)) {
            let expected = match role {
                Role::Forget | Role::Forgetting => 2.5,
                Role::Update => -2.5,
                Role::Level => 1.0,
                _ => 0.0,
            };
            assert!(values.iter().all(|&x| x == expected), "{cell} {role:?} {values:?}");
        }
    }
}

#[test]
fn chrono_forget_bias() {
    let (hidden, t_max) = (500, 101);
    for cell in AnyCell::all() {
        let biases = biases(cell, hidden, ForgetBias::Chrono { t_max });
        let Some(forget) = keeping(&biases) else { continue };
        // e^b is uniform over [1, 100].
        let memories: Vec<f64> = forget.iter().map(|b| b.exp()).collect();
        assert!(memories.iter().all(|m| (1.0..=100.0 + 1e-9).contains(m)));
        close(memories.iter().sum::<f64>() / hidden as f64, 50.5);
        if let Some(input) = of_role(&biases, Role::Input) {
            assert!(forget.iter().zip(input).all(|(f, i)| i == -f));
        }
        check_the_rest(&biases);
    }
}

#[test]
fn uniform_gate_forget_bias() {
    let hidden = 500;
    for cell in AnyCell::all() {
        let biases = biases(cell, hidden, ForgetBias::UniformGate);
        let gate = |b: &f64| 1.0 / (1.0 + (-b).exp());
        let Some(forget) = keeping(&biases) else { continue };
        let gates: Vec<f64> = forget.iter().map(gate).collect();
        assert!(gates.iter().all(|u| (0.002 - 1e-9..=0.998 + 1e-9).contains(u)));
        close(gates.iter().sum::<f64>() / hidden as f64, 0.5);
        close(gates.iter().map(|u| u * u).sum::<f64>() / hidden as f64, 1.0 / 3.0);
        let input = of_role(&biases, Role::Input).unwrap_or_default();
        assert!(input.iter().all(|&x| x == 0.0));
        if let Some(refine) = of_role(&biases, Role::Refine) {
            assert!(forget.iter().zip(refine).all(|(f, r)| r == -f));
        }
        check_the_rest(&biases);
    }
}

fn check_the_rest(biases: &[(Role, Vec<f64>)]) {
    for (role, values) in biases {
        let expected = match role {
            Role::Forget | Role::Update | Role::Refine | Role::Input => continue,
            Role::Forgetting | Role::Level => 1.0,
            _ => 0.0,
        };
        assert!(values.iter().all(|&x| x == expected), "{role:?} {values:?}");
    }
}

/// All that a stack draws, by name.
fn stack(rules: Vec<InitRule>) -> HashMap<String, Vec<f64>> {
    let init = InitConfig { rules, ..InitConfig::default() };
    let config = RecurrentConfig {
        layers: 2,
        bidirectional: true,
        projection: Some(3),
        norm: Norm { pre: true, memory: true },
        init,
        ..RecurrentConfig::new(AnyCell::LSTM, 40)
    };
    let mut parameters = Parameters::new(4, DType::F64, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "", INPUT_SIZE, &config).unwrap();
    parameters.list().iter().map(|(name, var)| (name.clone(), flat(var))).collect()
}

#[test]
fn rules_by_gate_layer_and_direction() {
    let gate = |name: &str| Some(name.to_owned());
    let constant = |value| Some(ForgetBias::Constant(value));
    let rules = vec![
        InitRule { gate: gate("o"), bias: constant(-2.0), ..InitRule::default() },
        InitRule { gate: gate("o"), layer: Some(1), bias: constant(-3.0), ..InitRule::default() },
        InitRule { reverse: Some(true), bias: constant(5.0), ..InitRule::default() },
        InitRule {
            gate: gate("g"),
            layer: Some(0),
            reverse: Some(true),
            weights: Some(WeightInit::TruncatedNormal { std: 1e-3 }),
            recurrent: Some(RecurrentInit::Same),
            ..InitRule::default()
        },
    ];
    let (plain, ruled) = (stack(Vec::new()), stack(rules));
    for (suffix, forget, output) in
        [("l0", 1.0, -2.0), ("l0_reverse", 5.0, -2.0), ("l1", 1.0, -3.0), ("l1_reverse", 5.0, -3.0)]
    {
        let bias = &ruled[&format!("bias_ih_{suffix}")];
        let expected = [0.0, forget, 0.0, output].map(|value| [value; 40]).concat();
        assert_eq!(*bias, expected, "{suffix}");
    }
    for (name, values) in &ruled {
        if name.starts_with("bias_ih") {
            continue;
        }
        let small = name.starts_with("weight_") && name.ends_with("h_l0_reverse");
        assert_eq!(values != &plain[name], small, "{name}");
        if small {
            let gate = &values[values.len() / 2..values.len() / 4 * 3];
            assert!(gate.iter().all(|x| x.abs() <= 2e-3), "{name}");
            let others = &values[..values.len() / 2];
            assert!(others.iter().any(|x| x.abs() > 2e-2), "{name}");
        }
    }
}

#[test]
fn normalisations_are_initialised_to_identity_and_projections_as_weights() {
    let drawn = stack(Vec::new());
    for place in ["l0", "l0_reverse", "l1", "l1_reverse"] {
        assert!(drawn[&format!("norm_pre_{place}")].iter().all(|&gain| gain == 1.0));
        assert!(drawn[&format!("norm_memory_{place}")].iter().all(|&gain| gain == 1.0));
        assert!(drawn[&format!("norm_memory_bias_{place}")].iter().all(|&bias| bias == 0.0));
        let bound = (6.0 / 43.0_f64).sqrt();
        let weights = &drawn[&format!("weight_hr_{place}")];
        let largest = weights.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        assert!((0.9 * bound..=bound).contains(&largest), "{largest}");
        assert_eq!(weights.len(), 3 * 40);
    }
    // Four blocks [40, 3], whose columns are of length 1 and at right angles.
    for block in drawn["weight_hh_l0"].chunks(120) {
        for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
            let product: f64 = block.chunks(3).map(|row| row[a] * row[b]).sum();
            let expected = f64::from(u8::from(a == b));
            assert!((product - expected).abs() < ORTHOGONALITY_TOLERANCE, "{a} {b}: {product}");
        }
    }
}

#[test]
fn rules_that_name_what_is_not_there() {
    let refused = |rule| {
        let init = InitConfig { rules: vec![rule], ..InitConfig::default() };
        let config = recurrent_config(AnyCell::LSTM, 1, init);
        let mut parameters = Parameters::new(4, DType::F64, &Device::Cpu).unwrap();
        Recurrent::new(&mut parameters, "", 1, &config).map(drop).unwrap_err().to_string()
    };
    let rule = InitRule::default;
    let bias = |bias| InitRule { bias: Some(bias), ..rule() };
    let narrow = Some(WeightInit::TruncatedNormal { std: -1.0 });
    for (rule, expected) in [
        (
            InitRule { gate: Some("z".into()), ..rule() },
            "`recurrent.init.rules.gate` is z, expected a gate of the cell: i, f, g, o",
        ),
        (InitRule { layer: Some(1), ..rule() }, "`recurrent.init.rules.layer` is 1"),
        (InitRule { reverse: Some(true), ..rule() }, "`recurrent.init.rules.reverse` is true"),
        (InitRule { weights: narrow, ..rule() }, "truncated-normal.std` is -1"),
        (bias(ForgetBias::Constant(f64::NAN)), "`recurrent.init.rules.bias.constant` is NaN"),
        (bias(ForgetBias::Chrono { t_max: 1 }), "`recurrent.init.rules.bias.chrono.t_max` is 1"),
        (bias(ForgetBias::UniformGate), "`recurrent.hidden_size` is 1, expected 2 or more"),
    ] {
        let error = refused(rule);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn functions_are_those_of_the_configuration() {
    let mut generator = Generator::seed_from_u64(1);
    let (rows, columns) = (30, 50);
    let matrix = init::orthogonal(&mut generator, rows, columns);
    assert_eq!(matrix.len(), rows * columns);
    for (a, row) in matrix.chunks(columns).enumerate() {
        for (b, other) in matrix.chunks(columns).enumerate() {
            let product: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
            assert!((product - f64::from(u8::from(a == b))).abs() < ORTHOGONALITY_TOLERANCE);
        }
    }
    check_spread(&init::uniform(&mut generator, 5000, 0.3), 0.3, 0.3 / 3f64.sqrt());
    check_spread(&init::truncated_normal(&mut generator, 5000, 0.1), 0.2, 0.08796);
    close(init::xavier_bound(20, 40), 0.1_f64.sqrt());
    close(init::kaiming_bound(24), 0.5);
    let memories = init::chrono(&mut generator, 5000, 101);
    close(memories.iter().map(|b| b.exp()).sum::<f64>() / 5000.0, 50.5);
    let gates = init::uniform_gate(&mut generator, 5000);
    close(gates.iter().map(|b| 1.0 / (1.0 + (-b).exp())).sum::<f64>() / 5000.0, 0.5);
    // Where there is nothing to choose from, the one value there is.
    assert!(init::chrono(&mut generator, 3, 0).iter().all(|&b| b == 0.0));
    assert!(init::uniform_gate(&mut generator, 1).iter().all(|&b| b == 0.0));
    assert!(init::orthogonal(&mut generator, 0, 3).is_empty());
}

#[test]
fn a_seed_gives_the_same_values_whatever_else_the_model_has() {
    let build = |config, seed, dtype| Model::new(config, seed, dtype, &Device::Cpu).unwrap();
    let values = |model: &Model, name: &str| {
        let found = model.parameters().iter().find(|(other, _)| other == name);
        flat(&found.unwrap().1)
    };
    let config = model_config();
    let mut smaller = config.clone();
    smaller.dense = None;
    let (a, b) = (build(&config, 7, DType::F64), build(&config, 7, DType::F64));
    let without_dense = build(&smaller, 7, DType::F64);
    let other_seed = build(&config, 8, DType::F64);
    let single = build(&config, 7, DType::F32);
    for (name, var) in a.parameters() {
        assert_eq!(flat(var), values(&b, name));
        let rounded: Vec<_> = flat(var).iter().map(|&x| f64::from(x as f32)).collect();
        assert_eq!(rounded, values(&single, name));
        if name.ends_with("weight") {
            assert_ne!(flat(var), values(&other_seed, name), "{name}");
        }
    }
    for name in ["input.conv2.weight", "recurrent.weight_hh_l0", "head.weight"] {
        assert_eq!(values(&a, name), values(&without_dense, name));
    }
    assert!(Model::new(&config, 7, DType::U32, &Device::Cpu).is_err());
}

#[test]
fn parameters_stand_in_a_fixed_order() {
    let model = Model::new(&model_config(), 1, DType::F32, &Device::Cpu).unwrap();
    let found: Vec<(&str, &[usize])> =
        model.parameters().iter().map(|(name, var)| (name.as_str(), var.dims())).collect();
    let expected: [(&str, &[usize]); 12] = [
        ("input.conv1.weight", &[2, 1, 3, 3]),
        ("input.conv1.bias", &[2]),
        ("input.conv2.weight", &[3, 2, 3, 3]),
        ("input.conv2.bias", &[3]),
        ("dense.weight", &[5, 9]),
        ("dense.bias", &[5]),
        ("recurrent.weight_ih_l0", &[20, 5]),
        ("recurrent.weight_hh_l0", &[16, 4]),
        ("recurrent.bias_ih_l0", &[20]),
        ("recurrent.bias_hh_l0", &[16]),
        ("head.weight", &[3, 4]),
        ("head.bias", &[3]),
    ];
    assert_eq!(found, expected);
    assert_eq!(model.parameter_count(), 18 + 2 + 54 + 3 + 45 + 5 + 100 + 64 + 20 + 16 + 12 + 3);
}
