//! Losses of a target against sampled items, for recommenders and other models of very many classes.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, bail};

use crate::cpu::sampled::{Rows, sampled_rows};
use crate::run::sampled_loss::{EXCLUDED, SampledLoss};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// The columns of scores that [`sampled_losses`] compares.
#[derive(Clone, Copy, Debug)]
pub struct SampledColumns<'a> {
    /// Of each row the column of its target, and the target's item; `None` for a row that does not count.
    pub targets: &'a [Option<(usize, u32)>],
    /// The item of each column. A column with the item of a row's target is no negative of that row, nor is one
    /// with [`EXCLUDED`](Self::EXCLUDED).
    pub items: &'a [u32],
    /// What is subtracted from each negative's score first, one number for each column; empty for nothing. With the
    /// logarithms of how often each item is expected among the columns, the cross entropy estimates that over all
    /// items (logQ correction: Bengio & Senécal 2008).
    pub offsets: &'a [f64],
}

impl SampledColumns<'_> {
    /// Stands for the item of a column that is the negative of no row.
    pub const EXCLUDED: u32 = EXCLUDED;
}

/// The loss of each row of `scores: [N, C]`, 0 for rows that do not count. The scores are **overwritten** by the
/// gradients of each row's loss with respect to them.
///
/// `scores` is contiguous, in `F32` or `F64`, on the CPU, and outside the computation graph.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_kernels::{SampledColumns, SampledLoss, sampled_losses};
///
/// let scores = Tensor::new(&[[1.0f64, 1.0, 0.0, 1.0]], &Device::Cpu)?;
/// // The target is item 7, in column 0. Column 1 is item 7 too, and not counted.
/// let columns = SampledColumns { targets: &[Some((0, 7))], items: &[7, 7, 2, 3], offsets: &[] };
/// let losses = sampled_losses(&scores, &columns, SampledLoss::CrossEntropy)?;
/// let e = 1f64.exp();
/// assert!((losses[0] + (e / (e + 1.0 + e)).ln()).abs() < 1e-12);
/// let gradient = scores.to_vec2::<f64>()?;
/// assert_eq!(gradient[0][1], 0.0);
/// assert!((gradient[0][2] - 1.0 / (e + 1.0 + e)).abs() < 1e-12);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Scores or columns of other sizes, another data type or device.
pub fn sampled_losses(
    scores: &Tensor,
    columns: &SampledColumns<'_>,
    loss: SampledLoss,
) -> Result<Vec<f64>> {
    let (rows, count) = scores.dims2()?;
    let SampledColumns { targets, items, offsets } = *columns;
    if targets.len() != rows || items.len() != count {
        bail!(
            "sampled losses of scores [{rows}, {count}]: expected as many targets and items, got {} and {}",
            targets.len(),
            items.len()
        );
    }
    if !offsets.is_empty() && offsets.len() != count {
        bail!("sampled losses: expected {count} offsets or none, got {}", offsets.len());
    }
    if let Some((column, _)) = targets.iter().flatten().find(|(column, _)| *column >= count) {
        bail!("sampled losses: expected a target's column below {count}, got {column}");
    }
    let op = SampledOp { columns, loss, isa: Isa::active()?, losses: Mutex::default() };
    scores.inplace_op1(&op)?;
    Ok(op.losses.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct SampledOp<'a> {
    columns: &'a SampledColumns<'a>,
    loss: SampledLoss,
    isa: Isa,
    losses: Mutex<Vec<f64>>,
}

impl SampledOp<'_> {
    fn run<E: Element>(&self, scores: &mut [E]) {
        let SampledColumns { targets, items, offsets } = *self.columns;
        let offsets: Vec<E> = offsets.iter().map(|&offset| E::from_f64(offset)).collect();
        let rows = Rows { loss: self.loss, scores, targets, items, offsets: &offsets };
        *self.losses.lock().unwrap_or_else(PoisonError::into_inner) = sampled_rows(self.isa, rows);
    }
}

impl InplaceOp1 for SampledOp<'_> {
    fn name(&self) -> &'static str {
        "fgn-sampled-losses"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("sampled losses: expected contiguous scores, got strides {:?}", layout.stride())
        };
        let range = start..end;
        match storage {
            CpuStorage::F32(scores) => self.run(&mut scores[range]),
            CpuStorage::F64(scores) => self.run(&mut scores[range]),
            other => bail!("sampled losses: expected f32 or f64, got {:?}", other.dtype()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    const LOSSES: [SampledLoss; 4] = [
        SampledLoss::CrossEntropy,
        SampledLoss::BprMax { regularization: 0.0 },
        SampledLoss::BprMax { regularization: 0.7 },
        SampledLoss::Top1Max,
    ];

    /// The loss of a row by its definition.
    fn naive(loss: SampledLoss, target: f64, negatives: &[f64]) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let sum: f64 = negatives.iter().map(|r| r.exp()).sum();
        let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
            negatives.iter().map(|&r| r.exp() / sum * of(r)).sum()
        };
        match loss {
            SampledLoss::CrossEntropy => -target + (target.exp() + sum).ln(),
            SampledLoss::BprMax { regularization } => {
                -mean(&|r| sigmoid(target - r)).ln() + regularization * mean(&|r| r * r)
            }
            SampledLoss::Top1Max => mean(&|r| sigmoid(r - target) + sigmoid(r * r)),
        }
    }

    /// The negatives of a row, with the column of each.
    fn negatives(row: &[f64], at: usize, columns: &SampledColumns<'_>) -> Vec<(usize, f64)> {
        let (own, item) = columns.targets[at].unwrap();
        let offset = |column: usize| columns.offsets.get(column).copied().unwrap_or(0.0);
        (0..row.len())
            .filter(|&column| column != own)
            .filter(|&column| columns.items[column] != item)
            .filter(|&column| columns.items[column] != SampledColumns::EXCLUDED)
            .map(|column| (column, row[column] - offset(column)))
            .collect()
    }

    /// Numbers from -3 to 3 that follow no pattern.
    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 * 6.0 - 3.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Losses and gradients of both types against the definition and its differences, over sizes that are no whole
    /// vectors, with columns of the target's item, excluded ones, offsets, and rows that do not count.
    #[test]
    fn losses_and_gradients_are_those_of_the_definition() {
        for (nth, count) in [2, 3, 7, 8, 17, 33, 130].into_iter().enumerate() {
            let rows = 5;
            let scores = numbers(rows * count, nth as u64 + 1);
            let mut items: Vec<u32> = (0..count as u32).map(|column| column % 11).collect();
            items[count - 1] = 40;
            if count > 8 {
                items[3] = SampledColumns::EXCLUDED;
            }
            let target = |row: usize| {
                let column = (row * 2) % (count - 1);
                (row != 3).then_some((column, items[column])).filter(|&(_, item)| item < 50)
            };
            let targets: Vec<_> = (0..rows).map(target).collect();
            let offsets = numbers(count, 99);
            for offsets in [&[][..], &offsets] {
                let columns = SampledColumns { targets: &targets, items: &items, offsets };
                for loss in LOSSES {
                    check(loss, &scores, count, &columns);
                }
            }
        }
    }

    fn check(loss: SampledLoss, scores: &[f64], count: usize, columns: &SampledColumns<'_>) {
        let rows = scores.len() / count;
        let tensor = Tensor::from_slice(scores, (rows, count), &Device::Cpu).unwrap();
        let single = tensor.to_dtype(DType::F32).unwrap();
        let losses = sampled_losses(&tensor, columns, loss).unwrap();
        let gradient = tensor.to_vec2::<f64>().unwrap();
        let in_f32 = sampled_losses(&single, columns, loss).unwrap();
        let gradient_in_f32 = single.to_vec2::<f32>().unwrap();
        for at in 0..rows {
            let row = &scores[at * count..(at + 1) * count];
            let Some((own, _)) = columns.targets[at] else {
                assert_eq!((losses[at], in_f32[at]), (0.0, 0.0));
                assert!(gradient[at].iter().all(|&g| g == 0.0));
                continue;
            };
            let value = |row: &[f64]| {
                let of: Vec<f64> = negatives(row, at, columns).iter().map(|it| it.1).collect();
                naive(loss, row[own], &of)
            };
            let expected = value(row);
            assert!((losses[at] - expected).abs() < 1e-12, "{loss:?}: {} {expected}", losses[at]);
            assert!((in_f32[at] - expected).abs() < 2e-5, "{loss:?}: {} {expected}", in_f32[at]);
            for column in 0..count {
                let step = 1e-5;
                let at_offset = |by: f64| {
                    let mut row = row.to_vec();
                    row[column] += by;
                    value(&row)
                };
                let slope = (at_offset(step) - at_offset(-step)) / (2.0 * step);
                let (found, narrow) =
                    (gradient[at][column], f64::from(gradient_in_f32[at][column]));
                assert!((found - slope).abs() < 1e-8, "{loss:?}, {column}: {found} {slope}");
                assert!((narrow - slope).abs() < 2e-5, "{loss:?}, {column}: {narrow} {slope}");
            }
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        let scores = numbers(3 * 37, 5);
        let items: Vec<u32> = (0..37).collect();
        let targets: Vec<_> = [0, 20, 36].map(|column| Some((column, column as u32))).to_vec();
        for loss in LOSSES {
            let results: Vec<_> = Isa::available()
                .into_iter()
                .map(|isa| {
                    let mut scores: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
                    let rows = Rows {
                        loss,
                        scores: &mut scores,
                        targets: &targets,
                        items: &items,
                        offsets: &[],
                    };
                    (sampled_rows(isa, rows), scores)
                })
                .collect();
            for (losses, gradients) in &results[1..] {
                let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * (1.0 + a.abs());
                assert!(losses.iter().zip(&results[0].0).all(|(&a, &b)| close(a, b)));
                let gradients = gradients.iter().zip(&results[0].1);
                assert!(gradients.into_iter().all(|(&a, &b)| close(a.into(), b.into())));
            }
        }
    }

    #[test]
    fn large_scores_overflow_nothing() {
        for scale in [1e2, 1e4] {
            for sign in [1.0, -1.0] {
                let scores: Vec<f32> = (0..20).map(|at| at as f32 * scale * sign).collect();
                let items: Vec<u32> = (0..20).collect();
                for loss in LOSSES {
                    let scores = Tensor::from_slice(&scores, (1, 20), &Device::Cpu).unwrap();
                    let targets = [Some((3, 3))];
                    let columns = SampledColumns { targets: &targets, items: &items, offsets: &[] };
                    let losses = sampled_losses(&scores, &columns, loss).unwrap();
                    assert!(losses[0].is_finite(), "{loss:?}: {losses:?}");
                    let gradient = scores.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    assert!(gradient.iter().all(|g| g.is_finite()), "{loss:?}: {gradient:?}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let scores = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let refused = |targets: &[Option<(usize, u32)>], items: &[u32], offsets: &[f64]| {
            let columns = SampledColumns { targets, items, offsets };
            sampled_losses(&scores, &columns, SampledLoss::Top1Max).is_err()
        };
        assert!(refused(&[None], &[0, 1, 2], &[]));
        assert!(refused(&[None, None], &[0, 1], &[]));
        assert!(refused(&[None, Some((3, 0))], &[0, 1, 2], &[]));
        assert!(refused(&[None, None], &[0, 1, 2], &[0.0]));
        assert!(!refused(&[None, None], &[0, 1, 2], &[]));
    }
}
