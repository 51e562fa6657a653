//! `cargo xtask bench`: criterion's benches, the summary of speed, or what the trainer costs.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::process;

const HELP: &str = "\
Without flags, criterion runs the benches whose names contain FILTER, or all:
  cargo xtask bench
  cargo xtask bench lstm
  cargo xtask bench -- --save-baseline before     criterion's own flags

With --json, --peers or --shapes, a summary is measured instead, the peers in turn with us:
  cargo xtask bench --json speed.json
  cargo xtask bench --peers --shapes row,56x100x28x128

--trainer measures what the trainer costs beside the steps themselves; --text measures a language model, --audio
streams of sound, --recommend a recommender:
  cargo xtask bench --text --python target/peers/bin/python
  cargo xtask bench --audio --python target/peers/bin/python";

/// What is measured, and how.
#[derive(clap::Args, Debug, Default, PartialEq)]
#[command(after_help = HELP, groups = [
    clap::ArgGroup::new(SUMMARY).args(["json", "peers", "shapes"]).multiple(true),
    clap::ArgGroup::new(WITH_PYTHON)
        .args(["json", "peers", "shapes", "text", "audio", "recommend"])
        .multiple(true),
])]
pub(crate) struct Args {
    /// Which of criterion's benches to run
    filter: Option<OsString>,
    /// Measure a summary, and write it to FILE; it is updated after each table
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filter", "criterion"])]
    json: Option<PathBuf>,
    /// Measure a summary with candle-nn, burn, PyTorch, TensorFlow, JAX and ONNX Runtime
    #[arg(long, conflicts_with_all = ["filter", "criterion"])]
    peers: bool,
    /// Measure a summary of these shapes, by name or as TxBxIxH, for instance row,56x100x28x128
    #[arg(long, value_name = "SHAPES", conflicts_with_all = ["filter", "criterion"])]
    shapes: Option<String>,
    /// Of a summary: the number of threads [default: the number of cores]
    #[arg(long, value_name = "N", requires = SUMMARY)]
    threads: Option<usize>,
    /// Of a summary: seconds for each contestant in each round [default: 0.4]
    #[arg(long, value_name = "SECONDS", requires = SUMMARY)]
    seconds: Option<f64>,
    /// Of a summary: the number of turns of each contestant [default: 5]
    #[arg(long, value_name = "N", requires = SUMMARY)]
    rounds: Option<usize>,
    /// Of a summary, --text, --audio or --recommend: a Python that has the packages of the peers, for a summary instead of the
    /// environment under target/
    #[arg(long, value_name = "FILE", requires = WITH_PYTHON)]
    python: Option<PathBuf>,
    /// Measure training and generation of text; with --python, in turns with PyTorch
    #[arg(long, conflicts_with_all = [SUMMARY, "filter", "criterion"])]
    text: bool,
    /// Measure streams of sound; with --python, in turns with PyTorch
    #[arg(long, conflicts_with_all = [SUMMARY, "text", "filter", "criterion"])]
    audio: bool,
    /// Measure training and serving of a recommender; with --python, in turns with PyTorch
    #[arg(long, conflicts_with_all = [SUMMARY, "text", "audio", "filter", "criterion"])]
    recommend: bool,
    /// Measure what the trainer costs beside the steps themselves
    #[arg(long, exclusive = true)]
    trainer: bool,
    /// Flags of criterion, behind `--`
    #[arg(last = true, value_name = "FLAGS")]
    criterion: Vec<OsString>,
}

/// The flags that each ask for a summary.
const SUMMARY: &str = "summary";
/// The flags of which each may need a Python.
const WITH_PYTHON: &str = "with_python";

/// Runs what was asked for, in place of this program.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.trainer {
        return process::hand_over(bench_of_the_program("overhead"));
    }
    let ours = [(args.text, "text"), (args.audio, "audio"), (args.recommend, "recommend")];
    if let Some((_, name)) = ours.into_iter().find(|(is_asked, _)| *is_asked) {
        let mut command = bench_of_the_program(name);
        if let Some(python) = args.python {
            command.args(["--", "--python"]).arg(python);
        }
        return process::hand_over(command);
    }
    match args.summary() {
        Some(flags) => {
            let mut command = process::cargo([
                "run",
                "--release",
                "--package",
                "fgn-benches",
                "--bin",
                "summary",
            ]);
            command.arg("--").args(flags);
            process::hand_over(command)
        }
        None => {
            // The pattern leaves out the library's own test harness, which knows none of criterion's flags.
            let mut command = process::cargo(["bench", "--package", "fgn-benches", "--bench", "*"]);
            command.arg("--").args(args.filter).args(args.criterion);
            process::hand_over(command)
        }
    }
}

fn bench_of_the_program(name: &str) -> std::process::Command {
    process::cargo(["bench", "--package", "fgn-cli", "--bench", name])
}

impl Args {
    /// The flags of the program that measures a summary, if one is asked for.
    fn summary(&self) -> Option<Vec<OsString>> {
        if self.json.is_none() && !self.peers && self.shapes.is_none() {
            return None;
        }
        let text = |value: &dyn ToString| OsString::from(value.to_string());
        let valued = [
            ("--json", self.json.as_ref().map(|file| file.clone().into_os_string())),
            ("--shapes", self.shapes.as_ref().map(|shapes| text(shapes))),
            ("--threads", self.threads.as_ref().map(|count| text(count))),
            ("--seconds", self.seconds.as_ref().map(|seconds| text(seconds))),
            ("--rounds", self.rounds.as_ref().map(|count| text(count))),
            ("--python", self.python.as_ref().map(|file| file.clone().into_os_string())),
        ];
        let mut flags: Vec<OsString> = Vec::new();
        flags.extend(self.peers.then(|| "--peers".into()));
        for (name, value) in valued {
            flags.extend(value.into_iter().flat_map(|value| [name.into(), value]));
        }
        Some(flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    fn typed(line: &str) -> Result<Args, clap::error::ErrorKind> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        Typed::try_parse_from(words).map(|typed| typed.args).map_err(|error| error.kind())
    }

    #[test]
    fn a_typo_is_no_filter() {
        use clap::error::ErrorKind::{ArgumentConflict, DisplayHelp, UnknownArgument};
        for (line, expected) in [
            ("--jsn x.json", UnknownArgument),
            ("--peer", UnknownArgument),
            ("lstm fgn", UnknownArgument),
            ("lstm --peers", ArgumentConflict),
            ("--trainer --peers", ArgumentConflict),
            ("--help", DisplayHelp),
        ] {
            assert_eq!(typed(line), Err(expected), "{line}");
        }
        assert!(typed("--rounds 3").is_err(), "it is of a summary");
        assert!(typed("--python python3").is_err(), "nothing needs it");
        assert!(typed("--text --python python3").is_ok());
        assert!(typed("--audio --python python3").is_ok());
    }

    #[test]
    fn a_summary_gets_its_flags_and_criterion_its_own() {
        let summary = |line: &str| typed(line).unwrap().summary();
        let expected: Vec<OsString> =
            "--peers --json a.json --shapes row --rounds 3".split(' ').map(Into::into).collect();
        assert_eq!(summary("--json a.json --rounds 3 --peers --shapes row"), Some(expected));
        assert_eq!(summary("lstm"), None);
        let args = typed("lstm -- --save-baseline before").unwrap();
        assert_eq!(args.filter, Some("lstm".into()));
        assert_eq!(args.criterion, ["--save-baseline", "before"].map(OsString::from));
    }
}
