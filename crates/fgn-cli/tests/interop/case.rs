//! What a model is given and what it returns, for the script `differences.py`.

use candle_core::{DType, Tensor};
use fgn_nn::{Mode, Model};
use fgn_schema::Ranking;
use fgn_schema::{Padded, Prediction};
use serde_json::{Map, Value, json};

/// Inputs and outputs by the names that the graph has.
pub(crate) fn case(model: &Model, samples: &Padded) -> Value {
    let found = model.forward(samples, Mode::Eval).unwrap();
    let mut outputs = Map::new();
    let mut put = |name: &str, value: Value| outputs.insert(name.to_owned(), value);
    match &found.prediction {
        Prediction::Tokens(answers) => {
            put("answers", array(answers.tensor(), "int64"));
            let lengths = answers.lengths().unwrap();
            put(
                "answer_lengths",
                json!({ "dtype": "int64", "shape": [lengths.len()], "data": lengths }),
            );
        }
        Prediction::Ranking(ranking) => drop(put("scores", scores(ranking))),
        Prediction::Values(values) => {
            let dtype = if values.tensor().dtype() == DType::F64 { "float64" } else { "float32" };
            put("values", array(values.tensor(), dtype));
        }
        prediction => drop(put("logits", array(prediction.output().tensor(), "float32"))),
    }
    for (suffix, state) in suffixes(model).iter().zip(found.state.tensors()) {
        put(&format!("next_state{suffix}"), array(state, "float32"));
    }
    let steps = samples.tensor().dims()[1];
    let lengths: Vec<_> = match samples.lengths() {
        Some(lengths) => lengths.to_vec(),
        None => vec![steps; samples.batch_size()],
    };
    json!({
        "samples": array(samples.tensor(), ""),
        "lengths": lengths,
        "outputs": outputs,
    })
}

/// The scores of the best items after the last step of each sequence, `[B, K]`, and which items they are.
fn scores(ranking: &Ranking) -> Value {
    let mut scores = array(ranking.scores(), "float32");
    scores["items"] = array(ranking.items().tensor(), "int64");
    scores
}

fn array(tensor: &Tensor, dtype: &str) -> Value {
    let flat = tensor.flatten_all().and_then(|flat| flat.to_dtype(DType::F64)).unwrap();
    json!({ "dtype": dtype, "shape": tensor.dims(), "data": flat.to_vec1::<f64>().unwrap() })
}

/// Of the names of states: `_l0`, `_l0_reverse`.
fn suffixes(model: &Model) -> Vec<String> {
    let config = model.recurrent().config();
    let ends = if config.bidirectional { &["", "_reverse"][..] } else { &[""] };
    let layer = |layer| ends.iter().map(move |end| format!("_l{layer}{end}"));
    (0..config.layers).flat_map(layer).collect()
}
