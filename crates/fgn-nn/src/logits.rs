//! What a classifier's logits say.

/// The class probabilities of `logits: [classes]`; computed in `f64`, so that their sum is 1 to the last digit of an
/// `f32`.
///
/// ```
/// assert_eq!(fgn_nn::softmax(&[1.0, 1.0]), [0.5, 0.5]);
/// ```
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

/// The index of the largest value, the first of several; 0 where there is none.
///
/// ```
/// assert_eq!(fgn_nn::argmax(&[0.1, 0.7, 0.2]), 1);
/// ```
pub fn argmax(values: &[f32]) -> usize {
    let larger = |best, index| if values[index] > values[best] { index } else { best };
    (1..values.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        for logits in [[0.0, 0.0, 0.0], [1e30, -1e30, 0.0], [-700.0, -701.0, -702.0]] {
            let probabilities = softmax(&logits);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{probabilities:?}");
        }
        assert_eq!([argmax(&[]), argmax(&[1.0, 3.0, 3.0])], [0, 1]);
    }
}
