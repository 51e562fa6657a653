//! A step of a stream through a whole stack gets no memory from the system, on any thread. Alone in its
//! file, for the counting allocator sees all that runs beside it.
#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::time::Duration;

use candle_core::{DType, Device};
use fgn_core::AnyCell;
use fgn_nn::{BlockConfig, Parameters, Precision, Recurrent, RecurrentConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many allocations happen anywhere while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn a_step_of_a_stack_allocates_nothing() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0);
    let hidden = 70;
    for cell in AnyCell::all() {
        for layers in [1, 3] {
            let residual = layers > 1;
            let plain = RecurrentConfig { layers, residual, ..RecurrentConfig::new(cell, hidden) };
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                check(&plain, precision);
            }
        }
    }
    for conv in [0, 4] {
        let block = Some(BlockConfig { conv, ..BlockConfig::default() });
        let blocks =
            RecurrentConfig { layers: 3, block, ..RecurrentConfig::new(AnyCell::LSTM, hidden) };
        check(&blocks, Precision::F32);
    }
}

/// Checks the steps of streams of some sequences on some threads.
fn check(config: &RecurrentConfig, precision: Precision) {
    let input = 20;
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    let layer = Recurrent::new(&mut parameters, "layer", input, config).unwrap();
    let weights = layer.stream_weights(precision).unwrap();
    for (batch, threads) in [(1, 1), (3, 1), (2, 2)] {
        let mut stream = weights.stream(batch, threads).unwrap();
        let x = vec![0.5; batch * input];
        let mut output = vec![0.0; batch * config.output_size()];
        // The threads have begun, and sleep.
        std::thread::sleep(Duration::from_millis(20));
        let count = allocations(|| {
            for _ in 0..50 {
                stream.step(&x, &mut output).unwrap();
            }
            stream.reset(0).unwrap();
        });
        assert_eq!(count, 0, "{config:?}, {precision:?}, batch {batch}, {threads} threads");
    }
}
