use fgn_kernels::gated;

use crate::common::{ROWS, WIDTHS, check, sigmoid, var};

fn oracle(x: &[f64], bias: &[f64]) -> Vec<f64> {
    let half = bias.len() / 2;
    let row = |x: &[f64]| -> Vec<f64> {
        let x: Vec<f64> = x.iter().zip(bias).map(|(x, b)| x + b).collect();
        (0..half).map(|at| x[at] * sigmoid(x[at]) * x[half + at]).collect()
    };
    x.chunks(bias.len()).flat_map(row).collect()
}

#[test]
fn it_is_what_its_formula_says() {
    for width in WIDTHS {
        for rows in ROWS {
            let x = var(&[rows, 2 * width], 1);
            let bias = var(&[2 * width], 2);
            check(std::slice::from_ref(&x), &|of| gated(&of[0], None).unwrap(), &|of| {
                oracle(&of[0], &vec![0.0; 2 * width])
            });
            check(&[x, bias], &|of| gated(&of[0], Some(&of[1])).unwrap(), &|of| {
                oracle(&of[0], &of[1])
            });
        }
    }
}
