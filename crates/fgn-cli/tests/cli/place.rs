//! Runs the binary `fgn` in a folder of its own, on a small data set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder with a data set in it, `data`, where `fgn` is run.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a run of `fgn` left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        let data = place.path("data");
        fs::create_dir(&data).unwrap();
        write_idx(&data, "train", 200);
        write_idx(&data, "t10k", 50);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names in the folder, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs `fgn` with these arguments.
    pub(crate) fn fgn(&self, args: &[&str]) -> Done {
        self.fgn_with(args, &[])
    }

    /// Runs `fgn` with these arguments and environment variables.
    pub(crate) fn fgn_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fgn"));
        command.args(args).envs(variables.iter().copied()).current_dir(self.folder.path());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Trains a small model on the small data, in a second or so.
    pub(crate) fn train(&self, epochs: u32, more: &[&str]) -> Done {
        self.fgn(&[&small(epochs).iter().map(String::as_str).collect::<Vec<_>>(), more].concat())
    }

    /// The program, ready to be started with these arguments, its output thrown away.
    pub(crate) fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fgn"));
        command.args(args).current_dir(self.folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// What trains a small model: 16 steps an epoch.
pub(crate) fn small(epochs: u32) -> Vec<String> {
    let small = "train mnist-rows --data data --batch-size 10 --learning-rate 0.03 \
                 --set data.validation=40 --set model.recurrent.hidden_size=8 --epochs";
    small.split_whitespace().map(str::to_owned).chain([epochs.to_string()]).collect()
}

impl Done {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Done {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts an error in one line of standard error, with exit code 1, or 2 where the arguments are not
    /// understood, that says all of `parts`.
    #[track_caller]
    pub(crate) fn fails_with(&self, parts: &[&str]) {
        let code = if self.err.contains("For more information, try '--help'") { 2 } else { 1 };
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in {}", self.err);
        }
    }
}

/// The pixels of image `index` and its class: a bright band of columns whose place is the class.
pub(crate) fn image(index: usize) -> (Vec<u8>, u8) {
    let class = index % 10;
    let noise = |at: usize| (at * 31 + index * 17 + at * at * index) % 50;
    let bright = |at: usize| {
        if (at % 28).abs_diff(2 + class * 5 / 2) < 2 { 200 } else { 0 }
    };
    ((0..28 * 28).map(|at| (noise(at) + bright(at)) as u8).collect(), class as u8)
}

/// Writes images and labels in the IDX form.
fn write_idx(folder: &Path, part: &str, count: u32) {
    let mut images = [0x0803, count, 28, 28].map(u32::to_be_bytes).concat();
    let mut labels = [0x0801, count].map(u32::to_be_bytes).concat();
    for index in 0..count as usize {
        let (pixels, class) = image(index);
        images.extend(pixels);
        labels.push(class);
    }
    fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
    fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
}
