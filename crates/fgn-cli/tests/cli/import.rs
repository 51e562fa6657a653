//! `fgn import`: weights of PyTorch and Keras predict what their own models do.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;

use candle_core::{DType, Device, Tensor, pickle};
use serde_json::{Value, json};

use crate::place::{Done, Place};

/// Of predictions in `f32`, against those of PyTorch and Keras.
const TOLERANCE: f64 = 1e-6;

/// The keys of a model of two features and two values.
const MODEL: &str = "name = \"other\"

[data.series]
id = \"id\"
features = [\"x\", \"y\"]
target = [\"a\", \"b\"]
task = \"regression\"

[model]
input = { kind = \"series\", features = 2 }
head = { kind = \"regression\", values = 2, names = [\"a\", \"b\"] }

[model.recurrent]
hidden_size = 3
";

const LSTM: &str = "cell = { name = \"lstm\" }\n";
const GRU: &str = "cell = { name = \"gru\" }\n";
const DEEP: &str = "layers = 2\nbidirectional = true\n";
const TORCH: [&str; 6] = ["--config", "model.toml", "--map", "rnn=recurrent", "--map", "fc=head"];

fn goldens() -> Value {
    serde_json::from_str(include_str!("../goldens/goldens.json")).unwrap()
}

/// A folder with `model.toml`, and the sequences of the goldens as `series.csv`.
fn place(recurrent: &str) -> Place {
    let place = Place::new();
    fs::write(place.path("model.toml"), format!("{MODEL}{recurrent}")).unwrap();
    let mut table = "id,x,y\n".to_owned();
    for (id, sequence) in goldens()["series"].as_array().unwrap().iter().enumerate() {
        for step in sequence.as_array().unwrap() {
            table += &format!("{id},{},{}\n", step[0], step[1]);
        }
    }
    fs::write(place.path("series.csv"), table).unwrap();
    place
}

/// Copies weights of PyTorch there.
fn put(place: &Place, name: &str) {
    let from = format!("{}/tests/goldens/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::copy(from, place.path(name)).unwrap();
}

fn import(place: &Place, weights: &str, more: &[&str]) -> Done {
    place.fgn(&[&["import", weights, "model.safetensors"], &TORCH[..], more].concat())
}

fn tensors(place: &Place, name: &str, key: Option<&str>) -> HashMap<String, Tensor> {
    pickle::read_all_with_key(place.path(name), key).unwrap().into_iter().collect()
}

fn save(place: &Place, tensors: &HashMap<String, Tensor>) {
    candle_core::safetensors::save(tensors, place.path("weights.safetensors")).unwrap();
}

#[track_caller]
fn predicts(place: &Place, expected: &Value) {
    let done = place.fgn(&["predict", "model.safetensors", "series.csv", "--json"]).succeeds();
    let expected = expected.as_array().unwrap();
    assert_eq!(done.out.lines().count(), expected.len());
    for (line, expected) in done.out.lines().zip(expected) {
        let values = &serde_json::from_str::<Value>(line).unwrap()["values"];
        for (name, expected) in ["a", "b"].iter().zip(expected.as_array().unwrap()) {
            let (found, expected) = (values[name].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
        }
    }
}

#[test]
fn state_dicts_of_pytorch_predict_what_pytorch_does() {
    let rnn = "bias = false\ncell = { name = \"rnn\", nonlinearity = \"relu\" }\n";
    for (name, recurrent, key) in [
        ("lstm", LSTM.to_owned(), None),
        ("lstm-deep", format!("{DEEP}{LSTM}"), Some("state_dict")),
        ("gru", format!("{DEEP}{GRU}"), None),
        ("rnn", rnn.to_owned(), None),
    ] {
        let place = place(&recurrent);
        let file = format!("{name}.pt");
        put(&place, &file);
        let options: Vec<_> = key.into_iter().flat_map(|key| ["--key", key]).collect();
        import(&place, &file, &options).succeeds();
        predicts(&place, &goldens()["torch"][name]);
        place.fgn(&["export", "model.safetensors", "model.onnx"]).succeeds();
        let of_pickle = fs::read(place.path("model.safetensors")).unwrap();

        save(&place, &tensors(&place, &file, key));
        import(&place, "weights.safetensors", &["--force"]).succeeds();
        assert!(of_pickle == fs::read(place.path("model.safetensors")).unwrap(), "{name}");
    }
}

#[test]
fn weights_of_keras_predict_what_keras_does() {
    for (name, recurrent, cells, dense) in [
        ("gru", GRU.to_owned(), &["sequential/gru/gru_cell"][..], "sequential/dense"),
        (
            "lstm-deep",
            format!("{DEEP}{LSTM}"),
            &[
                "sequential_1/both_first/forward_first/lstm_cell",
                "sequential_1/both_first/backward_first/lstm_cell",
                "sequential_1/both_second/forward_second/lstm_cell",
                "sequential_1/both_second/backward_second/lstm_cell",
            ],
            "sequential_1/dense",
        ),
    ] {
        let place = place(&recurrent);
        let golden = &goldens()["keras"][name];
        let weights = golden["weights"].as_object().unwrap().iter().map(|(path, weight)| {
            let data: Vec<f32> = serde_json::from_value(weight["data"].clone()).unwrap();
            let shape: Vec<usize> = serde_json::from_value(weight["shape"].clone()).unwrap();
            (path.clone(), Tensor::from_vec(data, shape, &Device::Cpu).unwrap())
        });
        save(&place, &weights.collect());
        fs::write(place.path("layer.json"), golden["config"].to_string()).unwrap();
        let map = format!("{dense}=head");
        let cells: Vec<_> = cells.iter().flat_map(|&cell| ["--cell", cell]).collect();
        let args = ["import", "weights.safetensors", "model.safetensors", "--config", "model.toml"];
        let keras = [&args[..], &["--keras", "layer.json", "--map", &map]].concat();
        let done = place.fgn(&[&keras[..], &cells, &["--json"]].concat()).succeeds();
        predicts(&place, &golden["outputs"]);
        let found: Value = serde_json::from_str(&done.out).unwrap();
        let first = json!({ "name": "recurrent.weight_ih_l0", "from": cells[1], "dtype": "f32",
            "shape": [if name == "gru" { 9 } else { 12 }, 2] });
        assert_eq!(found["taken"][0], first);

        // Too few cells, and weights that are not in Keras' layout.
        fs::remove_file(place.path("model.safetensors")).unwrap();
        place.fgn(&[&keras[..], &cells[2..]].concat()).fails_with(&["expected", cells[1]]);
        let plain = [&args[..], &["--map", &map]].concat();
        place.fgn(&plain).fails_with(&["missing: recurrent.weight_ih_l0", "left over: "]);
        fs::write(place.path("layer.json"), "{ \"units\": 3 }").unwrap();
        let done = place.fgn(&[&keras[..], &cells].concat());
        done.fails_with(&["layer.json: not the JSON of a recurrent layer's get_config()"]);
        assert!(!place.path("model.safetensors").exists());
    }
}

#[test]
fn what_is_taken_and_what_is_not_is_listed() {
    let place = place(LSTM);
    put(&place, "lstm.pt");
    let lines = "recurrent.weight_ih_l0 [12, 2] from rnn.weight_ih_l0 (f32)\n\
                 recurrent.weight_hh_l0 [12, 3] from rnn.weight_hh_l0 (f32)\n\
                 recurrent.bias_ih_l0 [12] from rnn.bias_ih_l0 (f32)\n\
                 recurrent.bias_hh_l0 [12] from rnn.bias_hh_l0 (f32)\n\
                 head.weight [2, 3] from fc.weight (f32)\nhead.bias [2] from fc.bias (f32)\n";
    assert_eq!(import(&place, "lstm.pt", &[]).succeeds().out, lines);
    import(&place, "lstm.pt", &[]).fails_with(&["model.safetensors is there already", "--force"]);

    let mut all = tensors(&place, "lstm.pt", None);
    all.insert("other.weight".into(), Tensor::zeros((4, 1), DType::I64, &Device::Cpu).unwrap());
    save(&place, &all);
    let unmapped = ["import", "weights.safetensors", "a.safetensors", "--config", "model.toml"];
    let listed = [
        "weights.safetensors: the tensors do not make the model:",
        "\n  missing: recurrent.weight_ih_l0 [12, 2]\n",
        "\n  missing: head.bias [2]\n",
        "\n  left over: fc.weight [2, 3]\n",
        "\n  left over: other.weight [4, 1]\n",
        "\n  perhaps --map fc=head --map rnn=recurrent\n",
    ];
    place.fgn(&unmapped).fails_with(&listed);
    let listed = [
        "\n  taken: head.bias (from fc.bias) [2]\n",
        "left over: other.weight [4, 1]\n",
        "--ignore NAME leaves",
    ];
    import(&place, "weights.safetensors", &["--force"]).fails_with(&listed);
    assert!(!place.path("a.safetensors").exists());
    let done = import(&place, "weights.safetensors", &["--force", "--ignore", "other"]);
    assert_eq!(done.succeeds().out, format!("{lines}ignored other.weight [4, 1]\n"));
    predicts(&place, &goldens()["torch"]["lstm"]);

    // A layer alone, whose names have no prefix.
    let alone = all.into_iter().map(|(name, tensor)| match name.strip_prefix("rnn.") {
        Some(name) => (name.to_owned(), tensor),
        None => (name, tensor),
    });
    save(&place, &alone.collect());
    let maps = ["--map", "=recurrent", "--map", "fc=head", "--ignore", "other", "--force"];
    let args = ["import", "weights.safetensors", "model.safetensors", "--config", "model.toml"];
    assert_eq!(place.fgn(&[&args[..], &maps].concat()).succeeds().out.lines().count(), 7);
    predicts(&place, &goldens()["torch"]["lstm"]);
}

#[test]
fn numbers_are_exact_or_refused() {
    let place = place(LSTM);
    put(&place, "lstm.pt");
    let tensors = tensors(&place, "lstm.pt", None);
    let converted = |dtype: DType| {
        let tensors = tensors.iter();
        save(
            &place,
            &tensors.map(|(name, t)| (name.clone(), t.to_dtype(dtype).unwrap())).collect(),
        );
    };
    // Wider types that hold the same numbers, and narrower ones.
    converted(DType::F64);
    import(&place, "weights.safetensors", &[]).succeeds();
    predicts(&place, &goldens()["torch"]["lstm"]);
    for dtype in [DType::F16, DType::BF16] {
        converted(dtype);
        let done = import(&place, "weights.safetensors", &["--force"]).succeeds();
        assert!(done.out.contains(&format!("({})", dtype.as_str())), "{}", done.out);
    }

    fs::remove_file(place.path("model.safetensors")).unwrap();
    let mut inexact = tensors.clone();
    let bias = Tensor::new(&[0.5, 0.1], &Device::Cpu).unwrap();
    inexact.insert("fc.bias".into(), bias);
    save(&place, &inexact);
    import(&place, "weights.safetensors", &[]).fails_with(&[
        "head.bias (from fc.bias) holds 0.1, which F32 cannot hold exactly: --round rounds it",
    ]);
    inexact.insert("fc.bias".into(), Tensor::new(&[1u32, 2], &Device::Cpu).unwrap());
    inexact.insert("rnn.bias_ih_l0".into(), Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap());
    save(&place, &inexact);
    import(&place, "weights.safetensors", &["--round"]).fails_with(&[
        "head.bias (from fc.bias) holds U32, expected F16, BF16, F32 or F64",
        "recurrent.bias_ih_l0 (from rnn.bias_ih_l0) has shape [2], expected [12]",
    ]);
    assert!(!place.path("model.safetensors").exists());
    inexact = tensors;
    inexact.insert("fc.bias".into(), Tensor::new(&[0.5, 0.1], &Device::Cpu).unwrap());
    save(&place, &inexact);
    import(&place, "weights.safetensors", &["--round"]).succeeds();
}

#[test]
fn files_that_do_not_fit_leave_nothing_behind() {
    let place = place(LSTM);
    put(&place, "lstm.pt");
    put(&place, "lstm-deep.pt");
    save(&place, &tensors(&place, "lstm.pt", None));
    let truncated = |from: &str, to: &str| {
        let bytes = fs::read(place.path(from)).unwrap();
        fs::write(place.path(to), &bytes[..bytes.len() - 1]).unwrap();
    };
    truncated("lstm.pt", "cut.pt");
    truncated("weights.safetensors", "cut.safetensors");
    for name in ["model.keras", "model.weights.h5", "model.bin"] {
        fs::write(place.path(name), "").unwrap();
    }
    let recipe = place.read("model.toml");
    fs::write(place.path("headless.toml"), recipe.replace("head = ", "# ")).unwrap();
    fs::write(place.path("typo.toml"), recipe.replace("hidden_size", "hiden_size")).unwrap();
    fs::write(place.path("gru.toml"), recipe.replace("lstm", "gru")).unwrap();
    let before = place.list(".");
    let cases: [(&str, &[&str], &[&str]); 18] = [
        ("none.pt", &[], &["none.pt", "cannot be read: No such file"]),
        ("none.safetensors", &[], &["none.safetensors", "cannot be read: No such file"]),
        ("cut.pt", &[], &["cut.pt: cannot be read as what torch.save"]),
        ("cut.safetensors", &[], &["cut.safetensors: not a complete safetensors file"]),
        ("model.keras", &[], &["model.keras: HDF5", "--keras"]),
        ("model.weights.h5", &[], &["model.weights.h5: HDF5"]),
        ("model.bin", &[], &["model.bin: expected a name that ends in .safetensors"]),
        ("lstm-deep.pt", &[], &["no tensors by name, expected a state dict", "--key KEY"]),
        ("lstm.pt", &["--key", "model"], &["lstm.pt: ", "key model not found"]),
        ("weights.safetensors", &["--key", "a"], &["--key a is for .pt and .pth files"]),
        ("lstm.pt", &["--map", "fd=head"], &["no tensor begins with --map fd=…", "fc.bias"]),
        ("lstm.pt", &["--map", "fc=tail"], &["--map fc=… is given twice"]),
        ("lstm.pt", &["--map", "fc.bias=head.weight"], &["both become head.weight by --map"]),
        ("lstm.pt", &["--map", "fc"], &["expected OLD=NEW"]),
        ("lstm.pt", &["--ignore", "x"], &["no tensor begins with --ignore x", "fc.bias"]),
        ("lstm.pt", &["--cell", "a"], &["required", "--keras"]),
        ("lstm.pt", &["--set", "model.recurrent.layers=2"], &["missing: recurrent.weight_ih_l1"]),
        ("lstm.pt", &["--set", "model.recurrent.hidden_size=0"], &["`recurrent.hidden_size` is 0"]),
    ];
    for (weights, more, parts) in cases {
        import(&place, weights, more).fails_with(parts);
        assert_eq!(place.list("."), before, "{weights} {more:?} left something behind");
    }
    for (config, parts) in [
        ("headless.toml", &["missing field `head`", "does not complete from data"][..]),
        ("typo.toml", &["typo.toml, line 14", "unknown field `hiden_size`"]),
        ("gru.toml", &["has shape [12, 2], expected [9, 2]"]),
        ("nowhere.toml", &["cannot read nowhere.toml"]),
        ("mnits", &["did you mean \"mnist\"?"]),
    ] {
        let args = ["import", "lstm.pt", "model.safetensors", "--config", config];
        place.fgn(&[&args[..], &TORCH[2..]].concat()).fails_with(parts);
        assert_eq!(place.list("."), before, "{config} left something behind");
    }
    for (file, part) in [("model.onnx", "ends in .safetensors"), ("no/a.safetensors", "cannot")] {
        place.fgn(&[&["import", "lstm.pt", file], &TORCH[..]].concat()).fails_with(&[part]);
        assert_eq!(place.list("."), before, "{file} left something behind");
    }
}

/// The archive has a checksum of each part.
#[test]
fn damaged_state_dicts_are_refused() {
    let place = place(LSTM);
    put(&place, "lstm.pt");
    let whole = fs::read(place.path("lstm.pt")).unwrap();
    let pickle = whole.windows(2).position(|pair| pair == [0x80, 2]).unwrap();
    let numbers = tensors(&place, "lstm.pt", None)["fc.bias"].to_vec1::<f32>().unwrap();
    let bytes = numbers[0].to_le_bytes();
    let numbers = whole.windows(4).position(|part| part == bytes).unwrap();
    for at in [pickle, pickle + 40, pickle + 200, pickle + 500, numbers, numbers + 3] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(place.path("damaged.pt"), damaged).unwrap();
        import(&place, "damaged.pt", &[]).fails_with(&["damaged.pt: cannot be read", "checksum"]);
    }
}

/// What torch.save never writes, with checksums that are right.
#[test]
fn state_dicts_that_lie_are_refused() {
    let place = place(LSTM);
    let tensor = "ctorch._utils\n_rebuild_tensor_v2\n";
    let storage = "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
    // A tensor of nothing, and one of 2³⁰ · 2³⁰ numbers.
    let none = format!("{tensor})R");
    let large = format!("{tensor}({storage}K\0(J\0\0\0\x40J\0\0\0\x40t(K\x01K\x01ttR");
    for (value, part) in [
        (none, "damaged, or not written by torch.save"),
        (large, "tensor a has shape [1073741824, 1073741824], and the file"),
    ] {
        let pickle = [b"\x80\x02}X\x01\0\0\0a", value.as_bytes(), b"s."].concat();
        let mut archive = zip::ZipWriter::new(fs::File::create(place.path("lies.pt")).unwrap());
        archive.start_file("a/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&pickle).unwrap();
        archive.finish().unwrap();
        import(&place, "lies.pt", &[]).fails_with(&["lies.pt: ", part]);
    }
}
