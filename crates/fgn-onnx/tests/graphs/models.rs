//! Every input layer and head.

use fgn_core::AnyCell;
use fgn_nn::candle_core::Tensor;
use fgn_nn::fgn_schema::{Catalogue, Moments, Padded, Prediction};
use fgn_nn::{
    Classification, Ctc, DenseConfig, Embedding, HeadConfig, ImageConv, ImagePixels, ImageRows,
    InputConfig, Mode, Model, ModelConfig, NextItem, NextToken, RecurrentConfig, Regression,
    Series,
};
use fgn_onnx::{ExportOptions, export};

use crate::case::{Case, given, lengths, model, samples, tokens};

fn built(input: impl Into<InputConfig>, head: impl Into<HeadConfig>) -> Model {
    model(&ModelConfig::new(input, RecurrentConfig::new(AnyCell::FGN, 4), head))
}

fn scale(features: usize) -> Option<Moments> {
    let values = |from: f64| (0..features).map(|n| from + n as f64).collect();
    Some(Moments { mean: values(1000.0), std: values(0.5) })
}

fn with_lengths(tensor: Tensor) -> Padded {
    let (batch, steps) = (tensor.dims()[0], tensor.dims()[1]);
    Padded::with_lengths(tensor, lengths(batch, steps)).unwrap()
}

fn inputs() -> Vec<Case> {
    let head = Classification::new(3);
    let colour = ImageRows { in_channels: 3, ..ImageRows::new(4, 5) };
    let permuted = ImagePixels { permutation_seed: Some(3), ..ImagePixels::new(3, 4) };
    let colour_pixels = ImagePixels { in_channels: 2, ..permuted };
    let conv = ImageConv::new(8, 12, [2, 3]);
    let colour_conv = ImageConv { in_channels: 3, ..conv };
    let mut cases = Vec::new();
    for (input, shape) in [
        (InputConfig::from(ImageRows::new(4, 5)), &[2, 4, 5][..]),
        (colour.into(), &[2, 4, 5, 3]),
        (ImagePixels::new(3, 4).into(), &[2, 3, 4]),
        (permuted.into(), &[2, 3, 4]),
        (colour_pixels.into(), &[2, 3, 4, 2]),
        (conv.into(), &[2, 8, 12]),
        (colour_conv.into(), &[2, 8, 12, 3]),
    ] {
        let model = built(input.clone(), head.clone());
        cases.push(Case::new(&format!("{input:?}"), &model, &samples(shape).into(), None));
    }
    let series = Series { scale: scale(2), ..Series::new(2) };
    let x = with_lengths((samples(&[3, 6, 2]) + 1000.0).unwrap());
    let model = built(series, head.clone());
    cases.push(Case::new("scaled series", &model, &x, None));
    let narrow = ExportOptions::default().with_float32(true);
    let near = Series {
        scale: Some(Moments { mean: vec![0.5, 0.2], std: vec![2.0, 0.7] }),
        ..Series::new(2)
    };
    let model = built(near, head.clone());
    cases.push(Case::with("series in float32", &model, &samples(&[3, 6, 2]).into(), None, &narrow));
    let model = built(Embedding::new(7, 3), head);
    cases.push(Case::new("tokens", &model, &with_lengths(tokens(3, 6, 7)), None));
    cases
}

fn heads() -> Vec<Case> {
    let x = with_lengths(samples(&[3, 6, 2]));
    let series = Series::new(2);
    let one = Regression { scale: scale(2), ..Regression::new(2) };
    let steps = Regression { per_step: true, ..one.clone() };
    let mut cases = Vec::new();
    for head in [HeadConfig::from(one), steps.into(), Regression::new(1).into(), Ctc::new(5).into()]
    {
        let name = format!("{head:?}");
        cases.push(Case::new(&name, &built(series.clone(), head), &x, None));
    }
    let tied = NextToken { tied: Some(3), ..NextToken::new(9) };
    let tied_alone = NextToken { tied: Some(4), ..NextToken::new(9) };
    let adaptive = NextToken { cutoffs: vec![3, 5, 6], ..NextToken::new(9) };
    for (size, head) in [(3, NextToken::new(9)), (3, tied), (4, tied_alone), (3, adaptive)] {
        let name = format!("{head:?}");
        let model = built(Embedding::new(9, size), head);
        cases.push(Case::new(&name, &model, &with_lengths(tokens(3, 6, 9)), None));
    }
    let dense = Some(DenseConfig { size: 5, dropout: 0.5 });
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 4);
    let config = ModelConfig::new(series, recurrent, Classification::new(3));
    cases.push(Case::new("dense", &model(&ModelConfig { dense, ..config }), &x, None));
    cases
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = inputs();
    cases.extend(heads());
    cases.extend(crate::audio::cases());
    cases.extend(crate::decoder::cases());
    cases
}

#[test]
fn every_input_layer_computes_what_the_model_does() {
    inputs().iter().for_each(Case::check);
}

#[test]
fn every_head_computes_what_the_model_does() {
    heads().iter().for_each(Case::check);
}

#[test]
fn the_scores_of_items_are_those_that_the_model_ranks() {
    let names = (0..6).map(|n| format!("item {n}")).collect();
    let catalogue = Catalogue::new(names, vec![1; 6]).unwrap();
    for (tied, bias) in [(None, true), (Some(3), true), (Some(4), false)] {
        let head = NextItem { tied, bias, ..NextItem::new(catalogue.clone()) };
        let model = built(Embedding::new(6, tied.unwrap_or(3)), head);
        let x = with_lengths(tokens(3, 5, 6));
        let exported = export(&model, &ExportOptions::default()).unwrap();
        crate::structure::check(&exported);
        let inputs = given(&exported, &x);
        let case = Case { name: "items".into(), exported, inputs, outputs: Vec::new() };
        let scores = &case.run()["scores"];
        assert_eq!(scores.shape, [3, 5, 6]);
        let Prediction::Ranking(ranking) = model.forward(&x, Mode::Eval).unwrap().prediction else {
            panic!("no ranking");
        };
        let items = ranking.items().tensor().to_vec2::<u32>().unwrap();
        let expected = ranking.scores().to_vec2::<f32>().unwrap();
        for (b, length) in lengths(3, 5).into_iter().enumerate() {
            assert!(!items[b].is_empty());
            for (&item, &expected) in items[b].iter().zip(&expected[b]) {
                let found = scores.as_floats()[(b * 5 + length - 1) * 6 + item as usize];
                assert!((found - f64::from(expected)).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}

#[test]
fn inputs_and_outputs_have_names_types_and_shapes() {
    let recurrent =
        RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(AnyCell::LSTM, 4) };
    let series = Series::new(2);
    let head = Regression { per_step: true, ..Regression::new(3) };
    let config = ModelConfig::new(series, recurrent, head);
    let options = ExportOptions::default().with_metadata("made by", "a test");
    let exported = export(&model(&config), &options).unwrap();
    let inputs: Vec<_> = exported.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        inputs,
        [
            "series float64[batch, time, 2]",
            "lengths int64[lengths] (optional)",
            "state_l0 float32[2, state_batch, 4] (optional)",
            "state_l0_reverse float32[2, state_batch, 4] (optional)",
        ]
    );
    let outputs: Vec<_> = exported.outputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        outputs,
        [
            "values float32[batch, time, 3]",
            "next_state_l0 float32[2, batch, 4]",
            "next_state_l0_reverse float32[2, batch, 4]",
        ]
    );
    let metadata = &exported.proto().metadata_props;
    let found: ModelConfig = serde_json::from_str(&metadata[0].value).unwrap();
    assert_eq!((metadata[0].key.as_str(), found), ("fgn.config", config));
    assert_eq!((metadata[1].key.as_str(), metadata[1].value.as_str()), ("made by", "a test"));
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let model = built(Embedding::new(5, 3), Classification::new(2));
    let exported = export(&model, &ExportOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    exported.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), exported.to_bytes().unwrap());
    let error = exported.save(&folder.path().join("nowhere/model.onnx")).unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.contains("nowhere"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
