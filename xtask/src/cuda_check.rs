//! Whether the feature `cuda` builds: the kernels of every cell through NVIDIA's compiler, and the workspace
//! with the feature through `cargo check`. Needs no GPU.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// The toolkit's parts that a build needs, as the Python registry has them.
const PACKAGES: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-curand==10.4.0.35",
    "nvidia-cublas==13.0.2.14",
];

/// Compute capabilities that are compiled for.
const ARCHITECTURES: [&str; 2] = ["80", "90"];

pub(crate) fn run() -> Result<()> {
    let folder = process::root().join("target/cuda");
    let toolkit = toolkit(&folder)?;
    say!("The kernels of every cell, for compute capability 8.0 and 9.0:");
    let sources = sources(&folder)?;
    let mut worst = BTreeMap::new();
    for (n, source) in sources.iter().enumerate() {
        for architecture in ARCHITECTURES {
            for kernel in compiled(&toolkit, source, architecture)? {
                let most: &mut Kernel = worst.entry(kernel.name.clone()).or_default();
                most.registers = most.registers.max(kernel.registers);
                most.stack = most.stack.max(kernel.stack);
                most.spilled = most.spilled.max(kernel.spilled);
            }
        }
        say!("  {:>2} of {}  {}", n + 1, sources.len(), file_name(source));
    }
    say!("\nThe most of any cell, as the compiler says:");
    say!("{:<26} registers  stack bytes  spilled bytes", "kernel");
    for (name, Kernel { registers, stack, spilled, .. }) in &worst {
        say!("{name:<26} {registers:>9} {stack:>12} {spilled:>14}");
    }
    say!("\ncargo check --workspace --all-targets with the feature cuda:");
    let features = ["fgn-kernels", "fgn-nn", "fgn-train", "fgn-cli", "fgn-benches"]
        .map(|of| format!("{of}/cuda"));
    let mut check = process::cargo(["check", "--workspace", "--all-targets", "--features"]);
    // Beside the folder of the other builds, which could not go on meanwhile.
    check.arg(features.join(",")).arg("--target-dir").arg(folder.join("build"));
    // Candle's own kernels are compiled to see that they can be: they are not run.
    check.env("NVCC_APPEND_FLAGS", "-Xptxas -O0 -Xcicc -O0");
    process::run(toolkit.around(&mut check).current_dir(process::root()))?;
    say!("\nThe feature cuda builds. Nothing was run on a GPU.");
    Ok(())
}

/// Where the toolkit is.
struct Toolkit(PathBuf);

impl Toolkit {
    fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// Tells `command` of the toolkit by all the names that build scripts look for.
    fn around<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for name in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"] {
            command.env(name, &self.0);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.0.join("bin")).chain(std::env::split_paths(&path));
        if let Ok(paths) = std::env::join_paths(paths) {
            command.env("PATH", paths);
        }
        // There may be no GPU to ask for it.
        command.env("NVCC", self.program("nvcc")).env("CUDA_COMPUTE_CAP", ARCHITECTURES[0])
    }
}

/// Installs the toolkit into `folder`, unless it is there.
fn toolkit(folder: &Path) -> Result<Toolkit> {
    let (place, done) = (folder.join("toolkit"), folder.join("toolkit.installed"));
    let packages = PACKAGES.join("\n");
    if fs::read_to_string(&done).ok().as_deref() != Some(&packages) {
        say!("Installing the CUDA toolkit into {}:", place.display());
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]);
        let installed = process::run(pip.arg(&place).args(PACKAGES));
        installed.context(
            "the CUDA toolkit comes from the Python registry: Python 3 with pip is needed",
        )?;
        fs::write(&done, packages).with_context(|| format!("cannot write {}", done.display()))?;
    }
    let root = place.join("nvidia/cu13");
    ensure!(root.join("bin/nvcc").is_file(), "no bin/nvcc in {}", root.display());
    // An installation by pip leaves some programs without the right to run.
    let programs = ["bin", "nvvm/bin"].map(|folder| root.join(folder));
    for program in programs.iter().flat_map(fs::read_dir).flatten().flatten() {
        make_executable(&program.path())?;
    }
    Ok(Toolkit(root))
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = fs::metadata(file)?.permissions();
    permissions.set_mode(permissions.mode() | 0o111);
    Ok(fs::set_permissions(file, permissions)?)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}

/// The CUDA source of every cell, written anew.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = folder.join("sources");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let mut write =
        process::cargo(["run", "--quiet", "--package", "fgn-kernels", "--example", "cuda_sources"]);
    process::run(write.arg("--").arg(&place).current_dir(process::root()))?;
    let mut sources: Vec<_> =
        fs::read_dir(&place)?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    sources.sort();
    Ok(sources)
}

/// What the compiler says of a kernel.
#[derive(Default)]
struct Kernel {
    name: String,
    registers: u32,
    stack: u32,
    spilled: u32,
}

/// Compiles a source to PTX, which the device's own compiler then takes.
fn compiled(toolkit: &Toolkit, source: &Path, architecture: &str) -> Result<Vec<Kernel>> {
    let ptx = source.with_extension(format!("{architecture}.ptx"));
    let mut nvcc = Command::new(toolkit.program("nvcc"));
    nvcc.arg("--ptx").arg(format!("--gpu-architecture=compute_{architecture}"));
    // Not every cell needs every function of the prelude.
    nvcc.args(["--diag-suppress=177", "--Werror=all-warnings", "-o"]).args([&ptx, source]);
    process::run(toolkit.around(&mut nvcc))?;
    let mut assembler = Command::new(toolkit.program("ptxas"));
    assembler.args(["--verbose", &format!("--gpu-name=sm_{architecture}"), "--output-file"]);
    assembler.args([&ptx.with_extension("cubin"), &ptx]);
    let output = assembler.output().with_context(|| "cannot start ptxas")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} for compute capability {architecture}:\n{said}", file_name(source));
    }
    Ok(kernels(&said))
}

/// Reads, for each kernel, the lines
/// `… entry function 'NAME' …`, `N bytes stack frame, N bytes spill stores, …`, `… Used N registers, …`.
fn kernels(said: &str) -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for line in said.lines() {
        let before = |what: &str| -> Option<u32> {
            line.split(what)
                .next()
                .filter(|rest| rest.len() < line.len())?
                .split(' ')
                .next_back()?
                .parse()
                .ok()
        };
        if let Some(name) = line.split('\'').nth(1).filter(|_| line.contains("entry function")) {
            kernels.push(Kernel { name: name.into(), ..Kernel::default() });
        }
        if let Some(kernel) = kernels.last_mut() {
            kernel.stack = before(" bytes stack frame").unwrap_or(kernel.stack);
            kernel.spilled = before(" bytes spill stores").unwrap_or(kernel.spilled);
            kernel.registers = before(" registers").unwrap_or(kernel.registers);
        }
    }
    kernels
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assembler_is_understood() {
        let said = "\
ptxas info    : Compiling entry function 'fgn_end' for 'sm_90'
ptxas info    : Function properties for fgn_end
    56 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 26 registers, used 1 barriers, 56 bytes cumulative stack size
ptxas info    : Compiling entry function 'fgn_begin' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers";
        let found: Vec<_> =
            kernels(said).iter().map(|of| (of.registers, of.stack, of.spilled)).collect();
        assert_eq!(found, [(26, 56, 8), (32, 0, 0)]);
    }
}
