//! The machine and its peak rates.

use std::sync::Barrier;
use std::time::Instant;

use anyhow::Result;
use fgn_kernels::{Bf16Engine, Isa, probe};
use serde::Serialize;

/// Array lengths that fit into a core's L2, and into no cache.
const CACHED: usize = 1 << 16;
const UNCACHED: usize = 96 << 20;
const ROUNDS: usize = 25;

/// The machine, as described in the summary.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    system: String,
    cores: usize,
    instruction_set: &'static str,
    pub(crate) threads: usize,
    /// The rate of a loop of nothing but multiply-adds in registers, on one thread and on all.
    fma_gflops_one_thread: f64,
    pub(crate) fma_gflops: f64,
    /// The rates of bf16 multiply-adds by each engine that the machine has instructions for.
    bf16: Vec<Bf16Peak>,
    /// The rate of reading, on one thread and on all: from L2 (256 KiB per thread) and from memory (384 MiB in total).
    cache_gb_per_s_one_thread: f64,
    cache_gb_per_s: f64,
    memory_gb_per_s_one_thread: f64,
    memory_gb_per_s: f64,
}

/// The rate of bf16 multiply-adds with sums in `f32`, of blocks in cache, on one thread and on all.
#[derive(Clone, Debug, Serialize)]
struct Bf16Peak {
    engine: &'static str,
    gflops_one_thread: f64,
    gflops: f64,
}

impl Machine {
    /// Identifies and measures the machine.
    pub(crate) fn measure(threads: usize) -> Result<Self> {
        Ok(Self {
            cpu: cpu(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism()?.get(),
            instruction_set: Isa::active()?.name(),
            threads,
            fma_gflops_one_thread: multiply_adds(1)?,
            fma_gflops: multiply_adds(threads)?,
            bf16: bf16_peaks(threads)?,
            cache_gb_per_s_one_thread: read(1, CACHED, 1600)?,
            cache_gb_per_s: read(threads, CACHED, 1600)?,
            memory_gb_per_s_one_thread: read(1, UNCACHED, 1)?,
            memory_gb_per_s: read(threads, UNCACHED / threads, 1)?,
        })
    }

    /// The peak of one thread or of all, in GFLOP/s: with operands in bf16 that of the fastest engine, if there is one.
    pub(crate) fn peak(&self, dtype: &str, threads: usize) -> f64 {
        let of = |one: f64, all: f64| if threads == 1 { one } else { all };
        let f32 = of(self.fma_gflops_one_thread, self.fma_gflops);
        let bf16 = self.bf16.iter().map(|peak| of(peak.gflops_one_thread, peak.gflops));
        if dtype == "bf16" { bf16.fold(f32, f64::max) } else { f32 }
    }

    /// The description that is printed.
    pub(crate) fn lines(&self) -> String {
        let mut bf16 = String::new();
        for Bf16Peak { engine, gflops_one_thread, gflops } in &self.bf16 {
            bf16 += &format!(
                "multiply-adds of bf16 by {engine}: {gflops_one_thread:.0} GFLOP/s on one thread, {gflops:.0} on {}\n",
                self.threads
            );
        }
        format!(
            "{}, {}, {} cores, {}\n\
             multiply-adds: {:.0} GFLOP/s on one thread, {:.0} on {}\n{bf16}\
             reading from L2: {:.0} GB/s on one thread, {:.0} on {}\n\
             reading from memory: {:.1} GB/s on one thread, {:.1} on {}",
            self.cpu,
            self.system,
            self.cores,
            self.instruction_set,
            self.fma_gflops_one_thread,
            self.fma_gflops,
            self.threads,
            self.cache_gb_per_s_one_thread,
            self.cache_gb_per_s,
            self.threads,
            self.memory_gb_per_s_one_thread,
            self.memory_gb_per_s,
            self.threads,
        )
    }
}

/// The system's name of the processor.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor".into(), |(_, name)| name.into())
}

/// The rate of multiply-adds in GFLOP/s.
fn multiply_adds(threads: usize) -> Result<f64> {
    const TIMES: usize = 4_000_000;
    let operations = probe::multiply_adds(1)? as f64 * TIMES as f64;
    let rate = at_once(threads, || {
        std::hint::black_box(probe::multiply_adds(TIMES).ok());
    });
    Ok(operations * rate / 1e9)
}

/// The rates of all engines that the machine has instructions for.
fn bf16_peaks(threads: usize) -> Result<Vec<Bf16Peak>> {
    const BLOCKS: usize = 2000;
    let engines = Bf16Engine::available(Isa::active()?).into_iter();
    let rate = |engine: Bf16Engine, threads| {
        let operations = 2 * probe::bf16_multiply_adds(engine, 1) * BLOCKS;
        let rate = at_once(threads, || {
            std::hint::black_box(probe::bf16_multiply_adds(engine, BLOCKS));
        });
        operations as f64 * rate / 1e9
    };
    let peak = |engine: Bf16Engine| Bf16Peak {
        engine: engine.name(),
        gflops_one_thread: rate(engine, 1),
        gflops: rate(engine, threads),
    };
    Ok(engines.filter(|engine| engine.is_native()).map(peak).collect())
}

/// The rate of reading in GB/s.
fn read(threads: usize, numbers: usize, times: usize) -> Result<f64> {
    Isa::active()?;
    let memory: Vec<Vec<f32>> = vec![vec![1.0; numbers]; threads];
    let bytes = (times * numbers * size_of::<f32>()) as f64;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rate = at_once(threads, || {
        let own = &memory[next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % threads];
        for _ in 0..times {
            std::hint::black_box(probe::read(std::hint::black_box(own)).ok());
        }
    });
    Ok(bytes * rate / 1e9)
}

/// How often per second all threads together complete `work`, in the fastest of several rounds, because the result is
/// used as a peak.
fn at_once(threads: usize, work: impl Fn() + Sync) -> f64 {
    let round = || {
        let barrier = Barrier::new(threads);
        let one = || {
            barrier.wait();
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
            let mut longest = one();
            for other in others {
                longest = longest.max(other.join().unwrap_or(f64::NAN));
            }
            threads as f64 / longest
        })
    };
    (0..ROUNDS).map(|_| round()).fold(f64::NAN, f64::max)
}
