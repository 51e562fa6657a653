//! Texts: windows of one long sequence, with states that go on.

use fgn_data::Order;

use super::going_on::goes_on_bit_for_bit_on;
use super::*;
use crate::group::threads;

const TEXT: &str = "the quick brown fox jumps over the lazy dog. ";

/// A training on a text of 2,700 characters, and its data.
fn training(settings: &[&str]) -> (Config, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.txt");
    std::fs::write(&file, TEXT.repeat(60)).unwrap();
    let small = [
        &format!("data.source={:?}", file.to_str().unwrap())[..],
        "data.text.window=16",
        "training.epochs=2",
        "training.batch_size=4",
        "training.warmup_steps=0",
        "model.recurrent.hidden_size=10",
        "model.input.embedding_dim=5",
        "optimizer.learning_rate=0.01",
    ];
    let overrides = small.iter().chain(settings).map(|text| text.parse());
    let overrides: Vec<_> = overrides.collect::<Result<_>>().unwrap();
    let (config, dataset) = Config::open("text", &overrides).unwrap();
    config.check_with(dataset.as_ref().unwrap()).unwrap();
    let dataset = config.data.divide(dataset.unwrap(), config.training.seed).unwrap();
    (config, dataset)
}

#[test]
fn it_goes_on_bit_for_bit_in_the_middle_of_a_text() {
    let settings = [
        "training.reset_state=0.2",
        "model.input.dropout=0.1",
        "model.recurrent.weight_drop=0.1",
        "model.head.activation_regularization=0.1",
        "checkpoint.every_steps=5",
    ];
    let (config, dataset) = training(&settings);
    goes_on_bit_for_bit_on(&config, &dataset, &settings);
}

/// With carried states, dropout and resets, in groups of one stream each; and through a checkpoint of another number of
/// processes.
#[test]
fn any_number_of_processes_gives_the_same_bits() {
    let settings = [
        "training.groups=4",
        "training.reset_state=0.2",
        "model.input.dropout=0.1",
        "model.input.sparse=true",
        "model.recurrent.weight_drop=0.1",
        "checkpoint.every_steps=5",
    ];
    let (config, dataset) = training(&settings);
    let run = |processes, checkpoint: Option<&Checkpoint>| {
        threads::run(processes, |group| {
            let mut trainer = trainer(&config);
            trainer.join(group, &dataset).unwrap();
            if let Some(checkpoint) = checkpoint {
                trainer.restore(checkpoint).unwrap();
            }
            let mut saved = Saved::default();
            trainer.run(&dataset, &mut saved).unwrap();
            let losses = trainer.state().history().iter().map(|epoch| epoch.train.loss());
            let losses: Vec<_> = losses.map(f64::to_bits).collect();
            (weights(trainer.model()), losses, saved.0)
        })
    };
    let (expected, losses, saved) = run(1, None).remove(0);
    for processes in [2, 3, 4] {
        for (found, found_losses, _) in run(processes, None) {
            assert!(found == expected && found_losses == losses, "{processes} processes");
        }
    }
    let checkpoint = saved.iter().find(|saved| saved.training.contains_key("carried/3/0")).unwrap();
    for (found, found_losses, _) in run(3, Some(checkpoint)) {
        assert!(found == expected && found_losses == losses);
    }
}

/// Each epoch begins its windows somewhere else, with as many batches, and never reads what is held out.
#[test]
fn epochs_begin_at_different_steps_of_the_training_part_alone() {
    let (config, dataset) = training(&[]);
    let parts = [&dataset.train, dataset.valid.as_ref().unwrap(), &dataset.test];
    let steps = parts.map(|part| part.windows().unwrap().steps());
    // 2,700 characters: of 2,699 steps those across the two borders are nobody's.
    assert_eq!(steps.iter().sum::<u64>() + 2, 2699, "{steps:?}");
    let mut trainer = trainer(&config);
    let mut starts = Vec::new();
    for epoch in 1..=6 {
        trainer.state.epoch = epoch;
        let samples = trainer.epoch_samples(&dataset.train).unwrap();
        let windows = samples.windows().unwrap();
        assert_eq!(samples.len() / 4, dataset.train.len() / 4);
        assert_eq!(windows.steps() % 16, 0);
        let first = samples.batch(&[0], &Device::Cpu).unwrap();
        starts.push(first.input().tensor().to_vec2::<u32>().unwrap());
        // Row by row, each batch continues the one before.
        let batches = fgn_data::Batches::new(&*samples, Order::Streams, 4, &Device::Cpu).unwrap();
        let mut last: Option<Vec<u32>> = None;
        for batch in batches {
            let batch = batch.unwrap();
            let row = |at: usize, part: &fgn_schema::Padded| {
                part.tensor().narrow(1, at, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            if let Some(last) = last {
                assert_eq!(row(0, batch.input()), last);
            }
            last = Some(row(15, batch.target()));
        }
    }
    let distinct: std::collections::BTreeSet<_> = starts.iter().collect();
    assert!(distinct.len() > 1, "{starts:?}");
}

/// What is measured is what the definition gives, cold and streaming, token by token.
#[test]
fn an_evaluation_measures_windows_and_the_whole_stream() {
    let (config, dataset) = training(&["data.text.evaluation_window=20"]);
    let model =
        fgn_nn::Model::new(&config.model, 3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let found = crate::evaluation::evaluate(&model, &dataset.test).unwrap();
    let mut nats = [0.0, 0.0];
    let mut count = 0;
    let mut stream = model.generator(fgn_nn::Precision::F32, 1).unwrap();
    for index in 0..dataset.test.len() as u32 {
        let batch = dataset.test.batch(&[index], &Device::Cpu).unwrap();
        let tokens = |part: &fgn_schema::Padded| {
            part.tensor().flatten_all().unwrap().to_vec1::<u32>().unwrap()
        };
        let mut cold = model.generator(fgn_nn::Precision::F32, 1).unwrap();
        for (token, target) in tokens(batch.input()).into_iter().zip(tokens(batch.target())) {
            for (nats, generator) in nats.iter_mut().zip([&mut cold, &mut stream]) {
                generator.read(&[token]).unwrap();
                let logits: Vec<f64> = generator.logits().iter().map(|&l| f64::from(l)).collect();
                let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                *nats -= logits[target as usize] - sum.ln();
            }
            count += 1;
        }
    }
    assert_eq!(found.targets, count);
    let [cold, streaming] = nats.map(|nats| nats / count as f64);
    for (name, expected) in [
        ("loss", cold),
        ("perplexity", cold.exp()),
        ("bits", cold / 2.0_f64.ln()),
        ("streaming_loss", streaming),
        ("streaming_perplexity", streaming.exp()),
        ("streaming_bits", streaming / 2.0_f64.ln()),
    ] {
        let value = found.get(name).unwrap();
        assert!((value - expected).abs() < 1e-4 * expected, "{name}: {value}, not {expected}");
    }
}

#[test]
fn resets_need_states_to_reset() {
    let error = testing::load(&["training.reset_state=0.1"]).unwrap_err().to_string();
    assert!(error.contains("training.reset_state is 0.1, expected 0 without"), "{error}");
}
