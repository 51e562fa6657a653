//! The generator of random numbers that everything random comes from.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seeded generator of random numbers (ChaCha with 8 rounds). The same seed gives the same numbers on
/// every machine and in every version of this crate that reads the same model files.
///
/// ```
/// use fgn_nn::Generator;
///
/// let mut first = Generator::seed_from_u64(7);
/// let mut second = Generator::seed_from_u64(7);
/// assert_eq!(first.next_u64(), second.next_u64());
/// assert!((0.0..1.0).contains(&first.next_f64()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// A generator with that key.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A generator whose key is derived from a number.
    pub fn seed_from_u64(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next number of a uniform distribution over `[0, 1)`.
    pub fn next_f64(&mut self) -> f64 {
        self.0.random()
    }

    /// Fills `bytes` with random bits.
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// The generator of the same seed whose numbers are those of another of its 2⁶⁴ independent streams.
    pub(crate) fn with_stream(mut self, stream: u64) -> Self {
        self.0.set_stream(stream);
        self
    }

    /// For the distributions of `rand` and `rand_distr`.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_numbers_are_those_of_chacha() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut generator = Generator::seed_from_u64(3);
        assert_eq!(generator.next_u64(), rng.next_u64());
        assert_eq!(generator.next_f64(), rng.random::<f64>());
        let mut bytes = [[0; 5]; 2];
        generator.fill_bytes(&mut bytes[0]);
        rng.fill_bytes(&mut bytes[1]);
        assert_eq!(bytes[0], bytes[1]);
        rng.set_stream(9);
        assert_eq!(generator.with_stream(9).next_u64(), rng.next_u64());
        let mut keyed = Generator::from_seed([2; 32]);
        assert_eq!(keyed.next_u64(), ChaCha8Rng::from_seed([2; 32]).next_u64());
    }
}
