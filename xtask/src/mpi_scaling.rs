//! How long a step of a training takes on many processes, as predicted from a few constants.

use anyhow::{Result, ensure};

/// What decides how long a step takes. `docs/distributed.md` explains the model.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds in which one process computes one sample, forward and backward
    #[arg(long, value_name = "S", default_value_t = 50e-6)]
    sample: f64,
    /// Samples of a batch
    #[arg(long, value_name = "N", default_value_t = 8192)]
    batch: usize,
    /// Numbers of the model
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    parameters: usize,
    /// Seconds of the optimizer's step, which every process makes
    #[arg(long, value_name = "S", default_value_t = 100e-6)]
    optimizer: f64,
    /// Seconds from one process to another for an empty message
    #[arg(long, value_name = "S", default_value_t = 2e-6)]
    latency: f64,
    /// Bytes a second that one process sends
    #[arg(long, value_name = "B", default_value_t = 10e9)]
    bandwidth: f64,
}

/// Bytes of a number in a message.
const NUMBER: f64 = 4.0;

/// Small exchanges of a step: the reports, the kinds of gradients and whether to stop, and the lengths of all five
/// messages.
const SMALL: f64 = 8.0;

/// The largest number of processes.
const MOST: usize = 1024;

/// The parts of a step, in seconds.
#[derive(Debug, PartialEq)]
struct Step {
    compute: f64,
    bytes: f64,
    latency: f64,
}

impl Step {
    fn total(&self) -> f64 {
        self.compute + self.bytes + self.latency
    }
}

/// Prints a line for each power of two.
pub(crate) fn run(args: &Args) -> Result<()> {
    let constants = [args.sample, args.optimizer, args.latency, args.bandwidth];
    let fits = constants.iter().all(|value| value.is_finite() && *value >= 0.0);
    ensure!(fits && args.bandwidth > 0.0, "constants are {constants:?}, expected none below 0");
    let alone = step(args, 1).total();
    say!("processes  compute ms  bytes ms  latency ms  step ms  speed-up  efficiency");
    for processes in std::iter::successors(Some(1), |last| Some(2 * last)) {
        if processes > MOST.min(args.batch) {
            break;
        }
        let step = step(args, processes);
        let [compute, bytes, latency, total] =
            [step.compute, step.bytes, step.latency, step.total()].map(|seconds| 1e3 * seconds);
        let speed = alone / step.total();
        let share = 100.0 * speed / processes as f64;
        say!(
            "{processes:>9} {compute:>11.3} {bytes:>9.3} {latency:>11.3} {total:>8.3} {speed:>9.1} {share:>9.0} %"
        );
    }
    Ok(())
}

/// A step on so many processes: the slowest has one sample more than others may have. The two exchanges of the gradients
/// have a message for each process; small ones take as many rounds as the logarithm.
fn step(args: &Args, processes: usize) -> Step {
    let samples = args.batch.div_ceil(processes) as f64;
    let others = processes as f64 - 1.0;
    let sent = 2.0 * NUMBER * args.parameters as f64 * others / processes as f64;
    Step {
        compute: samples * args.sample + args.optimizer,
        bytes: sent / args.bandwidth,
        latency: args.latency * (2.0 * others + SMALL * (processes as f64).log2().ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            sample: 1e-3,
            batch: 100,
            parameters: 1000,
            optimizer: 0.01,
            latency: 1e-4,
            bandwidth: 1e6,
        }
    }

    #[test]
    fn one_process_sends_nothing() {
        let found = step(&args(), 1);
        assert_eq!((found.bytes, found.latency), (0.0, 0.0));
        assert!((found.total() - 0.11).abs() < 1e-12);
    }

    #[test]
    fn a_step_is_its_parts() {
        let found = step(&args(), 8);
        // 13 samples; 7 eighths of 8,000 bytes; 14 messages and 8 times 3 rounds.
        assert!((found.compute - 0.023).abs() < 1e-12, "{found:?}");
        assert!((found.bytes - 0.007).abs() < 1e-12, "{found:?}");
        assert!((found.latency - 0.0038).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn constants_below_zero_are_refused() {
        assert!(run(&Args { latency: -1.0, ..args() }).is_err());
        assert!(run(&Args { bandwidth: 0.0, ..args() }).is_err());
        run(&args()).unwrap();
    }
}
