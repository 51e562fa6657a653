//! Models that generate images: trained, evaluated, and used to generate and to complete.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::place::Place;

/// Two images of 4 x 4 pixels, which differ in every pixel.
const PATTERNS: [[u8; 16]; 2] = [
    [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1],
    [0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0],
];

fn save(pattern: [u8; 16], file: &Path) {
    let pixel = |x: u32, y: u32| Luma([255 * pattern[(4 * y + x) as usize]]);
    GrayImage::from_fn(4, 4, pixel).save(file).unwrap();
}

/// A model of the two patterns, in the folder `run`.
fn trained() -> Place {
    let place = Place::new();
    let folder = place.path("patterns");
    fs::create_dir(&folder).unwrap();
    for index in 0..80 {
        save(PATTERNS[index % 2], &folder.join(format!("{index}.png")));
    }
    let settings = [
        "data.images.levels=2",
        "data.validation=16",
        "model.input={ kind = \"image-raster\", coordinates = true }",
        "model.recurrent.hidden_size=12",
        "optimizer.learning_rate=0.03",
    ];
    let settings = settings.iter().flat_map(|&setting| ["--set", setting]);
    let args = ["train", "mnist-binary", "--data", "patterns", "--out", "run", "--epochs", "30"];
    let args = args.into_iter().chain(["--batch-size", "8"]).chain(settings);
    let done = place.fgn(&args.collect::<Vec<_>>()).succeeds();
    assert!(done.out.contains("validation nats per image = "), "{}", done.out);
    assert!(done.out.contains("Test nats per image = "), "{}", done.out);
    place
}

/// The images of a picture, row by row.
fn images(place: &Place, file: &str, [rows, columns]: [u32; 2]) -> Vec<Vec<u8>> {
    let picture = image::open(place.path(file)).unwrap().into_luma8();
    assert_eq!(picture.dimensions(), (5 * columns + 1, 5 * rows + 1), "{file}");
    let pixels = |row: u32, column: u32| {
        let all = (0..4).flat_map(|y| (0..4).map(move |x| (x, y)));
        all.map(|(x, y)| match picture.get_pixel(5 * column + 1 + x, 5 * row + 1 + y).0 {
            [0] => 0,
            [255] => 1,
            [other] => panic!("a grey of {other} in {file}"),
        })
        .collect()
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| pixels(row, column))
        .collect()
}

#[test]
fn two_patterns_are_learned_generated_and_completed() {
    let place = trained();
    let data = place.fgn(&["data", "patterns", "--set", "data.images.levels=2"]).succeeds().out;
    let expected = "images of 4 x 4 pixels\ntarget    the pixels themselves in 2 levels of grey";
    assert!(data.contains(expected), "{data}");

    // The first pixel decides all others: ln 2 nats.
    let found: Value =
        serde_json::from_str(&place.fgn(&["eval", "run", "--json"]).succeeds().out).unwrap();
    let [loss, nats, bits] = ["loss", "nats", "bits"].map(|key| found[key].as_f64().unwrap());
    assert!(nats > 0.6 && nats < 1.0, "{found}");
    assert!((nats / 16.0 - loss).abs() < 1e-5 && (bits * 2f64.ln() - loss).abs() < 1e-5);
    assert_eq!(found["targets"], 16 * 16);
    let text = place.fgn(&["eval", "run"]).succeeds().out;
    assert!(text.starts_with("Test nats per image = "), "{text}");
    assert!(text.contains("(256 pixels)") && text.contains("bits per dimension"), "{text}");
    let answer = place.fgn(&["predict", "run", "patterns/0.png", "--json"]).succeeds().out;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["nats"].as_f64().unwrap() < 1.5, "{answer}");
    assert!(answer["bits"].as_f64().unwrap() > 0.0, "{answer}");
    let answer = place.fgn(&["predict", "run", "patterns/1.png"]).succeeds().out;
    assert!(answer.contains(" nats, ") && answer.contains(" bits per dimension"), "{answer}");

    let done = place.fgn(&["generate", "run", "--count", "100"]).succeeds();
    assert_eq!(done.out, "generated.png: 100 images of 4 x 4 pixels\n");
    assert!(done.err.contains(" pixels a second"), "{}", done.err);
    let all = images(&place, "generated.png", [10, 10]);
    let counts = PATTERNS.map(|pattern| all.iter().filter(|image| image[..] == pattern).count());
    assert!(counts[0] + counts[1] >= 90 && counts[0] >= 25 && counts[1] >= 25, "{counts:?}");

    // A picture is not replaced unasked; fewer images are the first of more.
    place.fgn(&["generate", "run"]).fails_with(&["generated.png is there already", "--force"]);
    let args = ["generate", "run", "--count", "4", "--out", "four.png", "--json"];
    let found: Value = serde_json::from_str(&place.fgn(&args).succeeds().out).unwrap();
    assert_eq!(images(&place, "four.png", [2, 2]), all[..4]);
    for (key, value) in [("images", 4), ("height", 4), ("width", 4), ("seed", 1)] {
        assert_eq!(found[key], value, "{key} in {found}");
    }
    assert_eq!((&found["file"], found["nats"].as_array().unwrap().len()), (&"four.png".into(), 4));
    let args = ["generate", "run", "--count", "4", "--out", "four.png", "--force", "--seed", "2"];
    place.fgn(&args).succeeds();
    assert_eq!(images(&place, "four.png", [2, 2])[..3], all[1..4], "seeds are numbers in a row");

    // Half an image, and the rest of it.
    for (at, pattern) in PATTERNS.into_iter().enumerate() {
        let mut half = pattern;
        half[8..].fill(0);
        save(half, &place.path(&format!("half-{at}.png")));
    }
    let complete = ["generate", "run", "--complete", "half-0.png", "half-1.png", "--count", "3"];
    let more = ["--temperature", "0", "--out", "done.png"];
    let done = place.fgn(&[&complete[..], &more].concat()).succeeds();
    let expected =
        "done.png: 6 images of 4 x 4 pixels, completions of 2 images of which 2 rows are kept\n";
    assert_eq!(done.out, expected);
    let all = images(&place, "done.png", [2, 4]);
    for (row, pattern) in all.chunks(4).zip(PATTERNS) {
        assert_eq!(row[0][..8], pattern[..8]);
        assert_eq!(row[0][8..], [0; 8]);
        assert!(row[1..].iter().all(|image| image[..] == pattern), "{row:?}");
    }
    let all_rows =
        ["generate", "run", "--complete", "half-1.png", "--known", "4", "--out", "same.png"];
    place.fgn(&all_rows).succeeds();
    let same = images(&place, "same.png", [1, 5]);
    assert!(same.iter().all(|image| *image == same[0]), "all pixels are known");

    // An exported file generates the same, and the report shows images.
    place.fgn(&["export", "run", "model.safetensors"]).succeeds();
    let args = ["generate", "model.safetensors", "--count", "100", "--out", "exported.png"];
    place.fgn(&args).succeeds();
    assert_eq!(
        fs::read(place.path("exported.png")).unwrap(),
        fs::read(place.path("generated.png")).unwrap()
    );
    let report = place.read("run/report.html");
    assert!(report.contains("Generated images") && report.contains("Completed images"));
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let place = trained();
    GrayImage::new(5, 4).save(place.path("wide.png")).unwrap();
    fs::write(place.path("text.png"), "no image").unwrap();
    for (args, expected) in [
        (&["--prompt", "x"][..], "--prompt is for a model that generates texts"),
        (&["--length", "9"], "--length is for a model that generates texts"),
        (&["--stop", "x"], "--stop is for a model that generates texts"),
        (
            &["--repetition-penalty", "2"],
            "--repetition-penalty is for a model that generates texts",
        ),
        (&["--count", "10001"], "`--count` is 10001 images in all, expected at most 10000"),
        (&["--count", "0"], "--count"),
        (&["--temperature=-1"], "`temperature` is -1, expected at least 0"),
        (&["--known", "2"], "--complete"),
        (&["--out", "picture.jpg"], "expected a name that ends in .png"),
        (&["--complete", "wide.png"], "wide.png: 4 x 5 pixels, expected 4 x 4"),
        (&["--complete", "text.png"], "text.png"),
        (&["--complete", "none.png"], "none.png"),
        (&["--complete", "patterns/0.png", "--known", "5"], "`--known` is 5, expected 0 to 4"),
        (&["--complete", "patterns", "--count", "200"], "`--count` is 16000 images in all"),
    ] {
        place.fgn(&[&["generate", "run"], args].concat()).fails_with(&[expected]);
    }
    assert!(!place.path("generated.png").exists(), "nothing is written");
    place.fgn(&["eval", "run", "--data", "data"]).fails_with(&["images of 28 x 28 pixels"]);
    let colour = ["--set", "data.images.levels=2", "--set", "data.images.colour=true"];
    let args = [&["data", "patterns"][..], &colour].concat();
    place.fgn(&args).fails_with(&["data.images.colour is true, expected false", "grey"]);
    let args = ["train", "mnist-binary", "--set", "model.input={ kind = \"image-rows\" }"];
    place.fgn(&args).fails_with(&["image-rows, expected image-raster"]);
}
