//! `docs/extending.md`, done as it says: each addition is one new file and one line in a registry, and what was
//! added trains, resumes, evaluates, predicts and reports from the command line.
//!
//! The additions are made in a copy of the workspace under `target/extending`, from the code blocks of the page.
//! A block with a new file begins with its path; a `diff` block has the path, the line before and the new line.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn every_addition_of_the_page_is_one_file_and_one_line_and_works() {
    let copy = Copy::new();
    for section in sections(&fs::read_to_string(root().join("docs/extending.md")).unwrap()) {
        copy.apply(&section);
    }
    copy.build();
    let place = Place::new(&copy);
    place.images();
    place.sequences();
    place.table();
}

/// One section of the page: what is added, with its code.
struct Section {
    title: String,
    /// Path and text of new files.
    files: Vec<(String, String)>,
    /// Path, line before and new line.
    lines: Vec<(String, String, String)>,
}

fn sections(page: &str) -> Vec<Section> {
    let sections = page.split("\n## ").skip(1).map(section);
    let sections: Vec<_> = sections.filter(|section| !section.files.is_empty()).collect();
    let titles: Vec<_> = sections.iter().map(|section| &section.title[..]).collect();
    let expected =
        ["A cell", "An input layer", "A reader", "A head", "A metric", "An optimizer", "A recipe"];
    assert_eq!(titles, expected);
    for section in &sections {
        let counts = (section.files.len(), section.lines.len());
        assert_eq!(counts, (1, 1), "{}: one new file and one line", section.title);
    }
    sections
}

fn section(text: &str) -> Section {
    let title = text.lines().next().unwrap().to_owned();
    let mut section = Section { title, files: Vec::new(), lines: Vec::new() };
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        let (first, rest) = code.split_once('\n').unwrap();
        let path = |mark: &str| first.strip_prefix(mark).map(|path| path.trim().to_owned());
        match language.split(',').next().unwrap() {
            "rust" => section.files.extend(path("// ").map(|path| (path, rest.to_owned() + "\n"))),
            "toml" => section.files.extend(
                path("# ")
                    .filter(|path| path.contains('/'))
                    .map(|path| (path, rest.to_owned() + "\n")),
            ),
            "diff" => {
                let mut lines = rest.lines();
                let before = lines.next().unwrap().strip_prefix(' ').unwrap().to_owned();
                for line in lines {
                    let line = line.strip_prefix('+').unwrap().to_owned();
                    section.lines.push((path("+++ ").unwrap(), before.clone(), line));
                }
            }
            _ => {}
        }
    }
    section
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A copy of the workspace.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn new() -> Copy {
        let folder = root().join("target/extending/workspace");
        let copied = copy_folder(&root(), &folder, true);
        remove_others(&folder, &copied);
        let copy = Copy { folder };
        let manifest = copy.folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        // The kernels run tiny models here: they need no three minutes of optimisation.
        let slow = "[profile.dev.package.fgn-kernels]\nopt-level = 3\n";
        // With a version of its own, the copy shares the dependencies' builds and leaves those of the workspace alone.
        let version = "\nversion = \"0.1.0\"\n";
        assert!(text.contains(slow) && text.contains(version));
        write(&manifest, &text.replace(slow, "").replace(version, "\nversion = \"0.1.999\"\n"));
        copy
    }

    fn apply(&self, section: &Section) {
        for (path, text) in &section.files {
            let file = self.folder.join(path);
            assert!(!root().join(path).exists(), "{}: {path} is there already", section.title);
            write(&file, text);
        }
        for (path, before, line) in &section.lines {
            let file = self.folder.join(path);
            let text = fs::read_to_string(&file).unwrap();
            let anchor = format!("{before}\n");
            assert_eq!(text.matches(&anchor).count(), 1, "{}: {before:?} in {path}", section.title);
            write(&file, &text.replace(&anchor, &format!("{anchor}{line}\n")));
        }
    }

    /// Builds `fgn` with what was added, and runs the tests that hold every cell against its own derivative.
    /// Dependencies are those that the workspace's tests were built with.
    fn build(&self) {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--workspace", "--offline", "--test", "cli", "--test", "gradients"]);
        command.args(["--", "every_cell", "help_is_help"]).current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", root().join("target/extending"));
        command.env("CARGO_BUILD_BUILD_DIR", root().join("target"));
        let status = command.status().unwrap();
        assert!(status.success(), "the workspace with all additions does not build or test");
    }

    fn program(&self) -> PathBuf {
        let name = format!("fgn{}", std::env::consts::EXE_SUFFIX);
        root().join("target/extending/debug").join(name)
    }
}

/// Copies what is newer, and gives the paths of all files, relative to `to`.
fn copy_folder(from: &Path, to: &Path, top: bool) -> BTreeSet<PathBuf> {
    let mut copied = BTreeSet::new();
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if top && [".git", "target", "runs", "sweeps"].iter().any(|other| name == *other) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            let below = copy_folder(&entry.path(), &target, false);
            copied.extend(below.into_iter().map(|path| Path::new(&name).join(path)));
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            // An unchanged file keeps its time, so that nothing is built again for it.
            if fs::read(&target).ok().as_ref() != Some(&bytes) {
                fs::write(&target, bytes).unwrap();
            }
            copied.insert(name.into());
        }
    }
    copied
}

/// Removes what an earlier run left.
fn remove_others(folder: &Path, keep: &BTreeSet<PathBuf>) {
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !keep.contains(path.strip_prefix(folder).unwrap()) {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).ok().as_deref() != Some(text) {
        fs::write(file, text).unwrap();
    }
}

/// A folder with data, where `fgn` is run.
struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Place {
    fn new(copy: &Copy) -> Place {
        Place { folder: tempfile::tempdir().unwrap(), program: copy.program() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fgn(&self, args: &str) -> String {
        let mut command = Command::new(&self.program);
        command.args(args.split_whitespace()).current_dir(self.folder.path());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "fgn {args}: {err}");
        out.into_owned()
    }

    /// The recipe, with the cell, the input layer, the metric and the optimizer that it names.
    fn images(&self) {
        for (name, count) in [("train", 200), ("t10k", 50)] {
            write_idx(self.folder.path(), name, count);
        }
        let recipe = "mnist-patches --data ./ --epochs 3 --set data.validation=40 --batch-size 20 \
                      --set model.recurrent.hidden_size=8";
        let trained = self.trains_and_resumes(recipe, "patches");
        assert!(trained.contains("ugrnn"), "{trained}");
        let config = fs::read_to_string(self.path("patches/config.toml")).unwrap();
        for part in ["kind = \"image-patches\"", "name = \"signum\"", "\"kappa\""] {
            assert!(config.contains(part), "no {part} in {config}");
        }
        let found = self.fgn("eval patches");
        assert!(found.contains("kappa"), "{found}");
        let metrics = fs::read_to_string(self.path("patches/metrics.jsonl")).unwrap();
        for key in ["train_kappa", "valid_kappa", "test_kappa"] {
            assert!(metrics.contains(key), "no {key} in {metrics}");
        }
        let mut image = String::from("P2 28 28 255\n");
        (0..28 * 28).for_each(|pixel| write!(image, "{} ", pixel % 251).unwrap());
        fs::write(self.path("image.pgm"), image).unwrap();
        let found = self.fgn("predict patches image.pgm --json");
        assert!(found.contains("\"probabilities\""), "{found}");
        let report = fs::read_to_string(self.path("patches/report.html")).unwrap();
        assert!(report.contains("Kappa"), "the report has no word of the metric");
    }

    /// The reader.
    fn sequences(&self) {
        let mut text = String::new();
        for at in 0..120 {
            let rises = at % 2 == 0;
            let values = (0..3 + at % 5).map(|step| if rises { step } else { -step } + at % 3);
            let values: Vec<_> = values.map(|value| value.to_string()).collect();
            writeln!(text, "{}: {}", if rises { "rises" } else { "falls" }, values.join(" "))
                .unwrap();
        }
        fs::write(self.path("moves.seq"), text).unwrap();
        let recipe = "series --data moves.seq --set data.series={} --epochs 6 --set model.recurrent.hidden_size=8 \
                      --set optimizer.learning_rate=0.02";
        self.trains_and_resumes(recipe, "moves");
        let found = self.fgn("eval moves");
        assert!(found.contains("rises") && found.contains("accuracy"), "{found}");
        fs::write(self.path("new.seq"), "1 2 3 4\n4 3 2 1\n").unwrap();
        let found = self.fgn("predict moves new.seq");
        assert!(found.contains("rises: ") && found.contains("falls: "), "{found}");
    }

    /// The head.
    fn table(&self) {
        let mut text = String::from("id,x,level\n");
        for id in 0..100 {
            (0..4).for_each(|step| writeln!(text, "{id},{},{}", id % 7 + step, id % 7).unwrap());
        }
        fs::write(self.path("levels.csv"), text).unwrap();
        let recipe = "series --data levels.csv --epochs 8 --set data.series.target=level \
                      --set data.series.task=regression --set model.head.kind=huber \
                      --set model.recurrent.hidden_size=8 --set optimizer.learning_rate=0.02";
        self.trains_and_resumes(recipe, "levels");
        let config = fs::read_to_string(self.path("levels/config.toml")).unwrap();
        assert!(config.contains("kind = \"huber\""), "{config}");
        let found = self.fgn("eval levels");
        assert!(found.contains("MAE") && found.contains("level"), "{found}");
        fs::write(self.path("new.csv"), "id,x\na,1\na,2\n").unwrap();
        let found = self.fgn("predict levels new.csv");
        assert!(found.starts_with("a: level: "), "{found}");
    }

    /// Trains, and trains on from the last checkpoint but one: the same model, and a report of both.
    fn trains_and_resumes(&self, recipe: &str, run: &str) -> String {
        let trained = self.fgn(&format!("train {recipe} --out {run}"));
        let model = || fs::read(self.path(run).join("model.safetensors")).unwrap();
        let expected = model();
        let checkpoints = self.path(run).join("checkpoints");
        let mut steps: Vec<_> =
            fs::read_dir(&checkpoints).unwrap().map(|e| e.unwrap().path()).collect();
        steps.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("step-"));
        steps.sort();
        fs::remove_dir_all(steps.pop().unwrap()).unwrap();
        fs::remove_file(self.path(run).join("model.safetensors")).unwrap();
        self.fgn(&format!("train --resume {run}"));
        assert!(model() == expected, "{run}: resumed, it gave another model");
        self.fgn(&format!("report {run}"));
        assert!(self.path(run).join("report.html").is_file());
        trained
    }
}

/// Ten classes of bright bands on noise, in MNIST's format.
fn write_idx(folder: &Path, name: &str, count: u32) {
    let header = |magic: u32, sizes: &[u32]| {
        [&[magic], sizes].concat().into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>()
    };
    let (mut images, mut labels) = (header(0x803, &[count, 28, 28]), header(0x801, &[count]));
    let mut noise = count;
    for index in 0..count {
        let class = index % 10;
        labels.push(class as u8);
        for pixel in 0..28 * 28 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bright = pixel / 28 / 2 == class + 2;
            images.push((noise >> 24) as u8 / 4 + if bright { 180 } else { 0 });
        }
    }
    fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
    fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
}
