#![no_main]

// Without the hook that ends the process at a panic: the reader catches those of the library for Parquet,
// and one that gets past it ends the process still.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |data: &[u8]| fgn_fuzz::parquet(data));
