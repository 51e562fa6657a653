//! A process that emulates a device: the kernels' own source, built by the host's C compiler.

use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use candle_core::Result;
use fgn_core::AnyCell;

use super::gpu::{Gpu, Launch, Limits, Matrix, Product, Run};
use super::{Number, source};

pub(super) struct Emulated {
    process: Arc<Mutex<Process>>,
    limits: Limits,
}

struct Process {
    _folder: tempfile::TempDir,
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
}

pub(super) struct Memory {
    process: Arc<Mutex<Process>>,
    address: i64,
    bytes: usize,
}

/// The first C compiler that is installed.
pub(super) fn compiler() -> Option<String> {
    let named = std::env::var("CC").ok();
    let mut names = named.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]);
    names.find(|name| Command::new(name).arg("--version").output().is_ok())
}

impl Emulated {
    pub(super) fn start(compiler: &str, cell: AnyCell, number: Number, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (text, program) = (folder.path().join("device.c"), folder.path().join("device"));
        let (host, main) = (include_str!("emulated/host.h"), include_str!("emulated/main.h"));
        std::fs::write(&text, [host, &source(cell, number), main].join("\n")).unwrap();
        let built = Command::new(compiler)
            .args(["-std=gnu11", "-O1", "-Wall", "-Wno-unused-function"])
            .args(["-Wno-maybe-uninitialized", "-Werror", "-o"])
            .args([&program, &text])
            .arg("-lm")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().map(BufWriter::new);
        let output = BufReader::new(child.stdout.take().unwrap());
        let process = Process { _folder: folder, child, input, output };
        Self { process: Arc::new(Mutex::new(process)), limits }
    }

    /// The same device with other limits.
    pub(super) fn with(&self, limits: Limits) -> Self {
        Self { process: self.process.clone(), limits }
    }

    fn allocate(&self, bytes: usize) -> Memory {
        let mut process = self.process.lock().unwrap();
        process.tell(b'a', &[0, bytes as i64]);
        let mut address = [0; 8];
        process.hear(&mut address);
        Memory { process: self.process.clone(), address: i64::from_ne_bytes(address), bytes }
    }
}

impl Process {
    fn tell(&mut self, what: u8, numbers: &[i64]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(&[what]).unwrap();
        numbers.iter().for_each(|number| input.write_all(&number.to_ne_bytes()).unwrap());
    }

    fn more(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn hear(&mut self, bytes: &mut [u8]) {
        self.input.as_mut().unwrap().flush().unwrap();
        if let Err(error) = self.output.read_exact(bytes) {
            panic!("the emulated device stopped ({error}): {:?}", self.child.wait());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // After a test has failed the process may be gone.
        if let Ok(mut process) = self.process.lock() {
            process.tell(b'f', &[self.address, 0]);
        }
    }
}

impl Gpu for Emulated {
    type Memory = Memory;

    fn limits(&self) -> Result<Limits> {
        Ok(self.limits)
    }

    fn zeros(&self, bytes: usize) -> Result<Memory> {
        Ok(self.allocate(bytes))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Memory> {
        let memory = self.allocate(bytes.len());
        let mut process = self.process.lock().unwrap();
        process.tell(b'w', &[memory.address, bytes.len() as i64]);
        process.more(bytes);
        Ok(memory)
    }

    fn download(&self, memory: &Memory) -> Result<Vec<u8>> {
        let mut process = self.process.lock().unwrap();
        process.tell(b'r', &[memory.address, memory.bytes as i64]);
        let mut bytes = vec![0; memory.bytes];
        process.hear(&mut bytes);
        Ok(bytes)
    }

    fn copy(&self, address: u64, bytes: usize) -> Result<Memory> {
        let mut copy = vec![0; bytes];
        {
            let mut process = self.process.lock().unwrap();
            process.tell(b'r', &[address as i64, bytes as i64]);
            process.hear(&mut copy);
        }
        self.upload(&copy)
    }

    fn address(&self, memory: &Memory) -> u64 {
        memory.address as u64
    }

    fn product(&self, product: &Product) -> Result<()> {
        let matrix = |of: Matrix| {
            [of.address as i64, of.stride as i64, of.transposed.into(), of.wide.into()]
        };
        let mut numbers = product.sizes.map(|size| size as i64).to_vec();
        for of in [product.a, product.b, product.c] {
            numbers.extend(matrix(of));
        }
        numbers.push(product.add.into());
        self.process.lock().unwrap().tell(b'p', &numbers);
        Ok(())
    }

    fn launch(&self, launch: &Launch, run: &Run) -> Result<()> {
        let mut process = self.process.lock().unwrap();
        process.tell(b'l', &[]);
        let mut name = [0; 32];
        name[..launch.kernel.len()].copy_from_slice(launch.kernel.as_bytes());
        process.more(&name);
        for size in [launch.grid[0], launch.grid[1], launch.threads, launch.shared] {
            process.more(&(size as i64).to_ne_bytes());
        }
        process.more(&i64::from(launch.cooperative).to_ne_bytes());
        // SAFETY: all fields are of 8 bytes, so there is no gap in between.
        let bytes = unsafe {
            std::slice::from_raw_parts(std::ptr::from_ref(run).cast::<u8>(), size_of::<Run>())
        };
        process.more(bytes);
        Ok(())
    }
}
