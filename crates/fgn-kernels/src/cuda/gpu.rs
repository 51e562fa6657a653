//! The trait through which runs use a device.

use candle_core::Result;
use fgn_core::{MAX_BLOCKS, MAX_STATES, MAX_VECTORS};

/// A device: memory, matrix products, launches. Commands run in the order in which they are issued.
pub(crate) trait Gpu {
    /// A buffer. When it is dropped, it is freed after the commands issued before.
    type Memory: Send + Sync + 'static;

    fn limits(&self) -> Result<Limits>;

    /// A buffer of that many bytes, all zero.
    fn zeros(&self, bytes: usize) -> Result<Self::Memory>;

    fn upload(&self, bytes: &[u8]) -> Result<Self::Memory>;

    fn download(&self, memory: &Self::Memory) -> Result<Vec<u8>>;

    /// A copy of memory of the device.
    fn copy(&self, address: u64, bytes: usize) -> Result<Self::Memory>;

    fn address(&self, memory: &Self::Memory) -> u64;

    fn product(&self, product: &Product) -> Result<()>;

    fn launch(&self, launch: &Launch, run: &Run) -> Result<()>;
}

/// What limits the choice of a strategy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) processors: usize,
    /// Bytes of memory that the threads of a block can share.
    pub(crate) shared: usize,
    /// Threads of a block, for kernels without and with synchronisation between blocks.
    pub(crate) threads: usize,
    pub(crate) persistent_threads: usize,
}

/// A row-major matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) address: u64,
    /// From one row to the next, in numbers.
    pub(crate) stride: usize,
    pub(crate) transposed: bool,
    /// Whether its numbers are those of the equations and not those of the weights.
    pub(crate) wide: bool,
}

/// `c [rows, columns] = a [rows, depth] · b [depth, columns]`, or `+=`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) sizes: [usize; 3],
    pub(crate) a: Matrix,
    pub(crate) b: Matrix,
    pub(crate) c: Matrix,
    pub(crate) add: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub(crate) kernel: &'static str,
    pub(crate) grid: [usize; 2],
    pub(crate) threads: usize,
    /// Bytes of shared memory.
    pub(crate) shared: usize,
    /// Whether all blocks must run at the same time (a cooperative launch).
    pub(crate) cooperative: bool,
}

/// The arguments of every kernel, as `template/unit.h` has them: all of 8 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Run {
    pub(crate) steps: i64,
    pub(crate) batch: i64,
    pub(crate) input: i64,
    pub(crate) hidden: i64,
    pub(crate) output: i64,
    pub(crate) step: i64,
    pub(crate) state_slots: i64,
    pub(crate) fed_slots: i64,
    pub(crate) hidden_slots: i64,
    pub(crate) reverse: i64,
    pub(crate) emit: i64,
    pub(crate) normalise_pre: i64,
    pub(crate) normalise_memory: i64,
    pub(crate) project: i64,
    pub(crate) masked: i64,
    pub(crate) seed: u64,
    pub(crate) zoneout_below: [i64; MAX_STATES],
    pub(crate) drop_below: i64,
    pub(crate) drop_per_step: i64,
    pub(crate) zoneout: [f64; MAX_STATES],
    pub(crate) drop_scale: f64,
    pub(crate) clip: f64,
    pub(crate) weight_hidden: i64,
    pub(crate) bias_input: [i64; MAX_BLOCKS],
    pub(crate) bias_hidden: [i64; MAX_BLOCKS],
    pub(crate) gain: [i64; MAX_BLOCKS],
    pub(crate) vector: [i64; MAX_VECTORS],
    pub(crate) memory_gain: i64,
    pub(crate) memory_bias: i64,
    pub(crate) block_rows: i64,
    pub(crate) lengths: u64,
    pub(crate) resets: u64,
    pub(crate) weights: u64,
    pub(crate) initial: u64,
    pub(crate) pre: u64,
    pub(crate) states: u64,
    pub(crate) fed: u64,
    pub(crate) unprojected: u64,
    pub(crate) projected: u64,
    pub(crate) outputs: u64,
    pub(crate) counts: u64,
    pub(crate) scratch: u64,
    pub(crate) arrived: u64,
    pub(crate) d_outputs: u64,
    pub(crate) d_states: u64,
    pub(crate) d_fed: u64,
    pub(crate) d_pre: u64,
    pub(crate) d_projected: u64,
    pub(crate) d_unprojected: u64,
    pub(crate) sums: u64,
    pub(crate) d_weights: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) width: i64,
    pub(crate) inverse: i64,
}
