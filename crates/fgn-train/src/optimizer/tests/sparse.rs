//! Gradients of some rows.

use fgn_nn::TouchedRows;

use super::*;
use crate::optimizer::rules::adagrad::Adagrad;

const ROWS: usize = 7;
const WIDTH: usize = 3;

fn table(values: &[f64]) -> [(String, Var); 1] {
    let var = Var::from_slice(values, (ROWS, WIDTH), &Device::Cpu).unwrap();
    [("t".to_owned(), var)]
}

/// The gradients of a loss that reads some rows of a table, twice, each time as a variable of its own. `pulls` are the
/// gradients of each row that was read.
fn read_twice(parameters: &[(String, Var)], reads: [&[u32]; 2], pulls: [&[f64]; 2]) -> Gradients {
    let mut touched = Vec::new();
    let mut loss = Tensor::zeros((), DType::F64, &Device::Cpu).unwrap();
    for (rows, pulls) in reads.into_iter().zip(pulls).filter(|it| !it.0.is_empty()) {
        let indices = Tensor::new(rows, &Device::Cpu).unwrap();
        let values = parameters[0].1.as_detached_tensor().index_select(&indices, 0).unwrap();
        let values = Var::from_tensor(&values).unwrap();
        let pulls = Tensor::from_slice(pulls, (rows.len(), WIDTH), &Device::Cpu).unwrap();
        loss = (loss + (values.as_tensor() * pulls).unwrap().sum_all().unwrap()).unwrap();
        touched.push(TouchedRows { parameter: "t".into(), rows: rows.to_vec(), values });
    }
    Gradients::with_rows(parameters, &loss.backward().unwrap(), &touched).unwrap()
}

/// What `read_twice` has of the whole table.
fn spread(reads: [&[u32]; 2], pulls: [&[f64]; 2]) -> Vec<f64> {
    let mut whole = vec![0.0; ROWS * WIDTH];
    for (rows, pulls) in reads.into_iter().zip(pulls) {
        for (&row, pull) in rows.iter().zip(pulls.chunks(WIDTH)) {
            for (to, pull) in whole[row as usize * WIDTH..].iter_mut().zip(pull) {
                *to += pull;
            }
        }
    }
    whole
}

const STEPS: [[&[u32]; 2]; 4] =
    [[&[1, 4], &[0, 4, 6]], [&[4], &[4]], [&[0, 1, 2, 3, 4, 5, 6], &[2]], [&[6], &[0, 5]]];

/// Rows that are read are updated as they are by dense gradients; others stay, and so do their moments. Rules for
/// which a gradient of zero is no step give the same as dense gradients altogether.
#[test]
fn rows_that_are_read_are_updated_and_no_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let clip = Clip { norm: Some(6.0), value: Some(1.5) };
    for config in all(0.01, 0.1) {
        let start = random(&mut rng, ROWS * WIDTH);
        let (sparse, operations) = (table(&start), table(&start));
        let optimizer = |of: &[(String, Var)]| Optimizer::new(&config, &[], of, &[]).unwrap();
        let (mut of_sparse, mut of_operations) = (optimizer(&sparse), optimizer(&operations));
        let moments = Moments::on_device(config.moments().len(), &operations[0].1).unwrap();
        of_operations.parameters[0].moments = moments;
        // A table of its own for each row, which makes a step only where the row is read.
        let alone: Vec<_> = start.chunks(WIDTH).map(matrix).collect();
        let mut of_alone: Vec<_> = alone.iter().map(|row| optimizer(row)).collect();
        for (t, reads) in STEPS.into_iter().enumerate() {
            let pulls = reads.map(|rows| random(&mut rng, rows.len() * WIDTH));
            let pulls = [&pulls[0][..], &pulls[1]];
            let norm = of_sparse.step(&read_twice(&sparse, reads, pulls), clip, 0.5).unwrap();
            of_operations.step(&read_twice(&operations, reads, pulls), clip, 0.5).unwrap();
            let whole = spread(reads, pulls);
            let clamped = whole.iter().map(|g| g.clamp(-1.5, 1.5).powi(2)).sum::<f64>().sqrt();
            close(&[norm], &[clamped]);
            let scale = (6.0 / (norm + NORM_EPSILON)).min(1.0);
            for (row, (optimizer, parameter)) in of_alone.iter_mut().zip(&alone).enumerate() {
                let is_read = reads.iter().any(|rows| rows.contains(&(row as u32)));
                optimizer.steps = t as u64;
                if is_read {
                    let pull = &whole[row * WIDTH..(row + 1) * WIDTH];
                    let pull: Vec<f64> = pull.iter().map(|g| g.clamp(-1.5, 1.5) * scale).collect();
                    let given = gradients(parameter, &[&pull]);
                    optimizer.step(&given, Clip::default(), 0.5).unwrap();
                }
            }
            let expected: Vec<f64> = alone.iter().flat_map(|row| values(row)).collect();
            close(&values(&sparse), &expected);
            close(&values(&operations), &expected);
        }
        let flat = |of: &Optimizer| -> Vec<f64> {
            let moments = of.moments().unwrap().into_iter();
            moments.flat_map(|it| it.1.flatten_all().unwrap().to_vec1::<f64>().unwrap()).collect()
        };
        close(&flat(&of_operations), &flat(&of_sparse));
    }
}

#[test]
fn adagrad_and_plain_descent_are_the_same_for_dense_gradients() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let adagrad = Adagrad { learning_rate: 0.1, ..Adagrad::default() };
    for config in [adagrad.into(), OptimizerConfig::sgd(0.1)] {
        let start = random(&mut rng, ROWS * WIDTH);
        let (sparse, dense) = (table(&start), table(&start));
        let optimizer = |of| Optimizer::new(&config, &[], of, &[]).unwrap();
        let (mut of_sparse, mut of_dense) = (optimizer(&sparse), optimizer(&dense));
        for reads in STEPS {
            let pulls = reads.map(|rows| random(&mut rng, rows.len() * WIDTH));
            let pulls = [&pulls[0][..], &pulls[1]];
            let rows = read_twice(&sparse, reads, pulls);
            of_sparse.step(&rows, Clip::default(), 1.0).unwrap();
            let whole = gradients(&dense, &[&spread(reads, pulls)]);
            of_dense.step(&whole, Clip::default(), 1.0).unwrap();
        }
        assert_eq!(values(&sparse), values(&dense));
    }
}

/// Several batches: rows are merged, with dense gradients too.
#[test]
fn rows_are_added_to_rows_and_to_whole_gradients() {
    let parameters = table(&[0.0; ROWS * WIDTH]);
    let ones = [1.0; ROWS * WIDTH];
    let rows = |read: &'static [u32]| {
        read_twice(&parameters, [read, &[]], [&ones[..read.len() * WIDTH], &[]])
    };
    let mut sum = rows(&[0, 3]);
    sum.add(rows(&[3, 5])).unwrap();
    sum.scale(0.5).unwrap();
    let Some(Gradient::Rows(found, values)) = &sum.0[0] else { panic!("rows") };
    assert_eq!(found, &[0, 3, 5]);
    assert_eq!(values.to_vec2::<f64>().unwrap(), [[0.5; 3], [1.0; 3], [0.5; 3]]);
    sum.add(gradients(&parameters, &[&ones])).unwrap();
    let Some(Gradient::Dense(whole)) = &sum.0[0] else { panic!("a dense gradient") };
    let firsts: Vec<f64> = whole.to_vec2::<f64>().unwrap().iter().map(|row| row[0]).collect();
    assert_eq!(firsts, [1.5, 1.0, 1.0, 2.0, 1.0, 1.5, 1.0]);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let parameters = table(&[0.0; ROWS * WIDTH]);
    let mut sgd = Optimizer::new(&OptimizerConfig::sgd(1.0), &[], &parameters, &[]).unwrap();
    for (rows, shape) in [(vec![7], [1, WIDTH]), (vec![0, 1], [1, WIDTH]), (vec![0], [1, 2])] {
        let values = Tensor::ones(&shape, DType::F64, &Device::Cpu).unwrap();
        let given = Gradients(vec![Some(Gradient::Rows(rows, values))]);
        assert!(sgd.step(&given, Clip::default(), 1.0).is_err());
    }
    assert_eq!(super::values(&parameters), [0.0; ROWS * WIDTH]);
}
