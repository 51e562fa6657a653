//! Scores of all items: the best of them, and the ranks of targets.

use candle_core::{DType, Tensor, WithDType};
use fgn_schema::{RankedTargets, Ranking};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

use crate::error::Result;
use crate::top::{rank, top};

/// How many items of a ranking are kept.
pub(super) const KEPT: usize = 100;

/// How many scores are in memory at once.
const SCORES: usize = 1 << 23;

/// The ranking of all items after each of `rows: [N, E]`, with those of the targets if they are given: one for each
/// row, below `V`. `vectors` is `[V, E]`, `bias` is `[V]`.
pub(super) fn ranking(
    rows: &Tensor,
    vectors: &Tensor,
    bias: Option<&Tensor>,
    targets: Option<&[u32]>,
) -> Result<Ranking> {
    let bias = bias.map(|bias| bias.to_dtype(DType::F64)?.to_vec1::<f64>()).transpose()?;
    let found = match rows.dtype() {
        DType::F64 => score::<f64>(rows, vectors, bias.as_deref(), targets)?,
        _ => score::<f32>(rows, vectors, bias.as_deref(), targets)?,
    };
    let (count, kept) = (found.len(), KEPT.min(vectors.dim(0)?));
    let device = rows.device();
    let items = found.iter().flat_map(|row| row.best.iter().map(|best| best.0));
    let scores = found.iter().flat_map(|row| row.best.iter().map(|best| best.1));
    let items = Tensor::from_vec(items.collect::<Vec<u32>>(), (count, kept), device)?;
    let scores = Tensor::from_vec(scores.collect::<Vec<f32>>(), (count, kept), device)?;
    let targets = match targets {
        None => None,
        Some(_) => {
            let ranks: Vec<u32> = found.iter().map(|row| row.rank).collect();
            let likelihoods: Vec<f64> = found.iter().map(|row| row.log_likelihood).collect();
            Some(RankedTargets {
                ranks: Tensor::from_vec(ranks, count, device)?,
                log_likelihoods: Tensor::from_vec(likelihoods, count, device)?,
            })
        }
    };
    Ok(Ranking::new(items, scores, targets)?)
}

/// What is known of a row.
struct Row {
    /// The best items with their scores.
    best: Vec<(u32, f32)>,
    rank: u32,
    log_likelihood: f64,
}

fn score<T: WithDType>(
    rows: &Tensor,
    vectors: &Tensor,
    bias: Option<&[f64]>,
    targets: Option<&[u32]>,
) -> Result<Vec<Row>> {
    let (count, items) = (rows.dim(0)?, vectors.dim(0)?);
    let bias: Option<Vec<T>> =
        bias.map(|bias| bias.iter().map(|&bias| T::from_f64(bias)).collect());
    let together = (SCORES / items).clamp(1, count.max(1));
    let vectors = vectors.t()?;
    let mut found = Vec::with_capacity(count);
    for start in (0..count).step_by(together) {
        let part = rows.narrow(0, start, together.min(count - start))?.contiguous()?;
        let scores = part.matmul(&vectors)?.flatten_all()?.to_vec1::<T>()?;
        let of_part = scores.par_chunks_exact(items).enumerate().map(|(at, scores)| {
            row(scores, bias.as_deref(), targets.map(|targets| targets[start + at]))
        });
        found.extend(of_part.collect::<Vec<_>>());
    }
    Ok(found)
}

/// The best items of a row of scores, and where the target is among all.
fn row<T: WithDType>(scores: &[T], bias: Option<&[T]>, target: Option<u32>) -> Row {
    let sums: Vec<T>;
    let scores = match bias {
        None => scores,
        Some(bias) => {
            sums = scores.iter().zip(bias).map(|(&score, &bias)| score + bias).collect();
            &sums
        }
    };
    let best = top(scores, KEPT, |_| false);
    let best: Vec<(u32, f32)> =
        best.into_iter().map(|(item, score)| (item, score.to_f64() as f32)).collect();
    let Some(target) = target else { return Row { best, rank: 0, log_likelihood: f64::NAN } };
    let score = scores[target as usize];
    let rank = rank(scores, target as usize) as u32;
    let largest = best.first().map_or(f64::NAN, |best| f64::from(best.1));
    let sum: f64 = scores.iter().map(|score| (score.to_f64() - largest).exp()).sum();
    Row { best, rank, log_likelihood: score.to_f64() - largest - sum.ln() }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Ranks, likelihoods and the best items against plain loops over all scores, with ties.
    #[test]
    fn rankings_are_those_of_all_scores() {
        let (count, items, size) = (7, 150, 3);
        let number = |at: usize| ((at * 7919) % 13) as f64 / 4.0 - 1.5;
        let tensor = |count: usize, size: usize| {
            let values: Vec<f64> = (0..count * size).map(number).collect();
            Tensor::from_vec(values, (count, size), &Device::Cpu).unwrap()
        };
        let (rows, vectors) = (tensor(count, size), tensor(items, size));
        let bias: Vec<f64> = (0..items).map(|at| number(at + 5)).collect();
        let targets: Vec<u32> = (0..count as u32).map(|row| row * 20).collect();
        for with_bias in [false, true] {
            let of_items = Tensor::new(&bias[..], &Device::Cpu).unwrap();
            let of_items = with_bias.then_some(&of_items);
            let found = ranking(&rows, &vectors, of_items, Some(&targets)).unwrap();
            let all = rows.matmul(&vectors.t().unwrap()).unwrap().to_vec2::<f64>().unwrap();
            let known = found.targets().unwrap();
            let ranks = known.ranks.to_vec1::<u32>().unwrap();
            let likelihoods = known.log_likelihoods.to_vec1::<f64>().unwrap();
            let best = found.items().tensor().to_vec2::<u32>().unwrap();
            for (row, scores) in all.iter().enumerate() {
                let bias = |item: usize| if with_bias { bias[item] } else { 0.0 };
                let scores: Vec<f64> =
                    scores.iter().enumerate().map(|(item, score)| score + bias(item)).collect();
                let own = scores[targets[row] as usize];
                let rank = scores.iter().filter(|&&score| score >= own).count();
                assert_eq!(ranks[row] as usize, rank);
                let sum: f64 = scores.iter().map(|score| score.exp()).sum();
                assert!((likelihoods[row] - (own - sum.ln())).abs() < 1e-6);
                let mut sorted: Vec<u32> = (0..items as u32).collect();
                sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
                assert_eq!(best[row], sorted[..KEPT]);
            }
        }
        assert!(ranking(&rows, &vectors, None, None).unwrap().targets().is_none());
    }

    #[test]
    fn what_is_nan_ranks_last() {
        let rows = Tensor::new(&[[1f32], [f32::NAN]], &Device::Cpu).unwrap();
        let vectors = Tensor::new(&[[1f32], [f32::NAN], [3.0]], &Device::Cpu).unwrap();
        let found = ranking(&rows, &vectors, None, Some(&[0, 0])).unwrap();
        assert_eq!(found.targets().unwrap().ranks.to_vec1::<u32>().unwrap(), [2, 3]);
        assert_eq!(found.items().tensor().to_vec2::<u32>().unwrap()[0], [2, 0, 1]);
    }
}
