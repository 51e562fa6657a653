//! A run that was interrupted, however, ends as one that was not: with the same bits.

use std::fs;
use std::path::Path;
use std::time::Instant;

use fgn_nn::Generator;
use serde_json::Value;

use crate::place::{Place, small};

/// A run with all that a checkpoint has to hold, augmented images and weighted classes, saved after every step.
fn args(out: &str) -> Vec<String> {
    let more = "--set training.average=0.95 --set early_stopping.patience=50 \
                --set training.class_weights=balanced --set model.input.augment={shift=2,rotate=10,erase=0.1} \
                --set checkpoint.every_steps=1 --out";
    let mut args = small(3);
    args.extend(more.split_whitespace().map(str::to_owned));
    args.push(out.to_owned());
    args
}

/// Begins the run or continues it, whichever is due.
fn continued(run: &str) -> Vec<String> {
    [args(run), vec!["--continue".to_owned()]].concat()
}

fn resume(run: &str) -> Vec<String> {
    ["train", "--resume", run].map(str::to_owned).to_vec()
}

/// The model's bytes, and what is measured in its run but for the time that it took, gates included.
fn result(run: &Path) -> (Vec<u8>, Vec<Value>) {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        for timed in ["seconds", "samples_per_second"] {
            line.as_object_mut().unwrap().remove(timed);
        }
    }
    let gates = fs::read_to_string(run.join("gates.jsonl")).unwrap();
    lines.extend(gates.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    (fs::read(run.join("model.safetensors")).unwrap(), lines)
}

fn run(place: &Place, args: &[String]) {
    assert!(place.command(args).status().unwrap().success(), "{args:?}");
}

/// Kills at random moments, the first milliseconds and checkpoint writes among them; the same command begins the run
/// and continues it. 100 with
/// `FGN_KILLS=100 cargo test -p fgn-cli --test cli killed`.
#[test]
fn killed_runs_end_in_the_same_bits() {
    let kills = std::env::var("FGN_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let place = Place::new();
    let start = Instant::now();
    run(&place, &args("whole"));
    let took = start.elapsed();
    let whole = result(&place.path("whole"));
    assert_eq!(whole.1.len(), 4 + 3);

    let mut rng = Generator::seed_from_u64(11);
    let (mut killed, mut during) = (0, [0; 3]);
    for number in 0.. {
        if killed >= kills {
            break;
        }
        let name = format!("run-{number}");
        let folder = place.path(&name);
        let mut finished = false;
        while !finished {
            let begun = folder.join("config.toml").exists();
            assert!(begun || !folder.exists(), "half a run folder");
            let next = continued(&name);
            let mut child = place.command(&next).spawn().unwrap();
            // Most moments are early, so that most runs are killed more than once; some are the very first.
            let share = if rng.next_f64() < 0.2 { 0.02 } else { 1.0 } * rng.next_f64();
            if killed < kills {
                std::thread::sleep(took.mul_f64(0.9 * share));
            } else {
                child.wait().unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{next:?}: {status}");
                finished = true;
                continue;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            let checkpoints = folder.join("checkpoints");
            let cut = ["partial", "removed"].map(|name| checkpoints.join(name).exists());
            during[if cut.contains(&true) { 0 } else { usize::from(begun) + 1 }] += 1;
        }
        assert!(result(&folder) == whole, "{name} differs from the run that was not killed");
        fs::remove_dir_all(folder).unwrap();
    }
    let [writing, first, later] = during;
    println!(
        "{killed} killed: {writing} in a checkpoint's writing, else {first} first starts, {later} later"
    );
}

#[test]
fn a_damaged_checkpoint_is_reported_and_skipped_when_asked_for() {
    let place = Place::new();
    let more = ["--set".to_owned(), "checkpoint.keep=100".to_owned()];
    run(&place, &[args("run"), more.to_vec()].concat());
    let whole = result(&place.path("run"));
    let last = place.path("run/checkpoints/step-000000048/weights.safetensors");
    let mut bytes = fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&last, bytes).unwrap();
    fs::remove_file(place.path("run/checkpoints/step-000000047/progress.json")).unwrap();
    fs::write(place.path("run/model.safetensors"), "lost").unwrap();
    let parts =
        ["step-000000048 is damaged", "weights.safetensors", "step 46 is whole", "--last-good"];
    place.fgn(&["train", "--resume", "run"]).fails_with(&parts);
    place.fgn(&["train", "--resume", "run", "--last-good"]).succeeds();
    assert!(result(&place.path("run")) == whole);
    assert!(
        place.path("run/checkpoints/damaged-step-000000048").is_dir(),
        "nothing is thrown away"
    );

    // Finished as it is, it is measured again, and no more.
    place.fgn(&["train", "--resume", "run"]).succeeds();
    assert!(result(&place.path("run")) == whole);

    let config = place.path("run/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("epochs = 3", "epochs = 2")).unwrap();
    place
        .fgn(&["train", "--resume", "run"])
        .fails_with(&["config.toml was changed", "training.epochs is 2, and 3 before"]);
}

/// The system refuses to write more than a few kilobytes a file, as a full disk does.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    use std::process::Command;

    let place = Place::new();
    let more = ["--set".to_owned(), "checkpoint.keep=100".to_owned()];
    run(&place, &[args("run"), more.to_vec()].concat());
    let whole = result(&place.path("run"));
    for step in 11..=48 {
        fs::remove_dir_all(place.path(&format!("run/checkpoints/step-{step:09}"))).unwrap();
    }
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" train --resume run";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_fgn")])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("error: cannot write run/checkpoints/partial/"), "{printed}");
    let last = place.list("run/checkpoints").pop().unwrap();
    assert_eq!(last, "step-000000010", "what was there before is there still");
    run(&place, &resume("run"));
    assert!(result(&place.path("run")) == whole);
}

/// Whoever may write everywhere, as root, is not kept from it: then there is nothing to test.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_reported_and_left_as_it_was() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new();
    run(&place, &args("run"));
    let whole = result(&place.path("run"));
    let permit = |name: &str, mode: u32| {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(place.path("closed")).unwrap();
    for name in ["closed", "run/checkpoints", "run"] {
        permit(name, 0o555);
    }
    if fs::write(place.path("closed/probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
    } else {
        place
            .train(1, &["--out", "closed/run"])
            .fails_with(&["cannot create closed/run", "ermission"]);
        let output = place.fgn(&["train", "--resume", "run"]);
        output.fails_with(&["cannot ", "run/", "ermission denied"]);
        assert!(result(&place.path("run")) == whole);
        place.fgn(&["eval", "run"]).succeeds();
    }
    for name in ["closed", "run", "run/checkpoints"] {
        permit(name, 0o755);
    }
    run(&place, &resume("run"));
    assert!(result(&place.path("run")) == whole);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let place = Place::new();
    run(&place, &args("whole"));
    let whole = result(&place.path("whole"));
    let mut child = place.command(&args("run")).stdout(Stdio::piped()).spawn().unwrap();
    while !place.path("run/checkpoints/step-000000003").exists() {
        std::thread::sleep(Duration::from_millis(1));
        assert!(child.try_wait().unwrap().is_none(), "it was too fast");
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{printed}");
    for part in ["Interrupted after step ", "train --resume run"] {
        assert!(printed.contains(part), "{printed}");
    }
    run(&place, &resume("run"));
    assert!(result(&place.path("run")) == whole);
}

/// What `--continue` says of a finished run, and leaves of it.
#[test]
fn one_command_begins_continues_and_ends_a_run() {
    let place = Place::new();
    let command = |more: &[&str]| {
        let all = [continued("run"), more.iter().map(|arg| (*arg).to_owned()).collect()].concat();
        place.fgn(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // What a kill may leave in a folder that was there before, and beside one that was not.
    fs::create_dir_all(place.path("run/checkpoints")).unwrap();
    for leftover in ["run/config.toml.partial", "run/checkpoints/lock", "run/job.log"] {
        fs::write(place.path(leftover), "").unwrap();
    }
    command(&[]).succeeds();
    let whole = result(&place.path("run"));
    let report = place.read("run/report.html");
    fs::remove_file(place.path("run/report.html")).unwrap();
    let done = command(&[]).succeeds();
    assert_eq!(done.out, "The run in run is finished.\n");
    assert!(!place.path("run/report.html").exists(), "nothing was done");
    assert!(result(&place.path("run")) == whole && !report.is_empty());

    let other = command(&["--set", "training.epochs=4"]);
    other.fails_with(&["run holds a run of another configuration", "training.epochs is 4, and 3"]);
    let other = command(&["--set", "model.recurrent.layers=2"]);
    other.fails_with(&["model.recurrent.layers is 2, and 1"]);
    let other = command(&["--set", "groups=[{ parameters = \"*:phi\" }]"]);
    other.fails_with(&["groups is [", "and not set"]);
    place.fgn(&["train", "--continue"]).fails_with(&["--out <DIR>"]);
    place.fgn(&["train", "--continue", "--resume", "run"]).fails_with(&["cannot be used with"]);

    // Continued in the middle, with the data elsewhere.
    for step in 11..=48 {
        fs::remove_dir_all(place.path(&format!("run/checkpoints/step-{step:09}"))).ok();
    }
    fs::remove_file(place.path("run/metrics.jsonl")).unwrap();
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    let moved = command(&["--set", "data.source=./elsewhere"]).succeeds();
    assert!(moved.out.contains("Test accuracy"), "{}", moved.out);
    assert!(result(&place.path("run")) == whole);
}

#[test]
fn changed_data_is_refused_and_moved_data_is_found() {
    let place = Place::new();
    let more = ["--set".to_owned(), "checkpoint.keep=100".to_owned()];
    run(&place, &[args("run"), more.to_vec()].concat());
    let whole = result(&place.path("run"));
    let cut = || {
        for step in 21..=48 {
            fs::remove_dir_all(place.path(&format!("run/checkpoints/step-{step:09}"))).unwrap();
        }
    };
    cut();
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    place.fgn(&["train", "--resume", "run"]).fails_with(&["data"]);
    place.fgn(&["train", "--resume", "run", "--data", "moved"]).succeeds();
    assert!(result(&place.path("run")) == whole);
    // From now on it is found there.
    assert!(place.read("run/config.toml").contains("/moved\""));
    place.fgn(&["eval", "run"]).succeeds();
    cut();
    place.fgn(&["train", "--resume", "run"]).succeeds();
    assert!(result(&place.path("run")) == whole);

    // One label of the training part, then one pixel of the test part.
    cut();
    for (file, at, parts) in [
        ("moved/train-labels-idx1-ubyte", 8 + 7, ["160 training samples", "--accept-changed-data"]),
        ("moved/t10k-images-idx3-ubyte", 16 + 9, ["50 test samples", "--data PATH"]),
    ] {
        let file = place.path(file);
        let right = fs::read(&file).unwrap();
        let mut changed = right.clone();
        changed[at] = (changed[at] + 1) % 10;
        fs::write(&file, changed).unwrap();
        let before = place.list("run");
        place.fgn(&["train", "--resume", "run"]).fails_with(&parts);
        let again = continued("run");
        let mut again: Vec<_> = again.iter().map(String::as_str).collect();
        again.extend(["--set", "checkpoint.keep=100", "--set", "data.source=./moved"]);
        place.fgn(&again).fails_with(&parts);
        assert_eq!(place.list("run"), before);
        fs::write(&file, right).unwrap();
    }
    let file = place.path("moved/train-labels-idx1-ubyte");
    let mut labels = fs::read(&file).unwrap();
    labels[8..].reverse();
    fs::write(&file, labels).unwrap();
    let done = place.fgn(&["train", "--resume", "run", "--accept-changed-data"]).succeeds();
    assert!(done.err.contains("accepted: the data has changed"), "{}", done.err);
    assert!(result(&place.path("run")) != whole);
}

/// A table, whose names and scales the recipe leaves to the data.
#[test]
fn a_run_on_a_table_is_continued_too() {
    let place = Place::new();
    let write = |last: &str| {
        let row = |id: usize, step: usize| format!("{id},{},{}\n", id * step, ["a", "b"][id % 2]);
        let rows: String = (0..60)
            .flat_map(|id| (1..4).map(move |step| (id, step)))
            .map(|(id, step)| row(id, step))
            .collect();
        fs::write(place.path("steps.csv"), format!("id,x,target\n{rows}{last}")).unwrap();
    };
    write("");
    let args =
        ["train", "series", "--data", "steps.csv", "--epochs", "2", "--out", "run", "--continue"];
    place.fgn(&args).succeeds();
    assert_eq!(place.fgn(&args).succeeds().out, "The run in run is finished.\n");
    write("60,1,a\n");
    place.fgn(&args).fails_with(&["the data has changed", "samples, "]);
    write("59,100,b\n");
    place.fgn(&args).fails_with(&["the data has changed", "other content in the"]);
    let accepted = place.fgn(&[&args[..], &["--accept-changed-data"]].concat()).succeeds();
    assert!(accepted.out.contains("is finished"), "{}", accepted.out);
}

#[test]
fn a_second_process_in_a_run_folder_is_refused() {
    let place = Place::new();
    let mut long = args("run");
    long.extend(["--set", "training.epochs=1000"].map(str::to_owned));
    let mut first = place.command(&long).spawn().unwrap();
    while !place.path("run/checkpoints/step-000000001").exists() {
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(first.try_wait().unwrap().is_none(), "it ended early");
    }
    let second = place.fgn(&["train", "--resume", "run"]);
    let third: Vec<_> = long.iter().map(String::as_str).chain(["--continue"]).collect();
    let third = place.fgn(&third);
    first.kill().unwrap();
    first.wait().unwrap();
    for other in [second, third] {
        other.fails_with(&["is in use: another process is training there", "nothing was changed"]);
    }
}

/// Of several that begin in the same folder at once, one trains.
#[test]
fn a_run_is_begun_once() {
    let place = Place::new();
    let mut all: Vec<_> = (0..4).map(|_| place.command(&args("run")).spawn().unwrap()).collect();
    let codes = all.iter_mut().map(|child| child.wait().unwrap().code());
    let succeeded = codes.filter(|code| *code == Some(0)).count();
    assert_eq!(succeeded, 1);
    assert_eq!(place.list("."), ["data", "run"]);
    run(&place, &args("alone"));
    assert!(result(&place.path("run")) == result(&place.path("alone")));
}
