//! The head for the next item of a session.

mod bad_input;
mod gradients;
mod losses;
mod rankings;
mod recommender;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{Catalogue, IGNORED, Padded, Prediction};
use fgn_nn::{
    Embedding, Emit, Generator, ItemLoss, Loss, LossOptions, Mode, Model, ModelConfig, ModelInput,
    NextItem, RecurrentConfig, RecurrentOptions,
};

use crate::common::scramble;

pub(crate) const ITEMS: usize = 12;

const SAMPLED: [ItemLoss; 3] = [ItemLoss::SampledSoftmax, ItemLoss::BprMax, ItemLoss::Top1Max];

/// Items `item 0` to `item 11`, the first taken most often.
fn catalogue() -> Catalogue {
    let names = (0..ITEMS).map(|item| format!("item {item}")).collect();
    Catalogue::new(names, (0..ITEMS as u64).map(|item| 500 / (item + 1)).collect()).unwrap()
}

/// A head of few samples over all items.
fn head(loss: ItemLoss) -> NextItem {
    NextItem { loss, samples: 5, regularization: 0.7, sparse: false, ..NextItem::new(catalogue()) }
}

/// A small model in `f64`, whose parameters follow no pattern.
fn model(head: NextItem) -> Model {
    let input = Embedding { sparse: head.sparse, ..Embedding::new(ITEMS, 3) };
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 4);
    let config = ModelConfig::new(input, recurrent, head);
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model
}

/// Three rows of up to four steps; one target is ignored.
fn items() -> (Padded, Padded) {
    let padded = |items: [[u32; 4]; 3]| {
        let items = Tensor::new(&items, &Device::Cpu).unwrap();
        Padded::with_lengths(items, vec![4, 2, 3]).unwrap()
    };
    let input = padded([[0, 7, 3, 11], [2, 0, 0, 0], [5, 5, 1, 0]]);
    (input, padded([[7, 3, 11, 1], [0, 4, 9, 9], [5, IGNORED, 7, 0]]))
}

/// The targets of [`items`] that count.
const TARGETS: [u32; 8] = [7, 3, 11, 1, 0, 4, 5, 7];

/// Steps at which a session begins within a row.
fn resets() -> Tensor {
    Tensor::new(&[[1u8, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], &Device::Cpu).unwrap()
}

/// What a model predicts in training, and its loss; the samples follow from the seed.
fn trained(model: &Model, seed: u64) -> (Prediction, Loss) {
    let ((input, target), resets) = (items(), resets());
    let mut generator = Generator::seed_from_u64(seed);
    let input = ModelInput::new(&input).with_target(&target).with_resets(&resets);
    let found = model.forward(input, Mode::Train(&mut generator)).unwrap();
    let loss = model.loss(&found.prediction, &target, &LossOptions::default()).unwrap();
    (found.prediction, loss)
}

/// What a model predicts in an evaluation, and its loss.
fn evaluated(model: &Model) -> (Prediction, Loss) {
    let ((input, target), resets) = (items(), resets());
    let input = ModelInput::new(&input).with_target(&target).with_resets(&resets);
    let found = model.forward(input, Mode::Eval).unwrap();
    let loss = model.loss(&found.prediction, &target, &LossOptions::default()).unwrap();
    (found.prediction, loss)
}

/// The same parameters under another head.
fn with_head(model: &Model, head: NextItem) -> Model {
    let config = ModelConfig { head: head.into(), ..model.config().clone() };
    let other = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    for ((name, to), (known, from)) in other.parameters().iter().zip(model.parameters()) {
        assert_eq!(name, known);
        to.set(from).unwrap();
    }
    other
}

/// The logits of all items after each step whose target counts, sample by sample, from the parameters.
fn logits(model: &Model) -> Vec<Vec<f64>> {
    let ((input, target), resets) = (items(), resets().t().unwrap().contiguous().unwrap());
    let x = model.features(&input).unwrap();
    let options =
        RecurrentOptions { emit: Emit::All, resets: Some(&resets), ..RecurrentOptions::default() };
    let outputs = model.recurrent().forward(&x, &options).unwrap().output.detach();
    let parameter = |name: &str| {
        let found = model.parameters().iter().find(|(known, _)| known == name);
        found.map(|(_, var)| var.as_detached_tensor())
    };
    let mut rows = outputs.transpose(0, 1).unwrap().flatten(0, 1).unwrap();
    if let Some(projection) = parameter("head.projection.weight") {
        rows = rows.matmul(&projection.t().unwrap()).unwrap();
    }
    let vectors = parameter("head.weight").or_else(|| parameter("input.embedding.weight"));
    let mut logits = rows.matmul(&vectors.unwrap().t().unwrap()).unwrap();
    if let Some(bias) = parameter("head.bias") {
        logits = logits.broadcast_add(&bias).unwrap();
    }
    let logits = logits.reshape((3, 4, ITEMS)).unwrap();
    let logits = Padded::with_lengths(logits, vec![4, 2, 3]).unwrap();
    let (rows, found) = Prediction::Logits(logits).rows(&target).unwrap();
    assert_eq!(found.to_vec1::<u32>().unwrap(), TARGETS);
    rows.to_vec2().unwrap()
}
