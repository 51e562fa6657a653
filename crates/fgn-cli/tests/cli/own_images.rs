//! Images of one's own: their colours, sizes and files.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

use crate::place::Place;

/// Two colours of the same brightness: in grey, both are 54.
const COLOURS: [(&str, [u8; 3]); 2] = [("red", [255, 0, 0]), ("green", [0, 76, 0])];

/// Images of 8 x 8 pixels, with a spot of the colour of the class somewhere.
fn spots(folder: &Path, count: u32) {
    for (class, colour) in COLOURS {
        fs::create_dir_all(folder.join(class)).unwrap();
        for at in 0..count {
            let (left, top) = (at % 3, at / 3 % 3);
            let inside = |x: u32, y: u32| x.wrapping_sub(left) < 6 && y.wrapping_sub(top) < 6;
            let pixel = |x, y| Rgb(if inside(x, y) { colour } else { [0; 3] });
            let file = folder.join(class).join(format!("{at}.png"));
            RgbImage::from_fn(8, 8, pixel).save(file).unwrap();
        }
    }
}

fn predicted(place: &Place, run: &str, file: &str, more: &[&str]) -> String {
    let args = [&["predict", run, file, "--json"], more].concat();
    let line: Value = serde_json::from_str(&place.fgn(&args).succeeds().out).unwrap();
    line["name"].as_str().unwrap().to_owned()
}

#[test]
fn classes_that_differ_in_hue_alone_are_learned() {
    let place = Place::new();
    spots(&place.path("spots"), 50);
    let train = |kind: &str, run: &str, colour: bool| {
        let input = match kind {
            "image-conv" => "model.input={ kind = \"image-conv\", channels = [4, 6] }".to_owned(),
            _ => format!("model.input={{ kind = \"{kind}\" }}"),
        };
        let colour = format!("data.images.colour={colour}");
        let settings = [
            &input,
            &colour,
            "data.images.size=[8,8]",
            "model.recurrent.hidden_size=8",
            "optimizer.learning_rate=0.05",
        ];
        let settings = settings.iter().flat_map(|&setting| ["--set", setting]);
        let args = ["train", "images", "--data", "spots", "--out", run, "--epochs", "10"];
        place.fgn(&args.into_iter().chain(settings).collect::<Vec<_>>()).succeeds();
    };
    for kind in ["image-conv", "image-rows", "image-pixels"] {
        train(kind, kind, true);
        assert!(place.read(&format!("{kind}/config.toml")).contains("in_channels = 3"));
        let found = place.fgn(&["eval", kind]).succeeds().out;
        assert!(found.starts_with("Test accuracy = 100.00 %  (20 samples)"), "{kind}: {found}");
        for (class, _) in COLOURS {
            assert_eq!(predicted(&place, kind, &format!("spots/{class}/7.png"), &[]), class);
        }
    }
    // A grey file is read as a colour with three equal channels, a colour file by a grey model as grey.
    GrayImage::from_pixel(8, 8, Luma([54])).save(place.path("grey.png")).unwrap();
    predicted(&place, "image-conv", "grey.png", &[]);
    train("image-rows", "grey", false);
    let of = |file: &str| place.fgn(&["predict", "grey", file]).succeeds().out.replace(file, "");
    assert_eq!(of("spots/red/7.png"), of("spots/green/7.png"));
    // IDX files have no colours.
    place.fgn(&["eval", "image-conv", "--data", "data"]).fails_with(&["images of 28 x 28 pixels"]);
}

#[test]
fn images_are_resized_where_the_recipe_says_so() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    GrayImage::from_pixel(40, 30, Luma([9])).save(place.path("photo.png")).unwrap();
    let resize = "data.images.size=[28,28]";
    place
        .fgn(&["predict", "run", "photo.png"])
        .fails_with(&["photo.png: 30 x 40 pixels, expected 28 x 28", &format!("--set '{resize}'")]);
    let resized = predicted(&place, "run", "photo.png", &["--set", resize]);
    GrayImage::from_pixel(28, 28, Luma([9])).save(place.path("small.png")).unwrap();
    assert_eq!(predicted(&place, "run", "small.png", &[]), resized);
}

#[test]
fn samples_are_saved_as_files_to_predict() {
    let place = Place::new();
    place.train(8, &["--out", "run"]).succeeds();
    let done = place.fgn(&["data", "data", "--save", "3"]).succeeds();
    // One of each class in turn; the class of a sample is its index modulo 10.
    let files = ["data-0-0.png", "data-1-1.png", "data-2-2.png"];
    for (index, file) in files.iter().enumerate() {
        assert!(done.out.contains(&format!("saved     {file}\n")), "{}", done.out);
        let pixels = image::open(place.path(file)).unwrap().into_luma8().into_raw();
        assert_eq!(pixels, crate::place::image(index).0);
        predicted(&place, "run", file, &[]);
    }

    let before = place.list(".");
    fs::remove_file(place.path(files[0])).unwrap();
    place
        .fgn(&["data", "data", "--save", "3"])
        .fails_with(&["cannot write data-1-1.png", "there already"]);
    assert_eq!(place.list(".").len(), before.len() - 1, "none is written where one is there");
    place.fgn(&["data", "data", "--save", "51"]).fails_with(&["--save is 51, expected 1 to 50"]);
    place.fgn(&["data", "data", "--save", "0"]).fails_with(&["--save", "0"]);
    fs::write(place.path("steps.csv"), "id,x,kind\na,1,k\nb,2,l\nc,3,k\n").unwrap();
    let series = ["--set", "data.series.id=id", "--set", "data.series.target=kind"];
    place
        .fgn(&[&["data", "steps.csv", "--save", "1"][..], &series].concat())
        .fails_with(&["found series of 1 features, expected sounds, or images"]);

    spots(&place.path("spots"), 5);
    let colour = ["--set", "data.images.colour=true", "--save", "2"];
    place.fgn(&[&["data", "spots"][..], &colour].concat()).succeeds();
    let saved: Vec<_> =
        place.list(".").into_iter().filter(|name| name.starts_with("spots-")).collect();
    assert_eq!(saved.len(), 2, "{saved:?}");
    for name in saved {
        let image = image::open(place.path(&name)).unwrap().into_rgb8();
        let colour = COLOURS.iter().find(|(class, _)| name.contains(class)).unwrap().1;
        assert!(image.pixels().any(|pixel| pixel.0 == colour), "{name}");
    }
}

#[test]
fn letters_have_the_classes_of_their_labels() {
    let place = Place::new();
    // The digits 0 to 4 of the small data, as the letters 1, 3, 5, 7 and 9 of files that are called otherwise.
    let folder = place.path("letters");
    fs::create_dir(&folder).unwrap();
    for (part, name, count) in [("train", "train", 200), ("t10k", "test", 50)] {
        let read =
            |what: &str| fs::read(place.path("data").join(format!("{part}-{what}"))).unwrap();
        let mut labels = read("labels-idx1-ubyte");
        labels[8..].iter_mut().for_each(|label| *label = 1 + 2 * (*label % 5));
        assert_eq!(labels.len(), 8 + count);
        let write = |what: &str, bytes| {
            fs::write(folder.join(format!("emnist-letters-{name}-{what}")), bytes).unwrap();
        };
        write("labels-idx1-ubyte", labels);
        write("images-idx3-ubyte", read("images-idx3-ubyte"));
    }
    let found = place.fgn(&["data", "letters"]).succeeds().out;
    assert!(found.contains("5 classes") && found.contains("(1: 40  3: 40  5: 40"), "{found}");

    let train = |more: &[&str]| {
        let args =
            ["train", "mnist-rows", "--data", "letters", "--epochs", "1", "--batch-size", "10"];
        let small = ["--set", "data.validation=40", "--set", "model.recurrent.hidden_size=8"];
        place.fgn(&[&args[..], &small, more].concat())
    };
    // A head of ten digits would call the letter 3 the digit 1.
    train(&[]).fails_with(&["classes called 1, 3, 5, 7, 9", "--set 'model.head={}'"]);
    train(&["--set", "model.head={}", "--out", "run"]).succeeds();
    let output = place.fgn(&["data", "letters", "--save", "1"]).succeeds();
    assert!(output.out.contains("saved     letters-0-1.png"), "{}", output.out);
    let output = place.fgn(&["predict", "run", "letters-0-1.png"]).succeeds().out;
    assert!(output.contains("  1: 0.") && output.contains("  9: 0."), "{output}");
    let found = place.fgn(&["eval", "run", "--data", "letters"]).succeeds().out;
    assert_eq!(found, place.fgn(&["eval", "run"]).succeeds().out);
    assert!(found.contains("\n9 "), "{found}");
}
