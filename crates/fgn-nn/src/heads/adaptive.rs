//! Adaptive softmax, for large vocabularies.

use std::ops::Range;

use candle_core::{D, Tensor, Var};
use candle_nn::ops::log_softmax;
use fgn_schema::IGNORED;

use crate::error::{Error, Result};
use crate::init::{uniform, xavier_bound};
use crate::parameters::Parameters;

/// Adaptive softmax (Grave et al. 2017): rare tokens are in clusters, each with fewer features than the one before.
/// The probability of a rare token is that of its cluster times that of the token in it. Only the clusters of the
/// targets are computed.
///
/// The parameters are those of PyTorch's `AdaptiveLogSoftmaxWithLoss` with `div_value=2`: `head.weight [C + K, H]` for
/// the `C` most frequent tokens and `K` clusters, and for cluster `k` `tail.{k}.0.weight [H / 2^(k+1), H]` and
/// `tail.{k}.1.weight [tokens, H / 2^(k+1)]`.
#[derive(Debug)]
pub(super) struct Adaptive {
    head: Var,
    clusters: Vec<Cluster>,
    /// How many tokens are in no cluster.
    frequent: usize,
    vocabulary: usize,
}

#[derive(Debug)]
struct Cluster {
    projection: Var,
    weight: Var,
    tokens: Range<usize>,
}

impl Adaptive {
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        [inputs, vocabulary]: [usize; 2],
        cutoffs: &[usize],
    ) -> Result<Adaptive> {
        let mut take = |name: String, rows: usize, columns: usize| {
            let bound = xavier_bound(columns, rows);
            parameters
                .take(name, &[rows, columns], |generator| uniform(generator, rows * columns, bound))
        };
        let frequent = cutoffs.first().copied().unwrap_or(vocabulary);
        let head = take(format!("{name}.head.weight"), frequent + cutoffs.len(), inputs)?;
        let ends = cutoffs.iter().skip(1).chain([&vocabulary]);
        let ranges = cutoffs.iter().zip(ends).map(|(&start, &end)| start..end);
        let cluster = |(at, tokens): (usize, Range<usize>)| {
            let size = (inputs >> (at + 1)).max(1);
            Ok(Cluster {
                projection: take(format!("{name}.tail.{at}.0.weight"), size, inputs)?,
                weight: take(format!("{name}.tail.{at}.1.weight"), tokens.len(), size)?,
                tokens,
            })
        };
        let clusters = ranges.enumerate().map(cluster).collect::<Result<_>>()?;
        Ok(Adaptive { head, clusters, frequent, vocabulary })
    }

    fn head(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(log_softmax(&rows.matmul(&self.head.t()?)?, D::Minus1)?)
    }

    /// The logarithms of the probabilities of all tokens: `rows: [N, H]` to `[N, V]`.
    pub(super) fn log_probabilities(&self, rows: &Tensor) -> Result<Tensor> {
        let head = self.head(rows)?;
        let mut parts = vec![head.narrow(1, 0, self.frequent)?];
        for (at, cluster) in self.clusters.iter().enumerate() {
            let of_cluster = head.narrow(1, self.frequent + at, 1)?;
            parts.push(cluster.log_probabilities(rows)?.broadcast_add(&of_cluster)?);
        }
        Ok(Tensor::cat(&parts, 1)?)
    }

    /// The logarithm of the probability of each target: `rows: [N, H]` and `target: [N]` in `U32` to `[N]`; 0 for
    /// a target that is ignored.
    pub(super) fn log_likelihoods(&self, rows: &Tensor, target: &Tensor) -> Result<Tensor> {
        let tokens = target.to_vec1::<u32>()?;
        let is_wrong = |token: &u32| *token != IGNORED && *token as usize >= self.vocabulary;
        if let Some(index) = tokens.iter().position(is_wrong) {
            let (found, last) = (tokens[index], self.vocabulary - 1);
            return Err(Error::Target { index, found, last });
        }
        let head = self.head(rows)?;
        let mut sum = Tensor::zeros(tokens.len(), rows.dtype(), rows.device())?;
        let column = |token: u32| match self.clusters.iter().position(|it| it.has(token)) {
            Some(at) => (self.frequent + at) as u32,
            None => token,
        };
        let counted = |at: &usize| tokens[*at] != IGNORED;
        let all: Vec<usize> = (0..tokens.len()).filter(counted).collect();
        if all.is_empty() {
            return Ok(sum);
        }
        let columns = all.iter().map(|&at| column(tokens[at])).collect();
        sum = add(&sum, &head.index_select(&indices(&all, rows)?, 0)?, &all, columns)?;
        for cluster in &self.clusters {
            let its: Vec<usize> =
                all.iter().copied().filter(|&at| cluster.has(tokens[at])).collect();
            if its.is_empty() {
                continue;
            }
            let within = rows.index_select(&indices(&its, rows)?, 0)?;
            let start = cluster.tokens.start as u32;
            let columns = its.iter().map(|&at| tokens[at] - start).collect();
            sum = add(&sum, &cluster.log_probabilities(&within)?, &its, columns)?;
        }
        Ok(sum)
    }
}

impl Cluster {
    fn has(&self, token: u32) -> bool {
        self.tokens.contains(&(token as usize))
    }

    fn log_probabilities(&self, rows: &Tensor) -> Result<Tensor> {
        let logits = rows.matmul(&self.projection.t()?)?.matmul(&self.weight.t()?)?;
        Ok(log_softmax(&logits, D::Minus1)?)
    }
}

/// Adds the value in a column of each row of `values` to `sum` at those `rows`.
fn add(sum: &Tensor, values: &Tensor, rows: &[usize], columns: Vec<u32>) -> Result<Tensor> {
    let columns = Tensor::from_vec(columns, (rows.len(), 1), values.device())?;
    Ok(sum.index_add(&indices(rows, values)?, &values.gather(&columns, 1)?.squeeze(1)?, 0)?)
}

fn indices(rows: &[usize], like: &Tensor) -> Result<Tensor> {
    let indices: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    Ok(Tensor::from_vec(indices, rows.len(), like.device())?)
}
