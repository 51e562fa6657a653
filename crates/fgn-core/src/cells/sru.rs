use crate::{At, Block, Cell, Feed, Lane, MAX_BLOCKS, Role, Spec, Step};

/// The simple recurrent unit (Lei et al. 2018): its gates see the memory unit by unit, so there is no
/// product from step to step. The highway is a linear map of the input, as in the original where sizes
/// differ.
///
/// ```text
/// f = σ(x W_f + v_f ⊙ c₋ + b_f)     r = σ(x W_r + v_r ⊙ c₋ + b_r)
/// c = f ⊙ c₋ + (1 − f) ⊙ (x W)      y = r ⊙ c + (1 − r) ⊙ (x W_s)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sru;

const F: usize = 0;
const R: usize = 1;
const X: usize = 2;
const SKIP: usize = 3;

impl Cell for Sru {
    const SPEC: Spec = Spec {
        blocks: &[
            Block::new("f", Feed::Input, Role::Forget),
            Block::new("r", Feed::Input, Role::Output),
            Block::new("x", Feed::Input, Role::Linear),
            Block::new("skip", Feed::Input, Role::Linear),
        ],
        states: &["c"],
        vectors: &["v_f", "v_r"],
        memory: Some(0),
        output_is_state: false,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let [v_f, v_r, _] = at.vectors;
        let f = v_f.mul_add(at.prev[0], at.pre[F]).sigmoid();
        let r = v_r.mul_add(at.prev[0], at.pre[R]).sigmoid();
        let c = f.mul_add(at.prev[0] - at.pre[X], at.pre[X]);
        let output = r.mul_add(at.seen.unwrap_or(c) - at.pre[SKIP], at.pre[SKIP]);
        Step::new(output, &[c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let one = L::one();
        let [v_f, v_r, _] = at.vectors;
        let f = v_f.mul_add(at.prev[0], at.pre[F]).sigmoid();
        let r = v_r.mul_add(at.prev[0], at.pre[R]).sigmoid();
        let c = f.mul_add(at.prev[0] - at.pre[X], at.pre[X]);
        let read = at.seen.unwrap_or(c);

        let mut by = At::zero();
        let dc = by.read(at, d.output * r, d.next[0]);
        by.pre[F] = dc * (at.prev[0] - at.pre[X]) * f * (one - f);
        by.pre[R] = d.output * (read - at.pre[SKIP]) * r * (one - r);
        by.pre[X] = dc * (one - f);
        by.pre[SKIP] = d.output * (one - r);
        by.prev[0] = by.pre[F].mul_add(v_f, by.pre[R].mul_add(v_r, dc * f));
        by.vectors[0] = by.pre[F] * at.prev[0];
        by.vectors[1] = by.pre[R] * at.prev[0];
        by
    }

    fn gates<L: Lane>(&self, at: &At<L>) -> [L; MAX_BLOCKS] {
        let [v_f, v_r, _] = at.vectors;
        let mut gates = [L::zero(); MAX_BLOCKS];
        gates[F] = v_f.mul_add(at.prev[0], at.pre[F]).sigmoid();
        gates[R] = v_r.mul_add(at.prev[0], at.pre[R]).sigmoid();
        gates
    }
}
