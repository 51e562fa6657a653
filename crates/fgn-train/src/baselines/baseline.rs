//! What a baseline is.

/// A way to score the items that may come next, without a neural network.
///
/// One of your own is an implementation of this trait, which [`evaluate_baseline`](crate::evaluate_baseline) measures:
///
/// ```
/// use fgn_train::Baseline;
///
/// /// The last item again.
/// struct Last;
///
/// impl Baseline for Last {
///     fn name(&self) -> String {
///         "last item".into()
///     }
///
///     fn scores(&self, history: &[u32], scores: &mut [f64]) {
///         if let Some(&last) = history.last() {
///             scores[last as usize] = 1.0;
///         }
///     }
/// }
///
/// let mut scores = [0.0; 3];
/// Last.scores(&[0, 2], &mut scores);
/// assert_eq!(scores, [0.0, 0.0, 1.0]);
/// ```
pub trait Baseline: Send + Sync {
    /// What it is called in tables.
    fn name(&self) -> String;

    /// Scores all items as the next one of a session, the higher the better. `history` holds the items of the session so
    /// far, the oldest first, at least one. There is one score for each item of the catalogue, 0 before the call.
    fn scores(&self, history: &[u32], scores: &mut [f64]);

    /// Whether the scores are probabilities: none is negative, and their sum is 1. Only such baselines have a
    /// perplexity. By default they are not.
    fn are_probabilities(&self) -> bool {
        false
    }
}
