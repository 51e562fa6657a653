//! The losses of a target against sampled items.

/// How the score of a target is compared with those of other items. With `r` the target's score, `r_j` those of the
/// negatives, `σ` the logistic sigmoid and `s_j` the softmax of the negatives' scores:
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampledLoss {
    /// `−r + ln(exp(r) + Σ exp(r_j))`: the cross entropy of a softmax over the target and the negatives.
    CrossEntropy,
    /// `−ln Σ s_j σ(r − r_j) + regularization · Σ s_j r_j²` (Hidasi & Karatzoglou 2018, section 3.3).
    BprMax {
        /// The factor of the penalty on the negatives' scores, at least 0.
        regularization: f64,
    },
    /// `Σ s_j (σ(r_j − r) + σ(r_j²))` (ibid., section 3.2).
    Top1Max,
}

/// Stands for the item of a column that is the negative of no row.
pub(crate) const EXCLUDED: u32 = u32::MAX;
