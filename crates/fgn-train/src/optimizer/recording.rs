//! A formula over tensors: recorded first, then run as operations of Candle.
//!
//! A [`Recorded`] number is a reference to a line of its [`Recording`], so it is `Copy` as other numbers are. Running
//! the lines afterwards gives errors one place to come out, and frees each tensor after its last use.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

use candle_core::{Result, Tensor};

use super::number::Number;

/// The operations of a formula, in the order in which they were written.
#[derive(Default)]
pub(super) struct Recording {
    lines: RefCell<Vec<Line>>,
}

/// A number of a recorded formula.
#[derive(Clone, Copy)]
pub(super) enum Recorded<'r> {
    Constant(f64),
    /// The value of a line.
    Line(&'r Recording, usize),
}

enum Line {
    Input(Tensor),
    Unary(Unary, usize),
    Binary(Binary, Operand, Operand),
}

#[derive(Clone, Copy)]
enum Unary {
    Sqrt,
    Sign,
    Clamp(f64),
}

#[derive(Clone, Copy)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, PartialEq)]
enum Operand {
    Constant(f64),
    Line(usize),
}

impl Recording {
    /// A tensor that the formula is given.
    pub(super) fn input(&self, tensor: Tensor) -> Recorded<'_> {
        self.push(Line::Input(tensor))
    }

    fn push(&self, line: Line) -> Recorded<'_> {
        let mut lines = self.lines.borrow_mut();
        lines.push(line);
        Recorded::Line(self, lines.len() - 1)
    }

    /// Runs the formula; gives the values of `results`, constants as tensors like `like`.
    ///
    /// # Errors
    /// Those of Candle.
    pub(super) fn run(&self, results: &[Recorded<'_>], like: &Tensor) -> Result<Vec<Tensor>> {
        let lines = self.lines.take();
        let results: Vec<Operand> = results.iter().map(|&result| result.into()).collect();
        let mut last_use: Vec<usize> = (0..lines.len()).collect();
        for (at, line) in lines.iter().enumerate() {
            line.operands().for_each(|operand| last_use[operand] = at);
        }
        for result in &results {
            if let Operand::Line(at) = *result {
                last_use[at] = lines.len();
            }
        }
        let mut values: Vec<Option<Tensor>> = Vec::with_capacity(lines.len());
        for (at, line) in lines.into_iter().enumerate() {
            let used: Vec<usize> = line.operands().collect();
            let value = line.run(&values)?;
            values.push(Some(value));
            used.iter().filter(|&&used| last_use[used] == at).for_each(|&used| values[used] = None);
        }
        let value = |result: &Operand| match *result {
            Operand::Constant(value) => like.zeros_like()? + value,
            Operand::Line(at) => Ok(value_of(&values, at).clone()),
        };
        results.iter().map(value).collect()
    }
}

fn value_of(values: &[Option<Tensor>], at: usize) -> &Tensor {
    values[at].as_ref().expect("a value is kept until its last use")
}

impl Line {
    /// The lines that it uses.
    fn operands(&self) -> impl Iterator<Item = usize> + use<> {
        let line = |operand: Operand| match operand {
            Operand::Line(at) => Some(at),
            Operand::Constant(_) => None,
        };
        let operands = match *self {
            Line::Input(_) => [None, None],
            Line::Unary(_, of) => [Some(of), None],
            Line::Binary(_, a, b) => [line(a), line(b)],
        };
        operands.into_iter().flatten()
    }

    fn run(self, values: &[Option<Tensor>]) -> Result<Tensor> {
        use Binary::{Add, Div, Mul, Sub};
        use Operand::{Constant, Line as At};
        let value = |at| value_of(values, at);
        match self {
            Line::Input(tensor) => Ok(tensor),
            Line::Unary(Unary::Sqrt, of) => value(of).sqrt(),
            Line::Unary(Unary::Sign, of) => value(of).sign(),
            Line::Unary(Unary::Clamp(limit), of) => value(of).clamp(-limit, limit),
            Line::Binary(Mul, At(a), At(b)) if a == b => value(a).sqr(),
            Line::Binary(operation, At(a), At(b)) => {
                let (a, b) = (value(a), value(b));
                match operation {
                    Add => a + b,
                    Sub => a - b,
                    Mul => a * b,
                    Div => a / b,
                }
            }
            Line::Binary(operation, At(a), Constant(b)) => match operation {
                Add => value(a) + b,
                Sub => value(a) - b,
                Mul => value(a) * b,
                Div => value(a) / b,
            },
            Line::Binary(operation, Constant(a), At(b)) => match operation {
                Add => a + value(b),
                Sub => a - value(b),
                Mul => a * value(b),
                Div => a / value(b),
            },
            Line::Binary(_, Constant(_), Constant(_)) => {
                unreachable!("operations on constants give constants")
            }
        }
    }
}

impl From<Recorded<'_>> for Operand {
    fn from(number: Recorded<'_>) -> Operand {
        match number {
            Recorded::Constant(value) => Operand::Constant(value),
            Recorded::Line(_, at) => Operand::Line(at),
        }
    }
}

impl<'r> Recorded<'r> {
    /// An operation that is none is left out: each one that runs is a kernel on a GPU. So is a product with 0, which
    /// hides a NaN or an infinity of the other factor.
    fn binary(self, operation: Binary, other: Recorded<'r>) -> Recorded<'r> {
        use Binary::{Add, Div, Mul, Sub};
        use Recorded::{Constant, Line as At};
        match (operation, self, other) {
            (Add, Constant(a), Constant(b)) => Constant(a + b),
            (Sub, Constant(a), Constant(b)) => Constant(a - b),
            (Mul, Constant(a), Constant(b)) => Constant(a * b),
            (Div, Constant(a), Constant(b)) => Constant(a / b),
            (Add | Sub, same, Constant(0.0)) | (Add, Constant(0.0), same) => same,
            (Mul | Div, same, Constant(1.0)) | (Mul, Constant(1.0), same) => same,
            (Mul, _, Constant(0.0)) | (Mul, Constant(0.0), _) => Constant(0.0),
            (_, At(recording, _), _) | (_, _, At(recording, _)) => {
                recording.push(Line::Binary(operation, self.into(), other.into()))
            }
        }
    }

    /// `constant` does the same with a constant.
    fn unary(self, operation: Unary, constant: impl Fn(f64) -> f64) -> Recorded<'r> {
        match self {
            Recorded::Constant(value) => Recorded::Constant(constant(value)),
            Recorded::Line(recording, at) => recording.push(Line::Unary(operation, at)),
        }
    }
}

macro_rules! binary {
    ($($operation:ident $function:ident)*) => {
        $(impl $operation for Recorded<'_> {
            type Output = Self;

            fn $function(self, other: Self) -> Self {
                self.binary(Binary::$operation, other)
            }
        })*
    };
}

binary! { Add add Sub sub Mul mul Div div }

impl Number for Recorded<'_> {
    fn from_f64(value: f64) -> Self {
        Recorded::Constant(value)
    }

    fn sqrt(self) -> Self {
        self.unary(Unary::Sqrt, f64::sqrt)
    }

    fn sign(self) -> Self {
        self.unary(Unary::Sign, Number::sign)
    }

    fn clamp(self, limit: Self) -> Self {
        match limit {
            Recorded::Constant(limit) if limit.is_finite() => {
                self.unary(Unary::Clamp(limit), |value| value.clamp(-limit, limit))
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Every operation, with a tensor and with a constant on either side.
    fn formula<N: Number>(a: N, b: N) -> [N; 3] {
        let [two, three, limit] = [2.0, 3.0, 1.5].map(N::from_f64);
        let sum = (a + b) * a - b / (a * a) + (two - a) * three / b - (a - three) + three / a;
        let root = (two + (a * b).clamp(limit)).sqrt() / two + (a - b).sign() + (three * b + two);
        [sum, root, (two * three - three / two).sqrt().sign() + (two + three)]
    }

    #[test]
    fn what_is_recorded_runs_as_numbers_do() {
        let (a, b) = ([0.5f64, -1.25, 3.0], [2.0f64, 0.75, 3.0]);
        let [first, second] = [a, b].map(|values| Tensor::new(&values, &Device::Cpu).unwrap());
        let recording = Recording::default();
        let results = formula(recording.input(first.clone()), recording.input(second));
        let found = recording.run(&results, &first).unwrap();
        assert_eq!(found.len(), results.len());
        for (nth, found) in found.iter().enumerate() {
            let found = found.to_vec1::<f64>().unwrap();
            for (found, (&a, &b)) in found.iter().zip(a.iter().zip(&b)) {
                let expected = formula(a, b)[nth];
                assert!((found - expected).abs() < 1e-12, "{nth}: {found} {expected}");
            }
        }
    }

    #[test]
    fn operations_without_an_effect_are_left_out() {
        let values = Tensor::new(&[0.5f32, f32::NAN], &Device::Cpu).unwrap();
        let recording = Recording::default();
        let input = recording.input(values.clone());
        let [zero, one, none] = [0.0, 1.0, f64::INFINITY].map(Recorded::Constant);
        let same = (input.clamp(none) * one + zero * input) / one - zero;
        assert_eq!(recording.lines.borrow().len(), 1);
        let found = recording.run(&[same, zero * input], &values).unwrap();
        assert_eq!(found[0].to_vec1::<f32>().unwrap()[0], 0.5);
        assert_eq!(found[1].to_vec1::<f32>().unwrap()[0], 0.0);
    }
}
