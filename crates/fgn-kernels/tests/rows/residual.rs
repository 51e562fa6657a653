use candle_core::{DType, Device, Tensor};
use fgn_kernels::{add_bias, add_residual};

use crate::common::{WIDTHS, check, numbers, var};

#[test]
fn a_residual_connection_adds_what_its_mask_keeps() {
    let (steps, batch) = (26, 5);
    for width in WIDTHS {
        let shape = [steps, batch, width];
        let vars = [var(&shape, 1), var(&shape, 2), var(&[width], 3)];
        for rows_of_mask in [0, batch, steps * batch] {
            let mask = numbers(rows_of_mask * width, 4);
            check(
                &vars,
                &|of| {
                    let mask = (rows_of_mask > 0).then(|| {
                        let dims = (rows_of_mask, width);
                        let mask = Tensor::from_slice(&mask, dims, &Device::Cpu).unwrap();
                        mask.to_dtype(of[0].dtype()).unwrap()
                    });
                    add_residual(&of[0], &of[1], &of[2], mask.as_ref()).unwrap()
                },
                &|of| {
                    let number = |at: usize| {
                        let kept = if mask.is_empty() { 1.0 } else { mask[at % mask.len()] };
                        of[0][at] + (of[1][at] + of[2][at % width]) * kept
                    };
                    (0..of[0].len()).map(number).collect()
                },
            );
        }
    }
}

#[test]
fn a_bias_is_added_to_each_row() {
    for width in WIDTHS {
        check(
            &[var(&[130, width], 1), var(&[width], 2)],
            &|of| add_bias(&of[0], &of[1]).unwrap(),
            &|of| (0..of[0].len()).map(|at| of[0][at] + of[1][at % width]).collect(),
        );
    }
}

/// A dropped number passes no gradient, and a mask has none.
#[test]
fn a_mask_has_no_gradient() {
    let [x, y, mask] = [1, 2, 3].map(|seed| var(&[2, 3], seed));
    let bias = var(&[3], 4);
    let zero = Tensor::zeros((1, 3), DType::F64, &Device::Cpu).unwrap();
    let sum = add_residual(&x, &y, &bias, Some(&zero)).unwrap();
    let gradients = sum.sum_all().unwrap().backward().unwrap();
    let of_y = gradients.get(&y).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(of_y, [0.0; 6]);
    let sum = add_residual(&x, &y, &bias, Some(&mask)).unwrap();
    assert!(sum.sum_all().unwrap().backward().unwrap().get(&mask).is_none());
}
