//! For tests: folders of runs that nobody trained.

use std::fs;

use serde_json::json;

use super::run::{Run, Store};

/// A store in a folder of its own, which is there as long as the first value is.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    (folder, store)
}

/// Writes what a finished run of one epoch leaves: 100 steps, 2 seconds, 1,500 parameters, a loss of 0.5 in each part, and
/// these measures, whose names begin with `valid_` or `test_`.
pub(super) fn finish(store: &Store, run: &Run, measures: &[(&str, f64)]) {
    store.begin(run, "Machine, 2 threads, AVX2").unwrap();
    let folder = store.path(&run.name);
    fs::create_dir_all(&folder).unwrap();
    let mut epoch =
        json!({ "epoch": 1, "step": 100, "train_loss": 0.5, "valid_loss": 0.5, "seconds": 2.0 });
    let mut last = json!({ "final": true, "epoch": 1, "test_loss": 0.5 });
    for (key, value) in measures {
        let line = if key.starts_with("valid_") { &mut epoch } else { &mut last };
        line[key] = json!(value);
    }
    fs::write(folder.join("metrics.jsonl"), format!("{epoch}\n{last}\n")).unwrap();
    fs::write(folder.join("config.toml"), "[training]\nepochs = 1\n").unwrap();
    let header = br#"{"w":{"shape":[1500]}}"#;
    let model = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    fs::write(folder.join("model.safetensors"), model).unwrap();
}
