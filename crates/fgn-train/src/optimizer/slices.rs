//! The elements of a parameter in the computer's memory, all or some rows: one loop, in place.

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
        let gradient = self.step.gradient();
        let formula = |p: T, g: T, moments: [T; M]| formula(p, gradient(p, g), moments);
        each(self.parameter, self.gradient, self.moments, self.range, &formula);
    }
}

/// Some rows of a parameter; the rest stays as it is, and so do its moments.
pub(super) struct RowSlices<'a, T> {
    /// The whole parameter.
    pub(super) parameter: &'a mut [T],
    /// The gradients of the rows, one after the other.
    pub(super) gradient: &'a [T],
    /// The moments of the whole parameter.
    pub(super) moments: &'a mut [Vec<T>],
    /// Which rows.
    pub(super) rows: &'a [u32],
    /// How many elements a row has.
    pub(super) width: usize,
    /// Of the elements: rows that begin elsewhere are left out.
    pub(super) range: Range<usize>,
    /// The step to make.
    pub(super) step: &'a Step,
}

impl<T: Number> Elements<T> for RowSlices<'_, T> {
    type Output = ();

    #[inline(always)]
    fn update<const M: usize>(
        self,
        _: [&'static str; M],
        formula: impl Fn(T, T, [T; M]) -> (T, [T; M]),
    ) {
        let gradient = self.step.gradient();
        let formula = |p: T, g: T, moments: [T; M]| formula(p, gradient(p, g), moments);
        for (&row, gradient) in self.rows.iter().zip(self.gradient.chunks_exact(self.width)) {
            let start = row as usize * self.width;
            if self.range.contains(&start) {
                let range = start..start + self.width;
                each(&mut self.parameter[range.clone()], gradient, self.moments, range, &formula);
            }
        }
    }
}

/// Applies a formula to each element; `range` is where the elements are in their moments.
#[inline(always)]
fn each<T: Number, const M: usize>(
    parameter: &mut [T],
    gradient: &[T],
    moments: &mut [Vec<T>],
    range: Range<usize>,
    formula: &impl Fn(T, T, [T; M]) -> (T, [T; M]),
) {
    const { assert!(M <= 2, "a loop for each number of moments is below") };
    assert_eq!(moments.len(), M, "a list for each moment of the rule");
    let elements = parameter.iter_mut().zip(gradient);
    // Zipped slices become vector instructions; slices in an array, indexed, do not.
    match moments {
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
