//! The known name that an unknown one was probably meant to be.

/// The dotted key of a recipe that is meant by another name, one that other programs use, or by its last part.
pub(crate) fn key_of(name: &str) -> Option<&'static str> {
    let (key, _) = OTHER_NAMES.iter().find(|(_, names)| names.contains(&name))?;
    Some(key)
}

/// Keys that every recipe may have, and how else they are called.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("training.epochs", &["epochs", "num_epochs", "n_epochs", "max_epochs"]),
    ("training.batch_size", &["batch_size", "batch", "bs"]),
    ("training.seed", &["seed", "random_seed", "random_state"]),
    ("training.accumulate", &["gradient_accumulation_steps", "accumulate_grad_batches"]),
    ("training.warmup_steps", &["warmup_steps", "warmup"]),
    ("training.label_smoothing", &["label_smoothing"]),
    ("training.class_weights", &["class_weights", "class_weight"]),
    ("training.focal_gamma", &["focal_gamma", "gamma"]),
    ("training.init", &["init", "pretrained", "weights"]),
    ("training.freeze", &["freeze", "frozen"]),
    ("training.average", &["ema", "ema_decay"]),
    ("optimizer.learning_rate", &["learning_rate", "lr", "step_size"]),
    ("optimizer.weight_decay", &["weight_decay", "l2"]),
    ("clip.norm", &["clip_norm", "clipnorm", "max_norm", "grad_clip", "gradient_clip_val"]),
    ("schedule.name", &["scheduler", "lr_scheduler"]),
    ("early_stopping.patience", &["patience"]),
    ("checkpoint.model", &["restore_best_weights", "load_best_model_at_end", "save_best_only"]),
    ("data.source", &["source", "dataset", "path"]),
    ("data.validation", &["validation", "validation_split", "val_split"]),
    ("model.recurrent.hidden_size", &["hidden_size", "hidden", "hidden_dim", "units"]),
    ("model.recurrent.layers", &["layers", "num_layers", "n_layers"]),
    ("model.recurrent.cell.name", &["cell", "cell_type", "rnn_type"]),
    ("model.recurrent.bidirectional", &["bidirectional"]),
    ("model.recurrent.dropout.rate", &["dropout", "dropout_rate"]),
    ("model.recurrent.hidden_dropout.rate", &["recurrent_dropout"]),
    ("model.recurrent.zoneout", &["zoneout"]),
    ("model.recurrent.projection", &["proj_size"]),
];

/// The candidate that `name` was probably meant to be.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let edits = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let near = candidates.into_iter().map(|known| (edits(known), known));
    let (_, known) =
        near.filter(|&(edits, known)| edits <= MAX_EDITS.min(known.len() / 2)).min()?;
    Some(known.to_owned())
}

/// Edits by which a name may differ from a known one and still be taken for it.
const MAX_EDITS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A table set to a number is refused by its type; a key that there is not would be refused by its name.
    #[test]
    fn other_names_stand_for_keys_that_there_are() {
        for (key, names) in OTHER_NAMES {
            let setting = format!("{key}={{ no_such = 1 }}").parse().unwrap();
            let stop = "early_stopping={ patience = 1 }".parse().unwrap();
            let message = Config::load("mnist-rows", &[stop, setting]).unwrap_err().to_string();
            let last = key.rsplit('.').next().unwrap();
            assert!(!message.contains(&format!("unknown field `{last}`")), "{key}: {message}");
            assert!(
                names.iter().all(|name| key_of(name) == Some(key)),
                "a name of two keys: {key}"
            );
        }
    }

    #[test]
    fn typos_are_recognised_and_strangers_are_not() {
        let known = ["epochs", "batch_size", "learning_rate", "seed"];
        for (typo, meant) in [("epoch", "epochs"), ("batchsize", "batch_size"), ("Sead", "seed")] {
            assert_eq!(nearest(typo, known).as_deref(), Some(meant), "{typo}");
        }
        for stranger in ["", "threads", "z"] {
            assert_eq!(nearest(stranger, known), None, "{stranger}");
        }
    }
}
