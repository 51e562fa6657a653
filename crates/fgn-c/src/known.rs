//! The keys of a model's configuration that the C source takes account of.
//!
//! A key that is not in these lists is refused, even if nothing is known about it: a new option of a layer changes
//! what the layer computes, and C source that ignores it would give wrong results without a word.

use fgn_nn::ModelConfig;
use fgn_nn::serde_json::{self, Value};

use crate::error::{Error, Result};

const MODEL: &[&str] = &["input", "dense", "recurrent", "head"];
const DENSE: &[&str] = &["size", "dropout"];
#[rustfmt::skip]
const RECURRENT: &[&str] = &[
    "hidden_size", "cell", "layers", "bidirectional", "batch_first", "bias", "projection", "residual", "block",
    "norm", "zoneout", "clip",
    // These matter in training alone.
    "input_dropout", "dropout", "hidden_dropout", "weight_drop", "init",
];
const BLOCK: &[&str] = &["norm", "mlp", "conv", "dropout"];
const NORM: &[&str] = &["pre", "memory"];

/// The keys of each kind of input layer that is written.
#[rustfmt::skip]
pub(crate) const INPUTS: &[(&str, &[&str])] = &[
    ("series", &["features", "scale", "augment"]),
    ("embedding", &["num_embeddings", "embedding_dim", "dropout", "sparse", "tokenizer"]),
    ("image-rows", &["height", "width", "in_channels", "augment"]),
    ("image-pixels", &["height", "width", "in_channels", "permutation_seed", "augment"]),
];

/// The keys of each kind of head that is written.
#[rustfmt::skip]
pub(crate) const HEADS: &[(&str, &[&str])] = &[
    ("classification", &["classes", "names", "per_step", "pool"]),
    ("regression", &["values", "names", "per_step", "pool", "scale"]),
    ("next-token", &["vocabulary", "dropout", "tied", "cutoffs", "activation_regularization",
                     "temporal_activation_regularization"]),
    ("next-item", &["catalogue", "loss", "samples", "alpha", "in_batch", "regularization", "tied", "bias",
                    "dropout", "sparse"]),
    ("ctc", &["vocabulary", "tokenizer", "dropout", "beam_size", "zero_infinity"]),
];

/// The names of kinds.
pub(crate) fn kind_names(kinds: &[(&str, &[&str])]) -> String {
    kinds.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Checks that every key of `config` is known.
pub(crate) fn check(config: &ModelConfig) -> Result<()> {
    let unreadable = |error: serde_json::Error| {
        Error::unsupported("model", error, "a configuration that JSON can hold")
    };
    check_value(&serde_json::to_value(config).map_err(unreadable)?)
}

fn check_value(model: &Value) -> Result<()> {
    keys(model, "", MODEL)?;
    kind(&model["input"], "input", INPUTS)?;
    keys(&model["dense"], "dense", DENSE)?;
    keys(&model["recurrent"], "recurrent", RECURRENT)?;
    keys(&model["recurrent"]["block"], "recurrent.block", BLOCK)?;
    keys(&model["recurrent"]["norm"], "recurrent.norm", NORM)?;
    kind(&model["head"], "head", HEADS)
}

fn kind(table: &Value, path: &str, kinds: &[(&str, &[&str])]) -> Result<()> {
    let found = table["kind"].as_str().unwrap_or_default();
    let Some((_, known)) = kinds.iter().find(|(name, _)| *name == found) else {
        let reason = match found {
            "audio" => {
                "; features of sound are computed from overlapping windows, not from one step"
            }
            "image-conv" => "; a convolution reads several rows at once, not one step",
            "image-raster" | "pixels" => "; a step would read the pixels of several rows",
            "decoder" => "; a search for the best answer is no part of a step",
            _ => "",
        };
        let expected = format!("{}{reason}", kind_names(kinds));
        return Err(Error::unsupported(&format!("{path}.kind"), format!("{found:?}"), expected));
    };
    keys(table, path, &[known, &["kind"][..]].concat())
}

/// A value that is no table, such as that of a dense layer that is not there, has no keys.
fn keys(table: &Value, path: &str, known: &[&str]) -> Result<()> {
    let Some(table) = table.as_object() else { return Ok(()) };
    match table.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some((key, value)) => {
            let separator = if path.is_empty() { "" } else { "." };
            let expected = "a model without this option, of which the C source knows nothing";
            Err(Error::unsupported(&format!("{path}{separator}{key}"), value, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use fgn_core::AnyCell;
    use fgn_nn::serde_json::json;
    use fgn_nn::{BlockConfig, Classification, RecurrentConfig, Series};

    use super::*;

    #[test]
    fn an_option_that_is_not_known_is_refused() {
        let series = Series::new(2);
        let recurrent = RecurrentConfig::new(AnyCell::LSTM, 4).with_block(BlockConfig::default());
        let config = ModelConfig::new(series, recurrent, Classification::new(2));
        check(&config).unwrap();
        let whole = serde_json::to_value(&config).unwrap();
        for (pointer, key, field) in [
            ("", "tail", "tail"),
            ("/input", "lags", "input.lags"),
            ("/recurrent", "highway", "recurrent.highway"),
            ("/recurrent/block", "gate", "recurrent.block.gate"),
            ("/recurrent/norm", "kind", "recurrent.norm.kind"),
            ("/head", "temperature", "head.temperature"),
        ] {
            let mut changed = whole.clone();
            changed.pointer_mut(pointer).unwrap()[key] = json!("mean");
            let error = check_value(&changed).unwrap_err().to_string();
            let start = format!("`{field}` is \"mean\", which is not written as C source");
            assert!(error.starts_with(&start), "{error}");
        }
        let mut audio = whole;
        audio["input"] = json!({ "kind": "audio" });
        let error = check_value(&audio).unwrap_err().to_string();
        let start = "`input.kind` is \"audio\", which is not written as C source: expected series, embedding, ";
        assert!(error.starts_with(start), "{error}");
    }
}
