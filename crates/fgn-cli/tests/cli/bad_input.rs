//! Bad input is a clear error with exit code 1, and leaves everything as it was.

use std::fs;

use crate::place::Place;

#[test]
fn unknown_names_and_impossible_values_are_reported_before_any_work() {
    let place = Place::new();
    let before = place.list(".");
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["train", "mnits"],
            &["unknown recipe \"mnits\"", "mnist-rows", "did you mean \"mnist\"?"],
        ),
        (&["train", "no/such.toml"], &["cannot read no/such.toml: No such file"]),
        (&["train", "--set", "training.epoch=2"], &["unknown field `epoch`", "mean \"epochs\"?"]),
        (&["train", "--set", "schedule.name=cosin"], &["`cosin`", "mean \"cosine\"?"]),
        (&["train", "--set", "training.epochs"], &["expected key=value"]),
        (&["train", "--batch-size", "0"], &["training.batch_size is 0, expected at least 1"]),
        (
            &["train", "--data", "data", "--batch-size", "201", "--set", "data.validation=0"],
            &["training.batch_size is 201, expected 1 to 200"],
        ),
        (&["train", "--data", "data"], &["data.validation is 5000, expected less than 200"]),
        (
            &["train", "--learning-rate", "nan"],
            &["optimizer.learning_rate is NaN, expected a finite"],
        ),
        (
            &["train", "--learning-rate", "inf"],
            &["optimizer.learning_rate is inf, expected a finite"],
        ),
        (
            &["train", "--learning-rate", "-1"],
            &["optimizer.learning_rate is -1, expected a finite"],
        ),
        (&["train", "--epochs", "0"], &["training.epochs is 0, expected at least 1"]),
        (&["train", "--epochs", "many"], &["invalid value 'many' for '--epochs <N>'"]),
        (&["train", "--threads", "0"], &["invalid value '0' for '--threads <N>'"]),
        (
            &["train", "--device", "gpu"],
            &["--device is \"gpu\", expected auto, cpu, cuda or cuda:N"],
        ),
        #[cfg(not(feature = "cuda"))]
        (&["train", "--device", "cuda:1"], &["on the CPU alone", "--features cuda"]),
        (&["train", "--epoch", "1"], &["unexpected argument '--epoch'"]),
        (&["train", "--set", "data.source=mnits"], &["\"mnits\"", "did you mean \"mnist\"?"]),
        (&["train", "--data", "nowhere"], &["nowhere"]),
        (&["eval", "nowhere"], &["nowhere is no run folder: it has no config.toml"]),
        (&["predict", "nowhere", "a.png"], &["nowhere is no run folder"]),
        (&["train", "--resume", "nowhere"], &["nowhere is no run folder"]),
        (&["train", "--resume", "nowhere", "--seed", "3"], &["cannot be used with"]),
        (&["train", "--last-good"], &["--resume <RUN>"]),
        (&["train", "--set", "optimizer.name=adm"], &["`adm`", "mean \"adam\"?"]),
        (&["train", "--set", "optimizer.momentum=0.9"], &["unknown field `momentum`"]),
        (
            &["train", "--set", "groups=[{ parameters = \"x*\" }]"],
            &["\"x*\"", "head.weight", "phi"],
        ),
        (
            &["train", "--set", "training.carry_state=true"],
            &["data.validation is 5000, expected 0 with training.carry_state"],
        ),
        (
            &["train", "--set", "metrics=[\"acuracy\"]"],
            &["metrics has \"acuracy\"", "some of accuracy", "did you mean \"accuracy\"?"],
        ),
        (
            &["train", "--set", "metrics=[\"mae\"]"],
            &["metrics has \"mae\", which is not for 10 classes", "some of accuracy"],
        ),
        (
            &["train", "--set", "monitor=mae"],
            &["monitor is \"mae\", expected one of loss, accuracy"],
        ),
        (
            &["train", "--set", "model.head.kind=classifcation"],
            &["`classifcation`", "mean \"classification\"?"],
        ),
        (&["train", "--set", "model.classes=10"], &["unknown field `classes`", "head"]),
        (&["train", "--set", "lr=0.1"], &["mean \"optimizer.learning_rate\"?"]),
        (&["train", "--set", "model.hidden_size=9"], &["mean \"model.recurrent.hidden_size\"?"]),
        (
            &["train", "series", "--data", "no.csv", "--set", "model.hidden_size=9"],
            &["mean \"model.recurrent.hidden_size\"?"],
        ),
        (
            &["train", "--data", "nowhere/data", "--set", "monitor=acuracy"],
            &["monitor is \"acuracy\", expected one of loss, accuracy"],
        ),
        (
            &["train", "--set", "checkpoint.model=bets"],
            &["unknown variant `bets`", "mean \"best\"?"],
        ),
        (&["export", "nowhere", "x.safetensors"], &["nowhere is no run folder"]),
        (&["recipes", "show", "mnits"], &["did you mean \"mnist\"?"]),
        (&["data", "mnits"], &["did you mean \"mnist\"?"]),
        (&["frobnicate"], &["unrecognized subcommand"]),
    ];
    for (args, parts) in cases {
        place.fgn(args).fails_with(parts);
        assert_eq!(place.list("."), before, "{args:?} left something behind");
    }
}

#[test]
fn an_unknown_instruction_set_is_reported_before_any_work() {
    let place = Place::new();
    let before = place.list(".");
    let args = ["train", "--data", "data", "--set", "data.validation=10"];
    place.fgn_with(&args, &[("FGN_ISA", "sse9")]).fails_with(&["FGN_ISA=sse9", "portable"]);
    assert_eq!(place.list("."), before);
}

#[test]
fn a_recipe_of_ones_own_is_held_to_the_same() {
    let place = Place::new();
    let good = fgn_train::Config::recipe_text("mnist-rows").unwrap();
    let cases = [
        ("\nepochs = 10", "\nepoch = 10", "mine.toml, line 10: unknown field `epoch`"),
        ("\nepochs = 10", "\nepochs = \"ten\"", "mine.toml, line 10: invalid type: string \"ten\""),
        ("\nepochs = 10", "\nepochs = ", "mine.toml, line 10: "),
        ("\nepochs = 10", "", "missing field `epochs`"),
        ("\"fgn\"", "\"fng\"", "did you mean \"fgn\"?"),
        ("\nheight = 28", "\nheight = 0", "`input.height` is 0"),
    ];
    for (right, wrong, expected) in cases {
        assert!(good.contains(right));
        fs::write(place.path("mine.toml"), good.replace(right, wrong)).unwrap();
        place.fgn(&["train", "mine.toml"]).fails_with(&[expected]);
    }
}

#[test]
fn damaged_data_is_refused() {
    let place = Place::new();
    let file = place.path("data/train-labels-idx1-ubyte");
    let whole = fs::read(&file).unwrap();
    let mut label = whole.clone();
    label[8 + 5] = 10;
    for (bytes, expected) in [
        (&whole[..whole.len() - 1], &["train-labels-idx1-ubyte", "truncated"]),
        (&[&whole[..], &[0]].concat()[..], &["train-labels-idx1-ubyte", "goes on after"]),
        (&label[..], &["11 classes", "at most 10 classes"]),
    ] {
        fs::write(&file, bytes).unwrap();
        place.train(2, &[]).fails_with(expected);
    }
    assert_eq!(place.list("."), ["data"]);
}

#[test]
fn a_run_is_never_overwritten_and_a_damaged_one_never_used() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    let files = || {
        let names = place.list("run").into_iter().filter(|name| name != "checkpoints");
        names.map(|name| fs::read(place.path("run").join(name)).unwrap())
    };
    let before: Vec<_> = files().collect();
    place.train(2, &["--seed", "2", "--out", "run"]).fails_with(&[
        "run holds a run already",
        "--resume",
        "nothing was changed",
    ]);
    assert!(files().eq(before), "a file of the run has changed");

    // A file where the folder should be.
    fs::write(place.path("file"), "").unwrap();
    place.train(2, &["--out", "file/run"]).fails_with(&["cannot create file/run"]);

    // A model of another architecture, beside the configuration of this one.
    place.train(1, &["--out", "wider", "--set", "model.recurrent.hidden_size=9"]).succeeds();
    let model = place.path("run/model.safetensors");
    let right = fs::read(&model).unwrap();
    fs::copy(place.path("wider/model.safetensors"), &model).unwrap();
    place.fgn(&["eval", "run"]).fails_with(&["run/model.safetensors", "config.toml"]);
    fs::write(&model, &right[..right.len() - 4]).unwrap();
    place.fgn(&["eval", "run"]).fails_with(&["run/model.safetensors", "safetensors"]);
    fs::write(&model, &right).unwrap();
    place.fgn(&["eval", "run"]).succeeds();

    // An image of another size, and none at all.
    image::GrayImage::new(20, 28).save(place.path("small.png")).unwrap();
    place
        .fgn(&["predict", "run", "small.png"])
        .fails_with(&["28 x 20 pixels, expected 28 x 28 (height x width"]);
    place.fgn(&["predict", "run", "none.png"]).fails_with(&["cannot read none.png: No such file"]);
}

#[test]
fn a_run_of_an_earlier_version_is_refused() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    fs::remove_dir_all(place.path("run/checkpoints")).unwrap();
    let config = place.read("run/config.toml");
    let (rest, _) = config.split_once("[model.head]").unwrap();
    let old = rest.replace("[model.input]", "[model]\nclasses = 10\n\n[model.input]");
    assert!(old.contains("classes = 10"), "{config}");
    fs::write(place.path("run/config.toml"), old).unwrap();
    image::GrayImage::new(28, 28).save(place.path("a.png")).unwrap();
    for args in [
        &["eval", "run"][..],
        &["predict", "run", "a.png"],
        &["inspect", "run"],
        &["report", "run"],
        &["export", "run", "weights.safetensors"],
        &["train", "--resume", "run"],
    ] {
        place.fgn(args).fails_with(&["run/config.toml", "earlier version of fgn"]);
    }
}

/// A rate of 1e10 takes the loss to billions: that is an error, and not a result.
#[test]
fn a_training_that_diverges_fails() {
    let place = Place::new();
    let args = ["--out", "run", "--set", "optimizer.learning_rate=1e10"];
    let done = place.train(2, &args);
    assert_eq!(done.code, Some(1), "{done:?}");
    for part in [
        "WARN the training loss of epoch 1 is ",
        "error: training has diverged",
        "that of the untrained model was 2.",
        "lower optimizer.learning_rate",
    ] {
        assert!(done.err.contains(part), "no {part:?} in {}", done.err);
    }
    assert!(!place.read("run/metrics.jsonl").contains("final"));
    // Given again, it is one again.
    let small = crate::place::small(2);
    let small = small.iter().map(String::as_str).chain(args).chain(["--continue"]);
    let again = place.fgn(&small.collect::<Vec<_>>());
    again.fails_with(&["training has diverged"]);
}

/// Each would train the same model for itself.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_started_together_are_refused_in_a_build_for_one() {
    let place = Place::new();
    let done = place.fgn_with(&["train", "mnist-rows"], &[("OMPI_COMM_WORLD_SIZE", "2")]);
    done.fails_with(&["2 processes were started together", "--features mpi"]);
    assert_eq!(place.list("."), ["data"]);
}
