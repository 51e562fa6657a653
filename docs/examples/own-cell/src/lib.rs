//! The chaos-free network (CFN) of T. Laurent & J. von Brecht, *A recurrent neural network without chaos* (2017):
//!
//! ```text
//! θ = σ(W_θ x + b_θ + R_θ h₋ + c_θ)        the forget gate
//! η = σ(W_η x + b_η + R_η h₋ + c_η)        the input gate
//! u = tanh(W_u x + b_u)
//! h = θ ⊙ tanh(h₋) + η ⊙ u
//! ```
//!
//! The paper's `u` has no bias. Without an input its state decays to zero.

use std::sync::OnceLock;

use fgn_core::{AnyCell, Block, Cell, Feed, Lane, Role, Spec, StepInput, StepOutput};
use fgn_kernels::candle_core::Result;

/// The cell, which has no options.
#[derive(Clone, Copy)]
pub struct Cfn;

// The places of its blocks.
const THETA: usize = 0;
const ETA: usize = 1;
const U: usize = 2;

impl Cell for Cfn {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("theta", Feed::Both, Role::Forget).sigmoid(),
            Block::new("eta", Feed::Both, Role::Input).sigmoid(),
            Block::new("u", Feed::Input, Role::Candidate).tanh(),
        ],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let (theta, eta, u) = (input.sigmoid(THETA), input.sigmoid(ETA), input.tanh(U));
        let h = theta.mul_add(input.prev[0].tanh(), eta * u);
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let (theta, eta, u) = (input.sigmoid(THETA), input.sigmoid(ETA), input.tanh(U));
        let (one, before) = (L::one(), input.prev[0].tanh());
        let dh = d.output + d.next[0];
        let mut grad = StepInput::zero();
        grad.pre[THETA] = dh * before * theta * (one - theta);
        grad.pre[ETA] = dh * u * eta * (one - eta);
        grad.pre[U] = dh * eta * (one - u * u);
        grad.prev[0] = dh * theta * (one - before * before);
        grad
    }
}

/// The cell in place of a built-in one. The first call compiles nothing at run time: it makes the cell known as `cfn`.
///
/// # Errors
/// If another cell is called `cfn`.
pub fn cfn() -> Result<AnyCell> {
    static CELL: OnceLock<std::result::Result<AnyCell, String>> = OnceLock::new();
    let cell = CELL.get_or_init(|| {
        fgn_kernels::register("cfn", Cfn).map_err(|error| error.to_string())
    });
    cell.clone().map_err(fgn_kernels::candle_core::Error::msg)
}
