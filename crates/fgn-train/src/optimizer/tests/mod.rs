//! Every optimizer against the formulas of `torch.optim`'s documentation, a number at a time.

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::rules::lion::Lion;
use super::*;
use naive::{Naive, torches};

mod loops;
mod naive;
mod sparse;

/// Relative, in f64: two orders of summation of a few numbers apart.
const TOLERANCE: f64 = 1e-12;

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let apart = (found - expected).abs();
        assert!(apart <= TOLERANCE * expected.abs().max(1.0), "{found} {expected}");
    }
}

/// Between -2 and 2.
fn random(rng: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| f64::from(rng.next_u32()) / f64::from(1u32 << 30) - 2.0).collect()
}

/// A backward pass whose gradient is exactly `gradient`.
fn gradients(parameters: &[(String, Var)], values: &[&[f64]]) -> Gradients {
    let mut sum = Tensor::zeros((), DType::F64, &Device::Cpu).unwrap();
    for ((_, var), gradient) in parameters.iter().zip(values) {
        let factor = Tensor::from_slice(gradient, var.shape(), &Device::Cpu).unwrap();
        sum = (sum + (var.as_tensor() * factor).unwrap().sum_all().unwrap()).unwrap();
    }
    Gradients::new(parameters, &sum.backward().unwrap()).unwrap()
}

fn matrix(values: &[f64]) -> Vec<(String, Var)> {
    let var = Var::from_slice(values, (1, values.len()), &Device::Cpu).unwrap();
    vec![("w".to_owned(), var)]
}

fn values(parameters: &[(String, Var)]) -> Vec<f64> {
    parameters[0].1.flatten_all().unwrap().to_vec1().unwrap()
}

/// [`torches`], and each optimizer of the registry with its other options at their defaults.
fn all(learning_rate: f64, weight_decay: f64) -> Vec<OptimizerConfig> {
    let registered = OptimizerConfig::names().iter().map(|name| {
        let keys = format!("learning_rate = {learning_rate}\nweight_decay = {weight_decay}");
        toml::from_str(&format!("name = '{name}'\n{keys}")).unwrap()
    });
    torches(learning_rate, weight_decay).into_iter().chain(registered).collect()
}

#[test]
fn every_optimizer_steps_as_torch_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for weight_decay in [0.0, 0.3] {
        for config in torches(0.01, weight_decay) {
            let start = random(&mut rng, 37);
            let parameters = matrix(&start);
            let mut optimizer = Optimizer::new(&config, &[], &parameters, &[]).unwrap();
            let mut naive: Vec<_> = start.iter().map(|&p| Naive::new(p)).collect();
            for t in 1..=12 {
                let factor = 1.0 / f64::from(t);
                let gradient = random(&mut rng, 37);
                let given = gradients(&parameters, &[&gradient]);
                optimizer.step(&given, Clip::default(), factor).unwrap();
                for (naive, &g) in naive.iter_mut().zip(&gradient) {
                    naive.step(&config, t, factor, g);
                }
                let expected: Vec<_> = naive.iter().map(|naive| naive.p).collect();
                close(&values(&parameters), &expected);
            }
        }
    }
}

/// The first step of Adam moves every parameter by the learning rate, whatever the gradient.
#[test]
fn the_first_step_of_adam_has_the_learning_rates_size() {
    let parameters = matrix(&[1.0, 1.0]);
    let mut adam = Optimizer::new(&OptimizerConfig::adam(0.125), &[], &parameters, &[]).unwrap();
    adam.step(&gradients(&parameters, &[&[1e3, -0.5]]), Clip::default(), 1.0).unwrap();
    let found = values(&parameters);
    assert!((found[0] - 0.875).abs() < 1e-8 && (found[1] - 1.125).abs() < 1e-8, "{found:?}");
}

#[test]
fn lion_stands_still_where_nothing_pulls() {
    let parameters = matrix(&[2.0]);
    let mut lion = Optimizer::new(&Lion::default().into(), &[], &parameters, &[]).unwrap();
    lion.step(&gradients(&parameters, &[&[0.0]]), Clip::default(), 1.0).unwrap();
    assert_eq!(values(&parameters), [2.0]);
}

#[test]
fn biases_do_not_decay_unless_a_group_says_so() {
    for config in all(0.1, 0.5) {
        let decayed = |groups: &[ParameterGroup]| {
            let var = Var::new(&[2.0f64], &Device::Cpu).unwrap();
            let parameters = [("bias".to_owned(), var)];
            let mut optimizer = Optimizer::new(&config, groups, &parameters, &[]).unwrap();
            optimizer.step(&gradients(&parameters, &[&[0.0]]), Clip::default(), 1.0).unwrap();
            values(&parameters) != [2.0]
        };
        let group = ParameterGroup {
            parameters: "bias".into(),
            learning_rate: None,
            weight_decay: Some(0.5),
        };
        assert!(!decayed(&[]), "{config:?}");
        assert!(decayed(&[group]), "{config:?}");
    }
}

#[test]
fn a_group_has_a_learning_rate_of_its_own() {
    let var = Var::new(&[[1.0f64, 1.0], [1.0, 1.0], [1.0, 1.0]], &Device::Cpu).unwrap();
    let parameters = [("w".to_owned(), var)];
    let rows = [NamedRows { parameter: "w".into(), name: "phi".into(), rows: 1..2 }];
    let group = ParameterGroup {
        parameters: "*:phi".into(),
        learning_rate: Some(0.25),
        weight_decay: None,
    };
    // At half the rate, as a schedule has it: the first step of both is one of the rate's size.
    for config in [OptimizerConfig::sgd(0.5), OptimizerConfig::adam(0.5)] {
        parameters[0].1.set(&Tensor::ones((3, 2), DType::F64, &Device::Cpu).unwrap()).unwrap();
        let groups = [group.clone()];
        let mut optimizer = Optimizer::new(&config, &groups, &parameters, &rows).unwrap();
        optimizer.step(&gradients(&parameters, &[&[1.0; 6]]), Clip::default(), 0.5).unwrap();
        for (found, expected) in
            values(&parameters).iter().zip([0.75, 0.75, 0.875, 0.875, 0.75, 0.75])
        {
            assert!((found - expected).abs() < 1e-6, "{config:?}: {found} {expected}");
        }
    }
}

#[test]
fn gradients_are_clipped_by_value_and_then_by_their_common_norm() {
    let run = |clip: Clip| {
        let (a, b) = (
            Var::new(&[0.0f64], &Device::Cpu).unwrap(),
            Var::new(&[[0.0f64, 0.0]], &Device::Cpu).unwrap(),
        );
        let parameters = [("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())];
        let mut sgd = Optimizer::new(&OptimizerConfig::sgd(1.0), &[], &parameters, &[]).unwrap();
        let given = gradients(&parameters, &[&[3.0], &[-4.0, 12.0]]);
        let norm = sgd.step(&given, clip, 1.0).unwrap();
        let b = b.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        (norm, [a.to_vec1::<f64>().unwrap(), b].concat())
    };
    let (norm, found) = run(Clip::default());
    assert_eq!((norm, &found[..]), (13.0, &[-3.0, 4.0, -12.0][..]));
    let (norm, found) = run(Clip { norm: Some(6.5), value: None });
    let scale = 6.5 / (13.0 + NORM_EPSILON);
    assert_eq!(norm, 13.0);
    close(&found, &[-3.0 * scale, 4.0 * scale, -12.0 * scale]);
    let (_, found) = run(Clip { norm: None, value: Some(3.5) });
    close(&found, &[-3.0, 3.5, -3.5]);
    let (norm, found) = run(Clip { norm: Some(2.5), value: Some(4.0) });
    assert_eq!(norm, 41f64.sqrt());
    let scale = 2.5 / (norm + NORM_EPSILON);
    close(&found, &[-3.0 * scale, 4.0 * scale, -4.0 * scale]);
    // A norm below the limit changes nothing.
    assert_eq!(run(Clip { norm: Some(14.0), value: Some(14.0) }).1, [-3.0, 4.0, -12.0]);
}

#[test]
fn f32_follows_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for config in all(0.01, 0.1) {
        let wide = matrix(&random(&mut rng, 19));
        let narrow = Var::from_tensor(&wide[0].1.to_dtype(DType::F32).unwrap()).unwrap();
        let narrow = [("w".to_owned(), narrow)];
        let clip = Clip { norm: Some(1.0), value: Some(0.7) };
        let optimizer = |parameters| Optimizer::new(&config, &[], parameters, &[]).unwrap();
        let (mut of_wide, mut of_narrow) = (optimizer(&wide), optimizer(&narrow));
        for _ in 0..5 {
            let given = gradients(&wide, &[&random(&mut rng, 19)]);
            let Some(Gradient::Dense(whole)) = &given.0[0] else { panic!("a dense gradient") };
            let cast = Gradient::Dense(whole.to_dtype(DType::F32).unwrap());
            of_wide.step(&given, clip, 1.0).unwrap();
            of_narrow.step(&Gradients(vec![Some(cast)]), clip, 1.0).unwrap();
        }
        let found = narrow[0].1.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (wide, narrow) in values(&wide).iter().zip(found) {
            assert!((wide - f64::from(narrow)).abs() < 2e-5, "{config:?}: {wide} {narrow}");
        }
    }
}

/// What another device's memory is updated by does the same in the computer's own.
#[test]
fn operations_of_candle_do_what_the_loops_do() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let clip = Clip { norm: Some(20.0), value: Some(1.5) };
    let group = ParameterGroup {
        parameters: "*:phi".into(),
        learning_rate: Some(0.03),
        weight_decay: None,
    };
    let rows = [NamedRows { parameter: "w".into(), name: "phi".into(), rows: 2..4 }];
    for config in all(0.01, 0.1) {
        let start = random(&mut rng, 21);
        let matrix = || {
            let var = Var::from_slice(&start, (7, 3), &Device::Cpu).unwrap();
            [("w".to_owned(), var)]
        };
        let (loops, operations) = (matrix(), matrix());
        let groups = [group.clone()];
        let optimizer = |of| Optimizer::new(&config, &groups, of, &rows).unwrap();
        let (mut by_loops, mut by_operations) = (optimizer(&loops), optimizer(&operations));
        by_operations.parameters[0].moments =
            Moments::on_device(config.moments().len(), &operations[0].1).unwrap();
        for t in 1..=9 {
            let pull = random(&mut rng, 21);
            let given = gradients(&loops, &[&pull]);
            let norm = by_loops.step(&given, clip, 1.0 / f64::from(t)).unwrap();
            by_operations.step(&given, clip, 1.0 / f64::from(t)).unwrap();
            close(&values(&operations), &values(&loops));
            let Some(Gradient::Dense(gradient)) = &given.0[0] else { panic!("a dense gradient") };
            let squares = on_device::square_sum(gradient, clip.limit()).unwrap();
            close(&[squares.sqrt()], &[norm]);
        }
        for (found, expected) in
            by_operations.moments().unwrap().iter().zip(by_loops.moments().unwrap())
        {
            assert_eq!((&found.0, found.1.dims()), (&expected.0, expected.1.dims()));
            let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            close(&flat(&found.1), &flat(&expected.1));
        }
    }
}

#[test]
fn it_goes_on_from_what_it_remembered() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for config in all(0.01, 0.1) {
        let start = random(&mut rng, 11);
        let pulls: Vec<_> = (0..6).map(|_| random(&mut rng, 11)).collect();
        let run = |optimizer: &mut Optimizer, parameters: &[(String, Var)], pulls: &[Vec<f64>]| {
            for pull in pulls {
                let given = gradients(parameters, &[pull]);
                optimizer.step(&given, Clip::default(), 1.0).unwrap();
            }
        };
        let whole = matrix(&start);
        run(&mut Optimizer::new(&config, &[], &whole, &[]).unwrap(), &whole, &pulls);

        let first = matrix(&start);
        let mut before = Optimizer::new(&config, &[], &first, &[]).unwrap();
        run(&mut before, &first, &pulls[..4]);
        let second = matrix(&values(&first));
        let mut after = Optimizer::new(&config, &[], &second, &[]).unwrap();
        let moments = before.moments().unwrap();
        assert_eq!(moments.len(), config.moments().len());
        let find = |name: &str, _: &Var| {
            Ok(moments.iter().find(|(known, _)| known == name).unwrap().1.clone())
        };
        after.restore(before.steps(), find).unwrap();
        run(&mut after, &second, &pulls[4..]);
        assert_eq!(values(&second), values(&whole), "{config:?}");
    }
}

#[test]
fn gradients_are_added_and_looked_through() {
    let [a, b] = [1.0f64, 2.0].map(|x| Var::new(&[x], &Device::Cpu).unwrap());
    let parameters = [("a".to_owned(), a), ("b".to_owned(), b)];
    let mut sum = gradients(&parameters, &[&[1.0]]);
    assert!(sum.0[1].is_none());
    sum.add(gradients(&parameters, &[&[2.0], &[f64::NAN]])).unwrap();
    let Some(Gradient::Dense(first)) = &sum.0[0] else { panic!("a dense gradient") };
    assert_eq!(first.to_vec1::<f64>().unwrap(), [3.0]);
    assert_eq!(sum.not_finite().unwrap(), [1]);
    sum.add(gradients(&parameters, &[&[f64::INFINITY]])).unwrap();
    assert_eq!(sum.not_finite().unwrap(), [0, 1]);
}

#[test]
fn a_parameter_without_a_gradient_stays() {
    let [used, unused] = [1.0f64, 2.0].map(|x| Var::new(&[x], &Device::Cpu).unwrap());
    let parameters = [("used".to_owned(), used.clone()), ("unused".to_owned(), unused.clone())];
    let config = OptimizerConfig::default();
    let mut optimizer = Optimizer::new(&config, &[], &parameters, &[]).unwrap();
    optimizer.step(&gradients(&parameters, &[&[1.0]]), Clip::default(), 1.0).unwrap();
    assert_eq!(unused.to_vec1::<f64>().unwrap(), [2.0]);
    assert_ne!(used.to_vec1::<f64>().unwrap(), [1.0]);
}

#[test]
fn tables_are_read_and_written() {
    let names = ["sgd", "rmsprop", "adam", "adamw", "lion", "adagrad"];
    assert_eq!(OptimizerConfig::names()[..6], names);
    for name in OptimizerConfig::names() {
        let config: OptimizerConfig = toml::from_str(&format!("name = '{name}'")).unwrap();
        assert_eq!(config.name(), *name);
        let written = toml::to_string(&config).unwrap();
        assert!(written.starts_with(&format!("name = \"{name}\"\nlearning_rate = ")), "{written}");
        assert_eq!(toml::from_str::<OptimizerConfig>(&written).unwrap(), config);
        let unknown = format!("name = '{name}'\nrate = 1.0");
        let message = toml::from_str::<OptimizerConfig>(&unknown).unwrap_err().to_string();
        for part in ["unknown field `rate`", "`learning_rate`", "`weight_decay`"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let message = toml::from_str::<OptimizerConfig>("name = 'adm'").unwrap_err().to_string();
    assert!(message.contains("unknown variant `adm`, expected one of `sgd`"), "{message}");
}

#[test]
fn options_outside_their_range_are_refused() {
    let table = |text: &str| toml::from_str::<OptimizerConfig>(text).unwrap().check();
    for bad in [
        "name = 'sgd'\nmomentum = 1.0",
        "name = 'sgd'\nmomentum = -0.1",
        "name = 'sgd'\nmomentum = nan",
        "name = 'sgd'\nnesterov = true",
        "name = 'rmsprop'\nalpha = 1.0",
        "name = 'rmsprop'\nmomentum = 1.0",
        "name = 'rmsprop'\nepsilon = 0.0",
        "name = 'adam'\nbeta1 = 1.0",
        "name = 'adam'\nbeta2 = nan",
        "name = 'adam'\nlearning_rate = 0.0",
        "name = 'adamw'\nepsilon = inf",
        "name = 'adamw'\nweight_decay = -1.0",
        "name = 'lion'\nbeta1 = 1.0",
        "name = 'adagrad'\nepsilon = 0.0",
        "name = 'lion'\nlearning_rate = inf",
    ] {
        let message = table(bad).unwrap_err().to_string();
        let key = bad.rsplit('\n').next().unwrap().split(' ').next().unwrap();
        let key = if key == "nesterov" { "momentum" } else { key };
        assert!(message.starts_with(&format!("optimizer.{key} is ")), "{bad}: {message}");
    }
    for name in OptimizerConfig::names() {
        table(&format!("name = '{name}'")).unwrap();
    }
    let whole = [("w".to_owned(), Var::new(&[1u32], &Device::Cpu).unwrap())];
    assert!(Optimizer::new(&OptimizerConfig::default(), &[], &whole, &[]).is_err());
}
