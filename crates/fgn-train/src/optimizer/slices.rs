//! The elements of a parameter in the computer's memory: one loop, in place.

use std::ops::Range;

use super::number::Number;
use super::rule::{Elements, Step};

/// Some elements of a parameter.
pub(super) struct Slices<'a, T> {
    /// The elements.
    pub(super) parameter: &'a mut [T],
    /// Their gradients.
    pub(super) gradient: &'a [T],
    /// The moments of the whole parameter.
    pub(super) moments: &'a mut [Vec<T>],
    /// Where the elements are in the whole parameter.
    pub(super) range: Range<usize>,
    /// The step to make.
    pub(super) step: &'a Step,
}

impl<T: Number> Elements<T> for Slices<'_, T> {
    type Output = ();

    #[inline(always)]
    fn update<const M: usize>(
        self,
        _: [&'static str; M],
        formula: impl Fn(T, T, [T; M]) -> (T, [T; M]),
    ) {
        const { assert!(M <= 2, "a loop for each number of moments is below") };
        assert_eq!(self.moments.len(), M, "a list for each moment of the rule");
        let gradient = self.step.gradient();
        let formula = |p: T, g: T, moments: [T; M]| formula(p, gradient(p, g), moments);
        let (range, elements) = (self.range, self.parameter.iter_mut().zip(self.gradient));
        // Zipped slices become vector instructions; slices in an array, indexed, do not.
        match self.moments {
            [] => {
                for (p, &g) in elements {
                    (*p, _) = formula(*p, g, [T::from_f64(0.0); M]);
                }
            }
            [first] => {
                for ((p, &g), m) in elements.zip(&mut first[range]) {
                    let (new, moments) = formula(*p, g, [*m; M]);
                    (*p, *m) = (new, moments[0]);
                }
            }
            [first, second, ..] => {
                let moments = first[range.clone()].iter_mut().zip(&mut second[range]);
                for ((p, &g), (m, v)) in elements.zip(moments) {
                    let before = std::array::from_fn(|nth| if nth == 0 { *m } else { *v });
                    let (new, moments) = formula(*p, g, before);
                    (*p, *m, *v) = (new, moments[0], moments[1]);
                }
            }
        }
    }
}
