//! A `tokenizer.json` gives the tokens that the Python package `tokenizers` gives: `golden/tokenizers_golden.py`
//! wrote them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use fgn_data::Tokenizer;
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    tokenizers: Vec<Named>,
    strings: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
    decoded: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    json: String,
}

#[test]
fn tokens_are_those_of_the_python_package() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizers_golden.json.gz");
    let golden: Golden =
        serde_json::from_reader(GzDecoder::new(File::open(file).unwrap())).unwrap();
    assert_eq!((golden.tokenizers.len(), golden.strings.len()), (3, 1_000));
    for Named { name, json } in &golden.tokenizers {
        let tokenizer = Tokenizer::pieces(json, &["<end>"]).unwrap();
        let (ids, decoded) = (&golden.ids[name], &golden.decoded[name]);
        assert_eq!((ids.len(), decoded.len()), (1_000, 1_000));
        for (string, (ids, decoded)) in golden.strings.iter().zip(ids.iter().zip(decoded)) {
            assert_eq!(&tokenizer.encode(string).unwrap(), ids, "{name}: {string:?}");
            assert_eq!(&tokenizer.decode(ids), decoded, "{name}: {string:?}");
        }
        let end = tokenizer.special("<end>").unwrap();
        assert!(ids.iter().flatten().all(|&id| id < end), "{name}");
    }
}
