//! The values of a recording, and how each is computed from others.

/// One step of one unit of a cell: the operations that compute its output and its states.
///
/// Equal operations are listed once, and those that neither the output nor a state needs are left out. An operation's
/// operands come before it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedStep {
    /// The values, each computed from those before it.
    pub nodes: Vec<Node>,
    /// The cell's output.
    pub output: Operand,
    /// The states after the step, in the order of the cell's [`Spec`](crate::Spec).
    pub next: Vec<Operand>,
}

/// One value of a recording: given from outside, or computed from values before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A value from outside.
    Source(Source),
    /// The function of the operands, in their order.
    Call(Function, Vec<Operand>),
}

/// What an operation reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// A number that is the same at every step and for every unit.
    Constant(f64),
    /// The value of the node at this index.
    Node(usize),
}

/// A value that a step, or its gradient, takes from outside. Indices are those of the cell's
/// [`Spec`](crate::Spec).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The pre-activation of a block.
    Pre(usize),
    /// A state after the previous step.
    Prev(usize),
    /// A trained per-unit vector.
    Vector(usize),
    /// The memory after normalisation, see [`StepInput::normalized_memory`](crate::StepInput::normalized_memory).
    NormalizedMemory,
    /// The gradient with respect to the output.
    OutputGradient,
    /// The gradient with respect to a state after the step.
    NextGradient(usize),
}

/// An operation of a [`Lane`](crate::Lane), whose documentation defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// `−a`
    Neg,
    /// `a · b + c`
    MulAdd,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic sigmoid.
    Sigmoid,
    /// The exponential.
    Exp,
    /// The logarithm of the logistic sigmoid.
    LogSigmoid,
    /// `a ≥ 0`: 1, else 0.
    Binary,
    /// `a < b`: `a`, else `b`.
    MinOr,
    /// `a > b`: `a`, else `b`.
    MaxOr,
}
