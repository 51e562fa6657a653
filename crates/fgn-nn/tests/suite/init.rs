//! Initial values: distributions, gates, seeds.

use candle_core::{DType, Device};
use fgn_core::{AnyCell, Role};
use fgn_nn::{ForgetBias, InitConfig, Model, Parameters, Recurrent, RecurrentInit, WeightInit};

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
fn check_spread(values: &[f64], bound: f64, deviation: f64) {
    let largest = values.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!(largest <= bound, "{largest} > {bound}");
    close(largest, bound);
    let count = values.len() as f64;
    close((values.iter().map(|x| x * x).sum::<f64>() / count).sqrt(), deviation);
    let mean = values.iter().sum::<f64>() / count;
    assert!(mean.abs() < STATISTICS_TOLERANCE * deviation, "mean {mean}");
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
        // A normal distribution cut at two standard deviations has 0.8796 of its deviation.
        let std = 0.03;
        check_spread(&draw(WeightInit::TruncatedNormal { std }), 2.0 * std, 0.8796 * std);
    }
}

/// Each block of `bias_ih` with its role; checks that the other biases and vectors are zero.
fn biases(cell: AnyCell, hidden: usize, forget_bias: ForgetBias) -> Vec<(Role, Vec<f64>)> {
    let recurrent = RecurrentInit::Same; // the quicker one: no weights are looked at
    let init = InitConfig { forget_bias, recurrent, ..InitConfig::default() };
    let spec = cell.spec();
    let others = spec.vectors.iter().copied().filter(|name| *name != "u");
    for name in others.chain(spec.is_recurrent().then_some("bias_hh")) {
        assert!(drawn(cell, hidden, init.clone(), name).iter().all(|&x| x == 0.0));
    }
    let bias = drawn(cell, hidden, init, "bias_ih");
    let fed = spec.blocks.iter().filter(|block| block.has_input_bias());
    fed.map(|block| block.role).zip(bias.chunks(hidden).map(<[f64]>::to_vec)).collect()
}

fn of_role(biases: &[(Role, Vec<f64>)], role: Role) -> Option<Vec<f64>> {
    biases.iter().find(|(other, _)| *other == role).map(|(_, values)| values.clone())
}

/// The biases towards keeping: those of a forget gate, or those of an update gate turned round.
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
