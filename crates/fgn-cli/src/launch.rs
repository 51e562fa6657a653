//! Starts the program that is linked to NVIDIA's libraries, or says which of them this machine lacks: of that
//! program the loader would name the first alone, and not where it comes from.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The program of the command line, in the folder of this one.
const PROGRAM: &str = "fgn-cuda";

/// Goes over to the program with the arguments of this one; comes back from it only with an exit code or why
/// there is none.
pub(crate) fn launch(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode, String> {
    let named = args.next();
    let program = std::env::current_exe().map(|this| this.with_file_name(PROGRAM));
    let program = program.map_err(|error| format!("cannot find {PROGRAM}: {error}"))?;
    let started = missing_libraries(&program).and_then(|missing| match missing.as_slice() {
        [] => hand_over(Command::new(&program).args(args), named).map(Ok),
        _ => Ok(Err(advice(&missing))),
    });
    started.unwrap_or_else(|error| {
        Err(format!(
            "cannot start {}: {error}; `cargo build --release -p fgn-cli --features cuda` makes it, beside fgn",
            program.display()
        ))
    })
}

/// The libraries that the loader does not find for a program, without running it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn missing_libraries(program: &Path) -> io::Result<Vec<String>> {
    // What `ldd` does.
    let listed = Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1").output()?;
    let lines = String::from_utf8_lossy(&listed.stdout);
    let missing = lines.lines().filter_map(|line| line.trim().strip_suffix(" => not found"));
    Ok(missing.map(str::to_owned).collect())
}

/// There the loader speaks for itself.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn missing_libraries(_: &Path) -> io::Result<Vec<String>> {
    Ok(Vec::new())
}

fn advice(missing: &[String]) -> String {
    let mut text =
        String::from("this build uses NVIDIA's GPUs, and this machine lacks libraries for it:\n");
    for name in missing {
        let from = match name.starts_with("libcuda.") {
            true => "NVIDIA's driver",
            false => "CUDA's run-time libraries; LD_LIBRARY_PATH may name their folder",
        };
        text += &format!("  {name:<20}  of {from}\n");
    }
    text + "Install what is missing, or use a build without `--features cuda`, which computes on the CPU alone"
}

/// Becomes the program, which goes by the name that was typed.
#[cfg(unix)]
fn hand_over(program: &mut Command, named: Option<OsString>) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    if let Some(name) = named {
        program.arg0(name);
    }
    Err(program.exec())
}

#[cfg(not(unix))]
fn hand_over(program: &mut Command, _: Option<OsString>) -> io::Result<ExitCode> {
    let code = program.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn what_the_loader_does_not_find_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let cc = |args: &[&str]| {
            let status = Command::new("cc").current_dir(folder).args(args).status().unwrap();
            assert!(status.success(), "cc {args:?}");
        };
        std::fs::write(folder.join("library.c"), "int answer(void) { return 42; }").unwrap();
        std::fs::write(
            folder.join("main.c"),
            "int answer(void); int main(void) { return answer(); }",
        )
        .unwrap();
        for library in ["libcuda.so.1", "libcublas.so.13"] {
            let soname = format!("-Wl,-soname,{library}");
            cc(&["-shared", "-fPIC", &soname, "-o", library, "library.c"]);
        }
        let linked = ["main.c", "./libcuda.so.1", "./libcublas.so.13", "-o", "program"];
        cc(&[&["-Wl,--no-as-needed,-rpath,$ORIGIN"], &linked[..]].concat());
        let missing = || missing_libraries(&folder.join("program")).unwrap();
        assert!(missing().is_empty());

        std::fs::remove_file(folder.join("libcublas.so.13")).unwrap();
        assert_eq!(missing(), ["libcublas.so.13"]);
        std::fs::remove_file(folder.join("libcuda.so.1")).unwrap();
        assert_eq!(missing(), ["libcuda.so.1", "libcublas.so.13"]);
        let said = advice(&missing());
        assert!(said.contains("libcuda.so.1          of NVIDIA's driver"), "{said}");
        assert!(said.contains("libcublas.so.13       of CUDA's run-time libraries"), "{said}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = launch(["fgn".into()].into_iter()).unwrap_err();
        assert!(error.contains(PROGRAM) && error.contains("--features cuda"), "{error}");
    }
}
