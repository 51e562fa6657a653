//! The binary `fgn`: the command line of [`fgn_train`].

use std::process::ExitCode;

/// Candle allocates large blocks in every step; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fgn_train::cli::main()
}
