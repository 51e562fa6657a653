//! The command line of fgn: the program `fgn` is [`main`].
//!
//! It is a thin shell. It parses the arguments ([`Cli`]), opens the device, the threads and the log, and runs a
//! command on the crates below: training, evaluation and prediction of `fgn-train`, reports of `fgn-report`. It
//! knows no kind of data, input layer, head or metric: whatever is in their registries is trained, evaluated,
//! predicted and described by the same few lines.
//!
//! Only this crate depends on crates for arguments, a terminal, Ctrl-C and an allocator. Of it, the [`Console`],
//! an observer with a progress bar, is for programs of your own too: `examples/own_model.rs` uses it.
//!
//! ```
//! use clap::Parser as _;
//!
//! assert!(fgn_cli::Cli::try_parse_from(["fgn", "train", "mnist-rows", "--epochs", "3"]).is_ok());
//! assert!(fgn_cli::Cli::try_parse_from(["fgn", "train", "--epoch", "3"]).is_err());
//! ```

mod answers;
mod baselines;
mod classes;
mod cli;
mod commands;
mod complete;
mod console;
mod error;
mod event;
mod event_stream;
mod generated_images;
mod interrupt;
mod items;
mod logging;
mod measured;
mod output;
mod predictions;
mod processes;
mod recent;
mod recommendations;
mod sampling;
mod saved_samples;
mod settings;
mod sounds;
mod stdin;
mod table;
mod texts;

pub use cli::{Cli, main};
pub use console::Console;
pub use error::{Error, Result};
