//! What a cell says of its gates, against the papers' own form.

use fgn_core::cells::{
    Fgn, Forgetting, Gru, Janet, Lru, Lstm, Mgu, MinLstm, PeepholeLstm, Readout,
};
use fgn_core::cells::{Rnn, Slstm, Sru, UrLstm};
use fgn_core::{AnyCell, Cell, CellVisitor, MAX_BLOCKS, MAX_STATES, StepInput};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-14, "{what}: {found}, expected {expected}");
}

struct Range;

impl CellVisitor for Range {
    type Output = ();
    fn visit<C: Cell>(self, cell: C) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100 {
            let (pre, prev) = (random(&mut rng, MAX_BLOCKS), random(&mut rng, MAX_STATES));
            let at = StepInput::new(&pre, &prev, &random(&mut rng, 3));
            let gates = cell.gates(&at);
            for (g, gate) in gates.into_iter().enumerate() {
                match C::SPEC.blocks.get(g).is_some_and(|block| block.is_gate()) {
                    true => assert!((0.0..=1.0).contains(&gate), "{gate}"),
                    false => assert_eq!(gate, 0.0),
                }
            }
        }
    }
}

#[test]
fn gates_are_shares_and_other_blocks_have_none() {
    AnyCell::all().into_iter().for_each(|cell| cell.visit(Range).unwrap());
}

#[test]
fn gates_are_those_of_the_papers() {
    let s = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..100 {
        let (p, v) = (random(&mut rng, 6), random(&mut rng, 3));
        let c = rng.random_range(-2.0..2.0);
        let two = StepInput::new(&p, &[0.3, c], &v);
        let one = StepInput::new(&p, &[c], &v);

        let gates = Lstm.gates(&two);
        assert_eq!(gates, [s(p[0]), s(p[1]), 0.0, s(p[3]), 0.0, 0.0]);

        let gates = PeepholeLstm.gates(&two);
        let (i, f) = (s(p[0] + v[0] * c), s(p[1] + v[1] * c));
        let o = s(p[3] + v[2] * (f * c + i * p[2].tanh()));
        for (found, expected) in gates.into_iter().zip([i, f, 0.0, o, 0.0, 0.0]) {
            assert_close(found, expected, "peephole LSTM");
        }

        let gates = Sru.gates(&one);
        assert_close(gates[0], s(p[0] + v[0] * c), "SRU f");
        assert_close(gates[1], s(p[1] + v[1] * c), "SRU r");

        for (forgetting, phi) in
            [(Forgetting::Soft, s(p[4])), (Forgetting::Binary, if p[4] >= 0.0 { 1.0 } else { 0.0 })]
        {
            let cell = Fgn::<_, false> { unit: Lstm, readout: Readout::Gated, forgetting };
            assert_eq!(cell.gates(&two)[4], phi);
            // Its φ stands between the gru's blocks that read the input and the one that does not.
            let cell = Fgn::<_, true> { unit: Gru, readout: Readout::Gated, forgetting };
            let phi = match forgetting {
                Forgetting::Soft => s(p[3]),
                Forgetting::Binary => f64::from(u8::from(p[3] >= 0.0)),
            };
            assert_eq!(cell.gates(&one), [s(p[0]), s(p[1]), 0.0, phi, 0.0, 0.0]);
        }
    }
}

#[test]
fn what_is_carried_is_the_factor_on_the_memory() {
    let s = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..100 {
        let (p, v) = (random(&mut rng, 6), random(&mut rng, 3));
        let two = StepInput::new(&p, &random(&mut rng, 2), &v);
        let one = StepInput::new(&p, &random(&mut rng, 1), &v);
        let (f, r) = (s(p[0]), s(p[1]));
        assert_close(Lstm.retained(&two), s(p[1]), "LSTM");
        assert_close(Gru.retained(&one), s(p[1]), "GRU");
        assert_close(Janet.retained(&one), f, "JANET");
        assert_close(
            Mgu.retained(&StepInput::new(&[p[0], p[1], 0.0], &one.prev[..1], &[])),
            1.0 - f,
            "MGU",
        );
        assert_close(MinLstm.retained(&one), f / (f + r), "minLSTM");
        let refined = r * (1.0 - (1.0 - f).powi(2)) + (1.0 - r) * f.powi(2);
        assert_close(UrLstm.retained(&two), refined, "UR-LSTM");
        let states = random(&mut rng, 4);
        let kept = s(p[1]).ln() + states[3];
        let found = Slstm.retained(&StepInput::new(&p, &states, &[]));
        assert_close(found, (kept - kept.max(p[0])).exp(), "sLSTM");
        // Without peepholes, the SRU's is its gate; with them, its gates see the memory too.
        assert_close(Sru.retained(&StepInput::new(&p[..4], &one.prev[..1], &[])), f, "SRU");
        assert_eq!(Rnn { nonlinearity: Default::default() }.retained(&one), 0.0);
        assert_close(Lru.retained(&StepInput::new(&[], &[], &v[..2])), s(v[0]).sqrt(), "LRU");
        let forgetting = Forgetting::Soft;
        let fgn = Fgn::<_, false> { unit: UrLstm, readout: Readout::Single, forgetting };
        assert_close(fgn.retained(&two), refined, "FGN over UR-LSTM");
    }
    let gated = |cell: AnyCell| cell.spec().has_gated_memory();
    assert!(gated(AnyCell::FGN) && gated(AnyCell::MIN_GRU));
    assert!(!gated(AnyCell::RNN) && !gated(AnyCell::IND_RNN));
}
