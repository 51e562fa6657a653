//! The binary `fgn-cuda`: the command line of [`fgn_cli`] in a build with the feature `cuda`. `fgn` starts it.

use std::process::ExitCode;

/// Candle allocates large blocks in every step; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fgn_cli::main()
}
