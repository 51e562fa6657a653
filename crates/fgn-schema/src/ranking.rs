//! The best of many items, and the ranks of targets among all of them.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};
use crate::padded::Padded;

/// The best of many items after some steps, without the scores of all others: what a recommender computes.
///
/// With targets there is one row for each step whose target counts, sample by sample: steps that are padding or
/// [`IGNORED`](crate::IGNORED) have none. Without targets there is one row for each sample, after its last step.
#[derive(Clone, Debug)]
pub struct Ranking {
    items: Padded,
    scores: Tensor,
    targets: Option<RankedTargets>,
}

/// Where targets are among all items, one for each row of a [`Ranking`].
#[derive(Clone, Debug)]
pub struct RankedTargets {
    /// The rank of each target, `[N]` in `U32`: 1 for the best. Of items with the same score the target is the last,
    /// so that a model that scores all items alike ranks none of them well.
    pub ranks: Tensor,
    /// The logarithm of each target's probability among all items, `[N]`.
    pub log_likelihoods: Tensor,
}

impl Ranking {
    /// The best `K` items of each row, `[N, K]` in `U32`, the best first, their scores, `[N, K]`, and where the
    /// targets are, if they are known.
    ///
    /// # Errors
    /// [`Error::Target`] for tensors of other shapes.
    pub fn new(items: Tensor, scores: Tensor, targets: Option<RankedTargets>) -> Result<Ranking> {
        let wrong = |found: &Tensor, expected: String| {
            Err(Error::Target { found: found.dims().to_vec(), expected })
        };
        let [rows, _] = *items.dims() else { return wrong(&items, "items [N, K]".into()) };
        if items.dtype() != DType::U32 || scores.dims() != items.dims() {
            return wrong(&scores, format!("scores of items {:?} in U32", items.dims()));
        }
        for of_targets in targets.iter().flat_map(|it| [&it.ranks, &it.log_likelihoods]) {
            if of_targets.dims() != [rows] {
                return wrong(of_targets, format!("[{rows}], one for each row of items"));
            }
        }
        Ok(Ranking { items: items.into(), scores, targets })
    }

    /// The best items of each row, `[N, K]` in `U32`, the best first.
    pub fn items(&self) -> &Padded {
        &self.items
    }

    /// Their scores, `[N, K]`: unnormalised log-probabilities.
    pub fn scores(&self) -> &Tensor {
        &self.scores
    }

    /// Where the targets are, if there are any.
    pub fn targets(&self) -> Option<&RankedTargets> {
        self.targets.as_ref()
    }

    /// The same numbers, outside the computation graph.
    pub fn detach(&self) -> Ranking {
        let targets = self.targets.as_ref().map(|targets| RankedTargets {
            ranks: targets.ranks.detach(),
            log_likelihoods: targets.log_likelihoods.detach(),
        });
        Ranking { items: self.items.detach(), scores: self.scores.detach(), targets }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn rows_belong_together() {
        let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        let items = || zeros(&[3, 2], DType::U32);
        let scores = || zeros(&[3, 2], DType::F32);
        let targets = |rows| RankedTargets {
            ranks: zeros(&[rows], DType::U32),
            log_likelihoods: zeros(&[rows], DType::F32),
        };
        let ranking = Ranking::new(items(), scores(), Some(targets(3))).unwrap();
        assert_eq!(ranking.detach().items().tensor().dims(), [3, 2]);
        assert!(Ranking::new(items(), scores(), None).unwrap().targets().is_none());
        assert!(Ranking::new(items(), scores(), Some(targets(2))).is_err());
        assert!(Ranking::new(items(), zeros(&[3, 1], DType::F32), None).is_err());
        assert!(Ranking::new(scores(), scores(), None).is_err());
    }
}
