//! `fgn export --c`.

use std::fs;

use serde_json::Value;

use crate::place::Place;

const FILES: [&str; 3] = ["digits.c", "digits.h", "main.c"];

#[test]
fn a_model_is_written_as_c_source() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let write = ["export", "run", "--c", "a/firmware", "--name", "digits"];
    let done = place.fgn(&write).succeeds();
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines[..3], ["a/firmware/digits.h", "a/firmware/digits.c", "a/firmware/main.c"]);
    // 28 inputs, 8 units: an FGN has five blocks and two states.
    assert!(lines[3].ends_with(" bytes of weights, 64 of state, 192 on the stack"), "{}", lines[3]);
    assert_eq!(place.list("a/firmware"), FILES);
    let header = place.read("a/firmware/digits.h");
    let image = "void digits_image(digits_state *state, const float *image, float *output);";
    assert!(header.contains(image) && header.contains("#define DIGITS_STEPS 28"), "{header}");

    // Files that exist are kept; the exported file works as the run does.
    place.fgn(&write).fails_with(&["a/firmware/digits.h is there already", "--force"]);
    place.fgn(&["export", "run", "run.safetensors"]).succeeds();
    let small = [&write[..1], &["run.safetensors"], &write[2..], &["--int8", "--force", "--json"]];
    let found: Value = serde_json::from_str(&place.fgn(&small.concat()).succeeds().out).unwrap();
    assert_eq!(found["files"][1], "a/firmware/digits.c");
    assert_eq!(found["state_bytes"], 64);
    let all: u64 = lines[3].split(' ').next().unwrap().parse().unwrap();
    let bytes = found["weight_bytes"].as_u64().unwrap();
    assert!(bytes < all / 2 && bytes > all / 4, "{bytes} of {all}");
    assert!(place.read("a/firmware/digits.c").contains("static const int8_t layer0_weight_ih["));
}

#[test]
fn a_file_or_a_folder_is_named_and_not_both() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    fs::write(place.path("file"), "").unwrap();
    let before = place.list(".");
    let cases: [(&[&str], &[&str]); 7] = [
        (&["run"], &["nothing to write", "FILE.onnx, or --c DIR"]),
        (&["run", "x.safetensors", "--c", "firmware"], &["cannot be used with", "--c <DIR>"]),
        (&["run", "x.safetensors", "--int8"], &["cannot be used with", "--int8"]),
        (&["run", "--name", "a"], &["required", "--c <DIR>"]),
        (&["run", "--c", "firmware", "--name", "2nd"], &["\"2nd\"", "expected a letter"]),
        (&["nowhere", "--c", "firmware"], &["nowhere is no run folder"]),
        (&["run", "--c", "file"], &["cannot write file"]),
    ];
    for (args, parts) in cases {
        place.fgn(&[&["export"], args].concat()).fails_with(parts);
        assert_eq!(place.list("."), before, "{args:?} left something behind");
    }
    let bidirectional = ["--out", "both", "--set", "model.recurrent.bidirectional=true"];
    place.train(1, &bidirectional).succeeds();
    let parts = ["`recurrent.bidirectional` is true", "a stream has no later steps"];
    place.fgn(&["export", "both", "--c", "firmware"]).fails_with(&parts);
    assert!(!place.path("firmware").exists());
}
