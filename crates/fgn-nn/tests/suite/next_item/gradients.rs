//! The gradient with respect to every parameter, against central differences, and sparse gradients against dense ones.

use fgn_nn::{ItemLoss, NextItem};

use super::{SAMPLED, TARGETS, head, model, trained};
use crate::common::{check_gradients, flat};

fn check(head: NextItem) {
    let model = model(head);
    check_gradients(model.parameters(), || {
        let (_, loss) = trained(&model, 5);
        assert_eq!(loss.targets, TARGETS.len());
        loss.mean
    });
}

#[test]
fn every_loss() {
    check(head(ItemLoss::CrossEntropy));
    for loss in SAMPLED {
        for in_batch in [false, true] {
            check(NextItem { in_batch, ..head(loss) });
        }
    }
}

#[test]
fn tied_vectors_dropout_and_no_bias() {
    for loss in [ItemLoss::CrossEntropy, ItemLoss::SampledSoftmax, ItemLoss::BprMax] {
        check(NextItem { bias: false, dropout: 0.3, ..head(loss) });
        // The embedding has another size than the recurrent layer.
        check(NextItem { tied: Some(3), ..head(loss) });
    }
}

/// The rows of a sparse gradient are those of the dense one; its other rows are zero.
#[test]
fn sparse_gradients_are_dense_ones() {
    for loss in SAMPLED {
        for tied in [None, Some(3)] {
            let dense = model(NextItem { tied, ..head(loss) });
            let sparse = model(NextItem { tied, sparse: true, ..head(loss) });
            let (one, other) = (trained(&dense, 9).1.mean, trained(&sparse, 9).1.mean);
            assert_eq!(flat(&one), flat(&other));
            let (one, other) = (one.backward().unwrap(), other.backward().unwrap());
            let touched = sparse.take_touched_rows();
            for ((name, var), (_, whole)) in sparse.parameters().iter().zip(dense.parameters()) {
                let mut sum = vec![0.0; var.elem_count()];
                if let Some(gradient) = other.get(var) {
                    sum = flat(gradient);
                }
                for rows in touched.iter().filter(|rows| rows.parameter == *name) {
                    assert!(other.get(var).is_none());
                    let gradient = flat(other.get(&rows.values).unwrap());
                    let width = var.elem_count() / var.dims()[0];
                    for (row, values) in rows.rows.iter().zip(gradient.chunks(width)) {
                        let to = &mut sum[*row as usize * width..][..width];
                        to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
                    }
                }
                let expected = flat(one.get(whole).unwrap());
                for (found, expected) in sum.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-12, "{name}: {found} {expected}");
                }
            }
            let names: Vec<_> = touched.iter().map(|rows| rows.parameter.as_str()).collect();
            let vectors = if tied.is_some() { "input.embedding.weight" } else { "head.weight" };
            assert_eq!(names, ["input.embedding.weight", vectors, "head.bias"]);
            assert!(sparse.take_touched_rows().is_empty());
        }
    }
}
