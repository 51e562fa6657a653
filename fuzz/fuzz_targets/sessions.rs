#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fgn_fuzz::sessions(data));
