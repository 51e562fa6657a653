//! The binary `fgn`: the command line of [`fgn_cli`]. With the feature `cuda` the command line is that of the
//! binary `fgn-cuda`, and this one, linked to none of NVIDIA's libraries, starts it.

#[cfg(feature = "cuda")]
use std::io::Write as _;
use std::process::ExitCode;

#[cfg(any(feature = "cuda", test))]
mod launch;

/// Candle allocates large blocks in every step; this allocator keeps their pages.
#[cfg(not(feature = "cuda"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(not(feature = "cuda"))]
fn main() -> ExitCode {
    fgn_cli::main()
}

#[cfg(feature = "cuda")]
fn main() -> ExitCode {
    launch::launch(std::env::args_os()).unwrap_or_else(|error| {
        // Standard error may be closed.
        let _ = writeln!(std::io::stderr(), "error: {error}");
        ExitCode::FAILURE
    })
}
