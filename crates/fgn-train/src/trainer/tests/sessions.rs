//! Sessions of items: sparse gradients and their moments, states that are reset, and whole rankings.

use std::fmt::Write as _;

use fgn_nn::Generator;

use super::going_on::goes_on_bit_for_bit_on;
use super::*;

/// A training on 300 sessions over 40 items, each of which is as a rule followed by the next one.
fn training(settings: &[&str]) -> (Config, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.csv");
    let mut generator = Generator::seed_from_u64(4);
    let mut below = |end: u64| generator.next_u64() % end;
    let mut log = "session,item\n".to_owned();
    for session in 0..300 {
        let mut item = below(40);
        for _ in 0..2 + below(7) {
            writeln!(log, "{session},i{item}").unwrap();
            item = if below(4) == 0 { below(40) } else { (item + 1) % 40 };
        }
    }
    std::fs::write(&file, log).unwrap();
    let small = [
        &format!("data.source={:?}", file.to_str().unwrap())[..],
        "data.sessions.min_support=1",
        "data.sessions.window=4",
        "training.epochs=2",
        "training.batch_size=8",
        "model.recurrent.hidden_size=12",
        "model.input.embedding_dim=6",
        "model.head.tied=6",
        "model.head.samples=10",
    ];
    let overrides = small.iter().chain(settings).map(|text| text.parse());
    let overrides: Vec<_> = overrides.collect::<Result<_>>().unwrap();
    let (config, dataset) = Config::open("sessions", &overrides).unwrap();
    config.check_with(dataset.as_ref().unwrap()).unwrap();
    let dataset = config.data.divide(dataset.unwrap(), config.training.seed).unwrap();
    (config, dataset)
}

/// The moments of rows that some steps did not touch are saved and restored with all others.
#[test]
fn it_goes_on_bit_for_bit_with_sparse_moments() {
    for settings in [
        &["model.head.loss=\"bpr-max\"", "checkpoint.every_steps=5"][..],
        &["optimizer={ name = \"adam\", learning_rate = 0.01 }", "checkpoint.every_steps=7"],
        &["model.head.loss=\"top1-max\"", "training.accumulate=2", "checkpoint.every_steps=3"],
    ] {
        let (config, dataset) = training(settings);
        goes_on_bit_for_bit_on(&config, &dataset, settings);
    }
}

/// With Adagrad sparse gradients give what dense ones do, to rounding.
#[test]
fn sparse_gradients_train_as_dense_ones_do() {
    let weights = |settings: &[&str]| {
        let (config, dataset) = training(settings);
        let mut trainer = trainer(&config);
        trainer.run(&dataset, &mut Notes::default()).unwrap();
        let flat = |(_, var): &(String, candle_core::Var)| {
            var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        trainer.model().parameters().iter().flat_map(flat).collect::<Vec<_>>()
    };
    let sparse = weights(&[]);
    let dense = weights(&["model.input.sparse=false", "model.head.sparse=false"]);
    let apart = sparse.iter().zip(&dense).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-4, "{apart}");
}

/// Every loss learns that the next item follows; the validation part is measured as the test part is, session by
/// session.
#[test]
fn every_loss_learns_what_follows() {
    for loss in ["cross-entropy", "sampled-softmax", "bpr-max", "top1-max"] {
        let loss = format!("model.head.loss=\"{loss}\"");
        let settings = [
            &loss[..],
            "metrics=[\"recall@1\", \"recall@20\"]",
            "monitor=\"recall@1\"",
            "training.epochs=30",
            "optimizer.learning_rate=0.2",
        ];
        let (config, dataset) = training(&settings);
        let mut trainer = trainer(&config);
        trainer.run(&dataset, &mut Notes::default()).unwrap();
        let test = crate::evaluation::evaluate(trainer.model(), &dataset.test).unwrap();
        let metrics = trainer.model().metrics(&["recall@1".to_owned()]).unwrap();
        let first = crate::evaluation::evaluate_with(trainer.model(), &dataset.test, metrics);
        let recall = first.unwrap().get("recall@1").unwrap();
        assert!(recall > 0.5, "{loss}: {recall}");
        assert!(test.get("recall@20").unwrap() > 0.75, "{loss}");
        let valid = dataset.valid.as_ref().unwrap();
        assert!(valid.windows().is_none() && dataset.train.windows().is_some());
        let measured = crate::evaluation::evaluate(trainer.model(), valid).unwrap();
        let history = trainer.state().history();
        let best = history.iter().find(|epoch| epoch.epoch == trainer.epoch()).unwrap();
        let known = best.valid.as_ref().unwrap();
        assert_eq!(known.get("recall@20"), measured.get("recall@20"), "{loss}");
    }
}
