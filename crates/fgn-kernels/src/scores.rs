use candle_core::{Result, bail};

use crate::cpu::stream::scores::PackedScores;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;

/// The vectors of many items, packed so that their products with one vector are quick: the scores of all items of a
/// recommender, or the logits of all tokens of a language model.
///
/// Computing the scores takes about as long as reading the vectors, so [`Precision::Bf16`] takes half the time of
/// `F32`, and `Int8` a quarter.
///
/// ```
/// use fgn_kernels::{Precision, ScoreTable};
///
/// // Three items with vectors of two numbers, and a bias each.
/// let vectors = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
/// let table = ScoreTable::new(&vectors, 2, &[0.5, 0.0, -1.0], Precision::F32)?;
/// let mut scores = Vec::new();
/// table.scores(&[2.0, 3.0], &mut scores)?;
/// assert_eq!(scores, [2.5, 3.0, 4.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub struct ScoreTable(PackedScores);

impl ScoreTable {
    /// Packs `vectors: [V, size]`, row by row. `bias` has a number for each item, or none.
    ///
    /// # Errors
    /// If a size is zero or does not fit, or if the environment variable `FGN_ISA` asks for an instruction set that
    /// the machine does not have.
    pub fn new(
        vectors: &[f32],
        size: usize,
        bias: &[f32],
        precision: Precision,
    ) -> Result<ScoreTable> {
        if size == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(size) {
            bail!("scores: expected vectors of {size} numbers, got {} numbers", vectors.len());
        }
        let count = vectors.len() / size;
        if !bias.is_empty() && bias.len() != count {
            bail!("scores of {count} items: expected as many biases or none, got {}", bias.len());
        }
        Ok(ScoreTable(PackedScores::new(Isa::active()?, vectors, size, bias, precision)))
    }

    /// How many items there are.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// The size of an item's vector.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// How many bytes are read for the scores of one vector.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Writes the scores of all items, `[V]`: the products of their vectors with `x`, plus their biases. What was in
    /// `scores` is replaced.
    ///
    /// # Errors
    /// If `x` has another size.
    pub fn scores(&self, x: &[f32], scores: &mut Vec<f32>) -> Result<()> {
        if x.len() != self.size() {
            bail!("scores: expected a vector of {} numbers, got {}", self.size(), x.len());
        }
        self.0.scores(x, scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Against plain sums in `f64`, over sizes that are no whole panels, with and without biases.
    #[test]
    fn scores_are_products_on_every_instruction_set() {
        for (count, size) in [(1, 1), (3, 5), (31, 8), (33, 4), (100, 130), (257, 67)] {
            let (vectors, x) = (numbers(count * size, 1), numbers(size, 2));
            let all_biases = numbers(count, 3);
            for bias in [&[][..], &all_biases] {
                let expected = |item: usize| -> f64 {
                    let row = &vectors[item * size..][..size];
                    let products = row.iter().zip(&x).map(|(&a, &b)| f64::from(a) * f64::from(b));
                    products.sum::<f64>() + bias.get(item).copied().map_or(0.0, f64::from)
                };
                for isa in Isa::available() {
                    for (precision, error) in
                        [(Precision::F32, 1e-5), (Precision::Bf16, 0.05), (Precision::Int8, 0.1)]
                    {
                        let packed = PackedScores::new(isa, &vectors, size, bias, precision);
                        let mut scores = vec![f32::NAN; 7];
                        packed.scores(&x, &mut scores);
                        assert_eq!(scores.len(), count);
                        for (item, &score) in scores.iter().enumerate() {
                            let apart = (f64::from(score) - expected(item)).abs();
                            assert!(apart < error, "{} {precision:?}: {apart}", isa.name());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (vectors, x) = (numbers(40_000 * 64, 1), numbers(64, 2));
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let table = ScoreTable::new(&vectors, 64, &[], precision).unwrap();
            let of = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut scores = Vec::new();
                pool.install(|| table.scores(&x, &mut scores)).unwrap();
                scores
            };
            assert_eq!(of(1), of(3));
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let new = |vectors: &[f32], size, bias: &[f32]| {
            ScoreTable::new(vectors, size, bias, Precision::F32).map(|_| ())
        };
        assert!(new(&[], 2, &[]).is_err());
        assert!(new(&[1.0], 0, &[]).is_err());
        assert!(new(&[1.0; 3], 2, &[]).is_err());
        assert!(new(&[1.0; 4], 2, &[0.0]).is_err());
        let table = ScoreTable::new(&[1.0; 4], 2, &[], Precision::F32).unwrap();
        assert_eq!((table.count(), table.size()), (2, 2));
        assert!(table.scores(&[1.0], &mut Vec::new()).is_err());
    }
}
