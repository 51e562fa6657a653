//! A lane that computes nothing and writes down what would be computed.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::lane::Lane;

/// The expressions of one function, each once.
#[derive(Default)]
pub(super) struct Arena(RefCell<Vec<Node>>);

struct Node {
    /// What it is called in others' texts.
    name: String,
    /// How it is computed, but for arguments.
    text: Option<String>,
    operands: Vec<usize>,
}

/// A number known now, or the place of an expression of them in an [`Arena`].
#[derive(Clone, Copy)]
pub(super) enum Expression<'a> {
    Constant(f64),
    Node(&'a Arena, usize),
}

use Expression::{Constant, Node as Place};

impl Arena {
    pub(super) fn argument(&self, name: &str) -> Expression<'_> {
        let mut nodes = self.0.borrow_mut();
        nodes.push(Node { name: name.to_owned(), text: None, operands: Vec::new() });
        Place(self, nodes.len() - 1)
    }

    /// The body of a function that writes `results` to their places: one temporary for each expression
    /// that they need.
    pub(super) fn body(&self, results: &[(String, Expression<'_>)]) -> String {
        let nodes = self.0.borrow();
        let mut needed = vec![false; nodes.len()];
        for (_, result) in results {
            if let Place(_, place) = *result {
                needed[place] = true;
            }
        }
        for (place, node) in nodes.iter().enumerate().rev() {
            if needed[place] {
                node.operands.iter().for_each(|&operand| needed[operand] = true);
            }
        }
        let mut body = String::new();
        for (node, _) in nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
            if let Some(text) = &node.text {
                // Writing to a string does not fail.
                let _ = writeln!(body, "    const real {} = {text};", node.name);
            }
        }
        for (place, result) in results {
            let _ = writeln!(body, "    {place} = {};", self.name(&nodes, *result));
        }
        body
    }

    fn name(&self, nodes: &[Node], expression: Expression<'_>) -> String {
        match expression {
            Constant(number) => format!("(real){number:e}"),
            Place(_, place) => nodes[place].name.clone(),
        }
    }

    /// The expression that `pattern` makes of `operands`, put for its `$`s in turn.
    fn node(&self, pattern: &str, operands: &[Expression<'_>]) -> Expression<'_> {
        let mut nodes = self.0.borrow_mut();
        let mut parts = pattern.split('$');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (operand, part) in operands.iter().zip(parts) {
            text += &self.name(&nodes, *operand);
            text += part;
        }
        let same = nodes.iter().position(|node| node.text.as_ref() == Some(&text));
        Place(
            self,
            same.unwrap_or_else(|| {
                let place = |operand: &Expression<'_>| match *operand {
                    Constant(_) => None,
                    Place(_, place) => Some(place),
                };
                let name = format!("t{}", nodes.len());
                let operands = operands.iter().filter_map(place).collect();
                nodes.push(Node { name, text: Some(text), operands });
                nodes.len() - 1
            }),
        )
    }
}

impl<'a> Expression<'a> {
    pub(super) const ZERO: Self = Constant(0.0);

    /// `compute` of numbers known now, else the expression that `pattern` makes of them.
    fn of<const N: usize>(
        pattern: &str,
        operands: [Self; N],
        compute: impl FnOnce([f64; N]) -> f64,
    ) -> Self {
        let mut numbers = [0.0; N];
        for (number, operand) in numbers.iter_mut().zip(&operands) {
            match *operand {
                Constant(known) => *number = known,
                Place(arena, _) => return arena.node(pattern, &operands),
            }
        }
        Constant(compute(numbers))
    }

    fn is(self, number: f64) -> bool {
        matches!(self, Constant(known) if known == number)
    }
}

impl Lane for Expression<'_> {
    fn splat(value: f64) -> Self {
        Constant(value)
    }

    fn mul_add(self, a: Self, b: Self) -> Self {
        match (self, a, b) {
            (x, y, b) if x.is(0.0) || y.is(0.0) || x.is(1.0) || y.is(1.0) || b.is(0.0) => x * y + b,
            _ => Self::of("fgn_mul_add($, $, $)", [self, a, b], |[x, a, b]| x.mul_add(a, b)),
        }
    }

    fn tanh(self) -> Self {
        Self::of("fgn_tanh($)", [self], |[x]| Lane::tanh(x))
    }

    fn sigmoid(self) -> Self {
        Self::of("fgn_sigmoid($)", [self], |[x]| x.sigmoid())
    }

    fn exp(self) -> Self {
        Self::of("fgn_exp($)", [self], |[x]| Lane::exp(x))
    }

    fn log_sigmoid(self) -> Self {
        Self::of("fgn_log_sigmoid($)", [self], |[x]| x.log_sigmoid())
    }

    fn binary(self) -> Self {
        Self::of("fgn_binary($)", [self], |[x]| x.binary())
    }

    fn min_or(self, b: Self) -> Self {
        Self::of("fgn_min_or($, $)", [self, b], |[a, b]| a.min_or(b))
    }

    fn max_or(self, b: Self) -> Self {
        Self::of("fgn_max_or($, $)", [self, b], |[a, b]| a.max_or(b))
    }
}

impl Add for Expression<'_> {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        match (self, b) {
            (zero, x) | (x, zero) if zero.is(0.0) => x,
            _ => Self::of("$ + $", [self, b], |[a, b]| a + b),
        }
    }
}

impl Sub for Expression<'_> {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        match (self, b) {
            (x, zero) if zero.is(0.0) => x,
            (zero, x) if zero.is(0.0) => -x,
            _ => Self::of("$ - $", [self, b], |[a, b]| a - b),
        }
    }
}

impl Mul for Expression<'_> {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        match (self, b) {
            (zero, _) | (_, zero) if zero.is(0.0) => Self::ZERO,
            (one, x) | (x, one) if one.is(1.0) => x,
            _ => Self::of("$ * $", [self, b], |[a, b]| a * b),
        }
    }
}

impl Div for Expression<'_> {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        match (self, b) {
            (x, one) if one.is(1.0) => x,
            _ => Self::of("$ / $", [self, b], |[a, b]| a / b),
        }
    }
}

impl Neg for Expression<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::of("-$", [self], |[a]| -a)
    }
}
