//! What is printed, and what happens where nobody reads it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::place::{Place, small};

/// Starts `fgn` with both outputs piped.
fn start(place: &Place, args: &[String]) -> Child {
    place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The run folder has everything that a run leaves, and all its epochs.
fn assert_whole(place: &Place, run: &str, epochs: usize) {
    for file in ["model.safetensors", "report.html", "curves.svg", "checkpoints"] {
        assert!(place.path(run).join(file).exists(), "no {file}");
    }
    let metrics = place.read(&format!("{run}/metrics.jsonl"));
    assert_eq!(metrics.lines().count(), epochs + 1, "{metrics}");
}

#[test]
fn a_training_goes_on_where_nobody_reads_its_output() {
    let place = Place::new();
    for (run, more) in [("a", &[][..]), ("b", &["--json"]), ("c", &["-v"])] {
        let more = more.iter().map(|&flag| flag.to_owned());
        let args = small(4).into_iter().chain(["--out".into(), run.into()]).chain(more);
        let mut child = start(&place, &args.collect::<Vec<_>>());
        // A reader of one line, as `head -1`, of either output.
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let mut line = String::new();
        match run {
            "a" => BufReader::new(out).read_line(&mut line).unwrap(),
            _ => {
                drop(out);
                BufReader::new(err).read_line(&mut line).unwrap()
            }
        };
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{run}, after {line:?}");
        assert_whole(&place, run, 4);
    }
}

#[test]
fn the_progress_lines_may_go_nowhere() {
    let place = Place::new();
    let args = [small(3), words("--out run -vvv")].concat();
    let mut child = start(&place, &args);
    drop(child.stderr.take());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}");
    assert!(out.contains("Epoch: 3 cost") && out.contains("Test accuracy"), "{out}");
    assert_whole(&place, "run", 3);
}

#[test]
fn a_sweep_goes_on_too() {
    let place = Place::new();
    let sweep = "name = \"s\"\nrecipe = \"mnist-rows\"\nseeds = [1, 2]\nset = [\"data.source=./data\", \
                 \"data.validation=40\", \"training.epochs=1\", \"training.batch_size=20\", \
                 \"model.recurrent.hidden_size=4\"]\n[grid]\n\"optimizer.learning_rate\" = [0.01]\n";
    fs::write(place.path("s.toml"), sweep).unwrap();
    let mut child = start(&place, &words("sweep s.toml"));
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.read("sweeps/s/results.md").contains("| trial |"));
    // As JSON, of a sweep that is finished.
    let done = place.fgn(&["sweep", "s.toml", "--json"]).succeeds();
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&found["folder"], &found["runs"][1]["seed"]), (&"sweeps/s".into(), &2.into()));
    assert!(found["runs"][0]["test_loss"].as_f64().unwrap() > 0.0, "{found}");
}

#[test]
fn other_commands_end_quietly() {
    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    for index in 0..40 {
        image::GrayImage::new(28, 28).save(place.path(&format!("{index}.png"))).unwrap();
    }
    let files = (0..40).map(|index| format!("{index}.png"));
    let predict: Vec<String> = words("predict run").into_iter().chain(files).collect();
    for args in
        [predict, words("eval run"), words("inspect run --json"), words("recipes"), words("--help")]
    {
        let mut child = start(&place, &args);
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), &err[..]), (Some(0), ""), "{args:?}");
    }
    // An error is still one, if nobody reads of it.
    let mut child = start(&place, &words("eval nowhere"));
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// A device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error_after_the_work() {
    let place = Place::new();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = |args: &[String]| {
        place.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap()
    };
    for args in [
        words("recipes"),
        words("--help"),
        words("version"),
        [small(2), words("--out run")].concat(),
    ] {
        let output = run(&args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert_eq!(
            err,
            "error: cannot write to standard output: No space left on device (os error 28)\n"
        );
    }
    assert_whole(&place, "run", 2);
}

#[test]
fn quiet_shows_the_result_alone() {
    let place = Place::new();
    let done = place.train(2, &["--out", "run", "--quiet"]).succeeds();
    assert!(done.out.starts_with("\nThe model is that of epoch "), "{}", done.out);
    assert!(!done.out.contains("Epoch: "), "{}", done.out);
    assert_eq!(done.err, "");
    place.fgn(&["-q", "eval", "nowhere"]).fails_with(&["nowhere is no run folder"]);
    place.fgn(&["-q", "-v", "recipes"]).fails_with(&["cannot be used with"]);
}

#[test]
fn a_training_ends_with_one_json_object() {
    let place = Place::new();
    let done = place.train(2, &["--out", "run", "--json"]).succeeds();
    let found: Value = serde_json::from_str(&done.out).unwrap();
    let metrics = place.read("run/metrics.jsonl");
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert_eq!((&found["run"], &found["end"]), (&"run".into(), &"finished".into()));
    assert_eq!((&found["epochs"], &found["steps"]), (&2.into(), &32.into()));
    assert_eq!(found["test"]["accuracy"], last["test_accuracy"]);
    assert_eq!(found["test"]["breakdowns"][0]["columns"]["targets"][7], 5);
    assert!(done.err.contains("Epoch: 2 cost = "), "{}", done.err);
}

/// The names come from data, and may hold what a terminal takes for a command.
#[test]
fn control_characters_of_names_are_shown_escaped() {
    let place = Place::new();
    let table = |kind: &str| {
        let rows = (0..60)
            .map(|who| format!("s{who},{who},{}\n", if who % 2 == 0 { kind } else { "plain" }));
        format!("who,x\u{1b}[31m,kind\n{}", rows.collect::<String>())
    };
    fs::write(place.path("steps.csv"), table("\u{1b}]0;gotcha\u{7}")).unwrap();
    let set = ["--set", "data.series.id=who", "--set", "data.series.target=kind"];
    let of = |args: &[&str]| place.fgn(&[args, &set].concat());
    let described = of(&["data", "steps.csv"]).succeeds();
    assert!(
        described.out.contains("x\\u{1b}[31m")
            && described.out.contains("\\u{1b}]0;gotcha\\u{7}: 2"),
        "{described:?}"
    );
    let trained =
        of(&["train", "series", "--data", "steps.csv", "--epochs", "1", "--out", "run"]).succeeds();
    fs::write(place.path("\u{1b}[2Jnew.csv"), "who,x\na,1\n").unwrap();
    let evaluated = place.fgn(&["eval", "run"]).succeeds();
    let predicted = place.fgn(&["predict", "run", "steps.csv", "\u{1b}[2Jnew.csv"]);
    assert!(predicted.out.contains("\\u{1b}]0;gotcha\\u{7}"), "{predicted:?}");
    predicted.fails_with(&["no column \"x\\u{1b}[31m\"", "\\u{1b}[2Jnew.csv"]);
    let inspected = place.fgn(&["inspect", "run", "-vv"]).succeeds();
    for done in [described, trained, evaluated, predicted, inspected] {
        let raw = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!raw(&done.out) && !raw(&done.err), "{done:?}");
    }
    // JSON escapes in its own way, and gives the name back.
    let found = place.fgn(&["eval", "run", "--json"]).succeeds();
    let found: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["breakdowns"][0]["names"][0], "\u{1b}]0;gotcha\u{7}");
}
