//! A stream's step gets no memory from the system, on any thread. Alone in its file, for the counting
//! allocator sees all that runs beside it.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use candle_core::{Device, Tensor};
use fgn_core::AnyCell;
use fgn_kernels::{LayerStreamWeights, Precision, SequenceOptions};

/// The system's allocator, which counts while it is asked to.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(SeqCst) {
            COUNT.fetch_add(1, SeqCst);
        }
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations happen anywhere while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.store(0, SeqCst);
    COUNTS.store(true, SeqCst);
    work();
    COUNTS.store(false, SeqCst);
    COUNT.load(SeqCst)
}

/// Milliseconds in which a stream's threads begin and fall asleep.
const WAITS: [u64; 4] = [20, 100, 500, 2000];

#[test]
fn a_step_allocates_nothing() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0);
    let (input, hidden) = (20, 140);
    for cell in AnyCell::all() {
        let len = fgn_core::Layout::new(cell.spec(), input, hidden).len();
        let weights = Tensor::new(vec![0.01_f32; len], &Device::Cpu).unwrap();
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let weights = LayerStreamWeights::new(
                cell,
                &weights,
                [input, hidden],
                precision,
                &SequenceOptions::default(),
            )
            .unwrap();
            for (batch, threads) in [(1, 1), (7, 1), (1, 2), (3, 3)] {
                // A thread that begins gets memory, and under load it may begin late: then another stream is tried. What a
                // step allocates, it allocates in each of them.
                let mut counts = WAITS.into_iter().map(|wait| {
                    let mut stream = weights.stream(batch, threads).unwrap();
                    let x = vec![0.5; batch * input];
                    let mut output = vec![0.0; batch * hidden];
                    std::thread::sleep(Duration::from_millis(wait));
                    allocations(|| {
                        for _ in 0..100 {
                            stream.step(&x, &mut output).unwrap();
                        }
                        stream.reset(..).unwrap();
                    })
                });
                let none = counts.any(|count| count == 0);
                assert!(none, "{cell} {precision:?}, batch {batch}, {threads} threads");
            }
        }
    }
}
