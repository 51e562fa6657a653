use fgn_kernels::{layer_norm, rms_norm};

use crate::common::{ROWS, WIDTHS, check, var};

const EPSILON: f64 = 1e-2;

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}

#[test]
fn rms_norm_is_what_its_formula_says() {
    for width in WIDTHS {
        for rows in ROWS {
            check(
                &[var(&[rows, width], 1), var(&[width], 2)],
                &|of| rms_norm(&of[0], &of[1], EPSILON).unwrap(),
                &|of| {
                    let row = |x: &[f64]| {
                        let scale = (mean(x.iter().map(|x| x * x)) + EPSILON).sqrt();
                        x.iter().zip(&of[1]).map(|(x, w)| x / scale * w).collect::<Vec<_>>()
                    };
                    of[0].chunks(width).flat_map(row).collect()
                },
            );
        }
    }
}

#[test]
fn layer_norm_is_what_its_formula_says() {
    for width in WIDTHS {
        for rows in ROWS {
            check(
                &[var(&[rows, width], 1), var(&[width], 2), var(&[width], 3)],
                &|of| layer_norm(&of[0], &of[1], &of[2], EPSILON).unwrap(),
                &|of| {
                    let row = |x: &[f64]| {
                        let centre = mean(x.iter().copied());
                        let variance = mean(x.iter().map(|x| (x - centre) * (x - centre)));
                        let scale = (variance + EPSILON).sqrt();
                        let parameters = of[1].iter().zip(&of[2]);
                        let numbers = x.iter().zip(parameters);
                        let numbers = numbers.map(|(x, (w, b))| (x - centre) / scale * w + b);
                        numbers.collect::<Vec<_>>()
                    };
                    of[0].chunks(width).flat_map(row).collect()
                },
            );
        }
    }
}
