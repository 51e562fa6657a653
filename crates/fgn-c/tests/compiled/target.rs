//! Where the C source runs: on this machine, and on an emulated Cortex-M4.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FLAGS: [&str; 6] =
    ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wdouble-promotion"];

const ARM_COMPILER: &str = "arm-none-eabi-gcc";
const ARM_EMULATOR: &str = "qemu-system-arm";

#[rustfmt::skip]
const ARM_FLAGS: [&str; 7] = [
    "-O2", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Wunsuffixed-float-constants",
    "-DFILES",
];

/// The statements by which a program without pipes reads and writes files.
pub(crate) const REDIRECT: &str = "\
#ifdef FILES
    if (freopen(\"input\", \"rb\", stdin) == NULL || freopen(\"output\", \"wb\", stdout) == NULL) {
        return 3;
    }
#endif
";

pub(crate) enum Target {
    /// With that compiler.
    Host(String),
    CortexM4,
}

/// The targets that are there. A word says which are not.
pub(crate) fn targets() -> Vec<Target> {
    host().into_iter().chain(cortex_m4()).collect()
}

/// This machine, if it has a C compiler.
pub(crate) fn host() -> Option<Target> {
    let named = std::env::var("CC").ok();
    let mut names = named.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]);
    let found = names.find(|name| is_there(name));
    if found.is_none() {
        println!("skipped: no C compiler");
    }
    found.map(Target::Host)
}

/// A Cortex-M4, if there are a compiler and an emulator.
pub(crate) fn cortex_m4() -> Option<Target> {
    let has_library = || {
        let found = Command::new(ARM_COMPILER).arg("-print-file-name=rdimon.specs").output();
        // Of a file that it does not have, it prints the name alone.
        found.is_ok_and(|found| found.stdout.contains(&b'/'))
    };
    let missing = match (is_there(ARM_COMPILER), is_there(ARM_EMULATOR)) {
        (false, _) => ARM_COMPILER,
        (_, false) => ARM_EMULATOR,
        _ if !has_library() => "newlib with semihosting",
        _ => return Some(Target::CortexM4),
    };
    println!("skipped on a Cortex-M4: no {missing}");
    None
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

impl Target {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::CortexM4 => "Cortex-M4",
        }
    }

    fn compiler(&self) -> Command {
        match self {
            Self::Host(compiler) => {
                let mut command = Command::new(compiler);
                command.arg("-O1");
                command
            }
            Self::CortexM4 => {
                let mut command = Command::new(ARM_COMPILER);
                command.args(ARM_FLAGS);
                command
            }
        }
    }

    /// Builds the program of these files, without a warning. Each is compiled beside the others.
    pub(crate) fn build(&self, folder: &Path, files: &[PathBuf]) -> PathBuf {
        let half = files.len().div_ceil(2);
        let objects: Vec<PathBuf> = std::thread::scope(|scope| {
            let compile = |part: &[PathBuf]| part.iter().map(|f| self.compile(f)).collect();
            let parts = files.chunks(half).map(|part| scope.spawn(move || compile(part)));
            let parts: Vec<std::thread::ScopedJoinHandle<'_, Vec<_>>> = parts.collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
        });
        let program = folder.join("program");
        let mut link = self.compiler();
        if let Self::CortexM4 = self {
            let (start, script) = (folder.join("start.c"), folder.join("link.ld"));
            fs::write(&start, include_str!("cortex_m4/start.c")).unwrap();
            fs::write(&script, include_str!("cortex_m4/link.ld")).unwrap();
            link.arg("--specs=rdimon.specs").arg("-T").args([&script, &start]);
        }
        let linked = link.arg("-o").arg(&program).args(&objects).arg("-lm").output().unwrap();
        assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
        program
    }

    fn compile(&self, file: &PathBuf) -> PathBuf {
        let object = file.with_extension("o");
        let built = self.compiler().args(FLAGS).arg("-c").arg(file).arg("-o").arg(&object).output();
        let built = built.unwrap();
        let text = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success() && text.is_empty(), "{}: {text}", file.display());
        object
    }

    /// What the program writes, given this input. It must succeed.
    pub(crate) fn run(&self, program: &Path, given: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Host(_) => run(Command::new(program), given),
            Self::CortexM4 => {
                let folder = program.parent().unwrap();
                fs::write(folder.join("input"), given).unwrap();
                let mut emulator = Command::new(ARM_EMULATOR);
                emulator
                    .args(["-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"])
                    .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
                    .arg(program)
                    .current_dir(folder);
                run(emulator, Vec::new());
                fs::read(folder.join("output")).unwrap()
            }
        }
    }
}

/// What a command writes, given this input. It must succeed.
pub(crate) fn run(mut command: Command, given: Vec<u8>) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&given));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    output.stdout
}
