//! Whether several processes train one model as one process does: to the same bits, through kills, with the bytes that were
//! predicted.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;
use launch::{AFTER_KILL, LONGEST, Launch, ended};

mod launch;

/// How much is checked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many times a process is killed at a random moment
    #[arg(long, value_name = "N", default_value_t = 50)]
    kills: usize,
    /// Build quickly and time nothing
    #[arg(long)]
    quick: bool,
}

impl Args {
    /// What fits into every change's checks.
    pub(crate) fn quick() -> Args {
        Args { kills: 2, quick: true }
    }
}

/// Why nothing can be checked here, if so.
pub(crate) fn missing() -> Option<String> {
    let lacks = |program: &&str| {
        let mut probe = std::process::Command::new(program);
        let probe = probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !probe.is_ok_and(|status| status.success())
    };
    let mut missing: Vec<_> = ["mpirun", "mpicc"].into_iter().filter(lacks).collect();
    if !has_libclang() {
        missing.push("libclang");
    }
    (!missing.is_empty()).then(|| {
        format!(
            "{} not found: Debian's packages openmpi-bin, libopenmpi-dev and libclang-dev have what is needed",
            missing.join(" and ")
        )
    })
}

/// Whether the library that reads MPI's headers is where Linux distributions have it, or where `LIBCLANG_PATH` says.
fn has_libclang() -> bool {
    let in_folder = |folder: PathBuf| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|file| file.file_name()).any(|name| {
            let name = name.to_string_lossy();
            name.starts_with("libclang.so")
                || name.starts_with("libclang-")
                    && !name.starts_with("libclang-cpp")
                    && name.contains(".so")
        })
    };
    let llvm = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("lib"));
    let fixed =
        ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let named = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    named.into_iter().chain(fixed.map(PathBuf::from)).chain(llvm).any(in_folder)
}

/// A short training that has everything a checkpoint holds.
const ROWS: &str = "train adding --epochs 2 --batch-size 32 --set data.task.length=50 --set data.task.train_samples=1500 --set model.recurrent.hidden_size=32 \
                    --set data.task.test_samples=200 --set training.average=0.9 --set checkpoint.every_steps=3";

const TEXT: &str = "train shakespeare --epochs 1 --set model.recurrent.hidden_size=128 --set model.recurrent.layers=1 \
                    --set model.recurrent.dropout.rate=0";

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(why) = missing() {
        bail!(why);
    }
    let program = build(args.quick)?;
    let folder = target().join("mpi-check");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let launch = Launch { program, folder };
    let took = same_bits(&launch)?;
    refused(&launch)?;
    bytes(&launch)?;
    kills(&launch, args.kills, took)?;
    if !args.quick {
        times(&launch)?;
    }
    say!("\nSeveral processes train as one does.");
    Ok(())
}

/// With the features of the other checks, whose builds are then of use.
fn build(quick: bool) -> Result<PathBuf> {
    let mut build = process::cargo(["build", "--workspace", "--bin", "fgn"]);
    build.args(["--features", "fgn-cli/mpi"]).args((!quick).then_some("--release"));
    process::run(build.current_dir(process::root()))?;
    Ok(target().join(if quick { "debug" } else { "release" }).join("fgn"))
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    process::root().join(target)
}

/// 2 and 4 processes, with and without a sharded optimizer, against one. Gives how long one took.
fn same_bits(launch: &Launch) -> Result<Duration> {
    say!("\nThe bits of one process, with training.groups = 4:");
    let start = Instant::now();
    launch.train(0, &grouped("one"))?;
    let took = start.elapsed();
    let expected = launch.result("one")?;
    for (processes, more) in [(2, ""), (4, ""), (2, " --set training.shard_optimizer=true")] {
        let name = format!("of-{processes}{}", if more.is_empty() { "" } else { "-sharded" });
        launch.train(processes, &(grouped(&name) + more))?;
        ensure!(launch.result(&name)? == expected, "{processes} processes{more} give other bits");
        say!("  {processes} processes{more}: the same");
    }
    Ok(took)
}

fn grouped(name: &str) -> String {
    format!("{ROWS} --set training.groups=4 --out {name}")
}

/// A process with another configuration, and a kill with a message that names the process.
fn refused(launch: &Launch) -> Result<()> {
    say!("\nA process with another configuration:");
    let line = grouped("other");
    let other = format!("{line} --seed 9");
    let mut command = launch.command(1, &line);
    command.args([":", "-n", "1"]).arg(&launch.program).args(other.split_whitespace());
    let output = command.output().context("cannot start mpirun")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let names =
        text.contains("process 1 cannot train with process 0") && text.contains("training.seed");
    ensure!(!output.status.success() && names, "it was not refused:\n{text}");
    ensure!(!launch.folder.join("other").exists(), "it has left a run folder");
    say!("  refused: {}", text.lines().find(|line| line.contains("cannot train")).unwrap_or(""));
    Ok(())
}

/// The bytes of a step, as counted and as predicted.
fn bytes(launch: &Launch) -> Result<()> {
    say!("\nBytes that the first process sends in a step:");
    for processes in [2u64, 4] {
        let name = format!("bytes-{processes}");
        let line = format!("{ROWS} --out {name} --set checkpoint.every_steps=100000 -v");
        let mut command = launch.command(processes as usize, &line);
        let output = command.output().context("cannot start mpirun")?;
        let text = String::from_utf8_lossy(&output.stderr);
        let found = text.lines().find_map(|line| {
            let (sent, steps) =
                line.split_once("process 0 sent ")?.1.split_once(" bytes to the others, in ")?;
            Some((sent.parse::<u64>().ok()?, steps.split(' ').next()?.parse::<u64>().ok()?))
        });
        let (sent, steps) = found.with_context(|| format!("no count of bytes in:\n{text}"))?;
        let numbers = launch.parameters(&name)?;
        let predicted = 2 * 4 * numbers * (processes - 1) / processes;
        let counted = sent / steps.max(1);
        say!(
            "  {processes} processes: {counted} counted, {predicted} predicted for the gradients of {numbers} numbers; \
             the rest are reports, checkpoints and epochs"
        );
        ensure!(counted >= predicted, "fewer bytes than the gradients have");
        ensure!(
            counted < predicted + predicted / 2 + 4096 * processes,
            "many more bytes than predicted"
        );
    }
    Ok(())
}

/// Kills a random process at a random moment, until it was done so often: the same command, with another number of
/// processes each time, goes on to the same bits.
fn kills(launch: &Launch, kills: usize, took: Duration) -> Result<()> {
    say!("\nKills of a random process:");
    let expected = launch.result("one")?;
    let (mut done, mut finished, mut seed) = (0, 0, 1u64);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below.max(1)
    };
    let line = grouped("killed") + " --continue";
    while done < kills {
        let processes = [2, 3, 4][random(3) as usize];
        let mut child = launch.quiet(processes, &line).spawn().context("cannot start mpirun")?;
        thread::sleep(Duration::from_micros(random(2 * took.as_micros() as u64)));
        let ranks = launch::children(child.id(), "fgn");
        let is_killed = !ranks.is_empty() && child.try_wait()?.is_none();
        if is_killed {
            launch::kill(ranks[random(ranks.len() as u64) as usize])?;
            done += 1;
        }
        let longest = if is_killed { AFTER_KILL } else { LONGEST };
        let status = ended(&mut child, longest)
            .with_context(|| format!("kill {done}, of one of {processes} processes"))?;
        ensure!(is_killed || status.success(), "after kill {done} it did not go on: {status}");
        if status.success() {
            ensure!(launch.result("killed")? == expected, "kill {done}: it ended with other bits");
            fs::remove_dir_all(launch.folder.join("killed"))?;
            finished += 1;
        }
    }
    launch.train(2, &line)?;
    ensure!(launch.result("killed")? == expected, "after {done} kills it ended with other bits");
    say!("  {done} kills, {} trainings ended, all with the same bits; none hung", finished + 1);
    Ok(())
}

/// Two processes of one thread against one process of two.
fn times(launch: &Launch) -> Result<()> {
    say!("\nSeconds of an epoch, with the test part:");
    for (what, line) in [("rows", "train mnist-rows --epochs 1"), ("text", TEXT)] {
        let time = |processes, threads: &str| -> Result<f64> {
            let line = format!("{line} --out time-{what}-{processes} --threads {threads} --quiet");
            let mut command = launch.command(processes, &line);
            // Candle has threads of its own, which `--threads` does not reach.
            command.env("CANDLE_NUM_THREADS", threads).stdout(Stdio::null());
            let start = Instant::now();
            process::run(&mut command)?;
            Ok(start.elapsed().as_secs_f64())
        };
        let one = time(0, "2")?;
        let two = time(2, "1")?;
        say!("  {what}: 1 process of 2 threads {one:.1}, 2 processes of 1 thread {two:.1}");
    }
    Ok(())
}
