//! A lane that computes nothing and records what would be computed.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::node::{Function, Node, Operand, Source};
use crate::lane::Lane;

/// The values of one function, each once.
#[derive(Default)]
pub(super) struct Arena(RefCell<Vec<Node>>);

/// A number known now, or the index of a node in an [`Arena`].
#[derive(Clone, Copy)]
pub(super) enum Expression<'a> {
    Constant(f64),
    Node(&'a Arena, usize),
}

use Expression::{Constant, Node as Place};

impl Arena {
    pub(super) fn source(&self, source: Source) -> Expression<'_> {
        self.node(Node::Source(source))
    }

    /// The nodes that `results` need, and where the results are among them.
    pub(super) fn finish(&self, results: &[Expression<'_>]) -> (Vec<Node>, Vec<Operand>) {
        let nodes = self.0.borrow();
        let mut needed = vec![false; nodes.len()];
        for result in results {
            if let Place(_, index) = *result {
                needed[index] = true;
            }
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            if let (true, Node::Call(_, operands)) = (needed[index], node) {
                for operand in operands {
                    if let Operand::Node(read) = *operand {
                        needed[read] = true;
                    }
                }
            }
        }
        let mut renumbered = Vec::with_capacity(nodes.len());
        let mut count = 0;
        for &needed in &needed {
            renumbered.push(count);
            count += usize::from(needed);
        }
        let moved = |operand: &Operand| match *operand {
            Operand::Node(index) => Operand::Node(renumbered[index]),
            constant => constant,
        };
        let kept = nodes.iter().zip(&needed).filter(|(_, needed)| **needed);
        let kept = kept.map(|(node, _)| match node {
            Node::Source(source) => Node::Source(*source),
            Node::Call(function, operands) => {
                Node::Call(*function, operands.iter().map(moved).collect())
            }
        });
        (kept.collect(), results.iter().map(|result| moved(&result.operand())).collect())
    }

    /// The place of `node`, which is added if there is no equal one.
    fn node(&self, node: Node) -> Expression<'_> {
        let mut nodes = self.0.borrow_mut();
        let index = nodes.iter().position(|other| *other == node).unwrap_or(nodes.len());
        if index == nodes.len() {
            nodes.push(node);
        }
        Place(self, index)
    }
}

impl<'a> Expression<'a> {
    pub(super) const ZERO: Self = Constant(0.0);

    /// `compute` of numbers known now, else the node of `function` of them.
    fn of<const N: usize>(
        function: Function,
        operands: [Self; N],
        compute: impl FnOnce([f64; N]) -> f64,
    ) -> Self {
        let mut numbers = [0.0; N];
        for (number, operand) in numbers.iter_mut().zip(&operands) {
            match *operand {
                Constant(known) => *number = known,
                Place(arena, _) => {
                    let operands = operands.iter().map(|operand| operand.operand()).collect();
                    return arena.node(Node::Call(function, operands));
                }
            }
        }
        Constant(compute(numbers))
    }

    fn operand(self) -> Operand {
        match self {
            Constant(number) => Operand::Constant(number),
            Place(_, index) => Operand::Node(index),
        }
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
            _ => Self::of(Function::MulAdd, [self, a, b], |[x, a, b]| x.mul_add(a, b)),
        }
    }

    fn tanh(self) -> Self {
        Self::of(Function::Tanh, [self], |[x]| Lane::tanh(x))
    }

    fn sigmoid(self) -> Self {
        Self::of(Function::Sigmoid, [self], |[x]| x.sigmoid())
    }

    fn exp(self) -> Self {
        Self::of(Function::Exp, [self], |[x]| Lane::exp(x))
    }

    fn log_sigmoid(self) -> Self {
        Self::of(Function::LogSigmoid, [self], |[x]| x.log_sigmoid())
    }

    fn binary(self) -> Self {
        Self::of(Function::Binary, [self], |[x]| x.binary())
    }

    fn min_or(self, b: Self) -> Self {
        Self::of(Function::MinOr, [self, b], |[a, b]| a.min_or(b))
    }

    fn max_or(self, b: Self) -> Self {
        Self::of(Function::MaxOr, [self, b], |[a, b]| a.max_or(b))
    }
}

impl Add for Expression<'_> {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        match (self, b) {
            (zero, x) | (x, zero) if zero.is(0.0) => x,
            _ => Self::of(Function::Add, [self, b], |[a, b]| a + b),
        }
    }
}

impl Sub for Expression<'_> {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        match (self, b) {
            (x, zero) if zero.is(0.0) => x,
            (zero, x) if zero.is(0.0) => -x,
            _ => Self::of(Function::Sub, [self, b], |[a, b]| a - b),
        }
    }
}

impl Mul for Expression<'_> {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        match (self, b) {
            (zero, _) | (_, zero) if zero.is(0.0) => Self::ZERO,
            (one, x) | (x, one) if one.is(1.0) => x,
            _ => Self::of(Function::Mul, [self, b], |[a, b]| a * b),
        }
    }
}

impl Div for Expression<'_> {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        match (self, b) {
            (x, one) if one.is(1.0) => x,
            _ => Self::of(Function::Div, [self, b], |[a, b]| a / b),
        }
    }
}

impl Neg for Expression<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::of(Function::Neg, [self], |[a]| -a)
    }
}
