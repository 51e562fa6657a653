//! Heads that read the outputs of all steps as one vector.

use fgn_core::AnyCell;
use fgn_nn::candle_core::Tensor;
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{
    BlockConfig, Classification, HeadConfig, ImageRows, InputConfig, ModelConfig, Pool,
    RecurrentConfig, Regression, Series,
};

use crate::case::{Case, lengths, model, samples};

const POOLS: [Pool; 3] = [Pool::Mean, Pool::Max, Pool::Attention];

fn recurrent() -> [RecurrentConfig; 4] {
    let one = RecurrentConfig::new(AnyCell::GRU, 3);
    let both = RecurrentConfig { bidirectional: true, layers: 2, ..one.clone() };
    let own = RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(AnyCell::FGN, 3) };
    let blocks = RecurrentConfig { block: Some(BlockConfig::default()), ..own.clone() };
    [one, both, own, blocks]
}

fn case(
    input: impl Into<InputConfig>,
    recurrent: RecurrentConfig,
    head: HeadConfig,
    x: &Padded,
) -> Case {
    let name = format!("{head:?}, {recurrent:?}, lengths {:?}", x.lengths());
    let model = model(&ModelConfig::new(input, recurrent, head));
    Case::new(&name, &model, x, None)
}

pub(crate) fn cases() -> Vec<Case> {
    let x = samples(&[3, 7, 2]);
    let series = [
        Padded::new(x.clone()),
        Padded::with_lengths(x, lengths(3, 7)).unwrap(),
        Padded::with_lengths(samples(&[2, 1, 2]), vec![1, 1]).unwrap(),
    ];
    let mut cases = Vec::new();
    for pool in POOLS {
        let heads: [HeadConfig; 2] = [
            Classification { pool, ..Classification::new(4) }.into(),
            Regression { pool, ..Regression::new(2) }.into(),
        ];
        for (recurrent, head) in
            recurrent().into_iter().flat_map(|it| heads.clone().map(move |head| (it.clone(), head)))
        {
            for x in &series {
                cases.push(case(Series::new(2), recurrent.clone(), head.clone(), x));
            }
        }
        let [recurrent, ..] = recurrent();
        let images = samples(&[2, 4, 5]).into();
        cases.push(case(ImageRows::new(4, 5), recurrent, heads[0].clone(), &images));
    }
    cases
}

#[test]
fn every_pool_computes_what_the_model_does() {
    cases().iter().for_each(Case::check);
}

#[test]
fn steps_past_the_length_do_not_count() {
    let x = samples(&[2, 4, 2]);
    let short = x.narrow(1, 0, 2).unwrap();
    let nan = (x.narrow(1, 2, 2).unwrap() * f64::NAN).unwrap();
    let followed = Tensor::cat(&[&short, &nan], 1).unwrap();
    let followed = Padded::with_lengths(followed, vec![2, 2]).unwrap();
    for recurrent in recurrent() {
        for pool in POOLS {
            let head: HeadConfig = Classification { pool, ..Classification::new(4) }.into();
            let of = |x: &Padded| case(Series::new(2), recurrent.clone(), head.clone(), x).run();
            let [alone, followed] = [&Padded::new(short.clone()), &followed].map(of);
            for (found, expected) in
                followed["logits"].as_floats().iter().zip(alone["logits"].as_floats())
            {
                assert!((found - expected).abs() < 1e-12, "{pool:?}: {found} {expected}");
            }
        }
    }
}
