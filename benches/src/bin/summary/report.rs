//! The measurements as a table and as JSON.

use fgn_benches::protocol::Work;
use fgn_core::{AnyCell, Block};
use serde::Serialize;

use crate::machine::Machine;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// The shape's name.
    pub(crate) shape: String,
    pub(crate) work: Work,
    /// The contestant's name and version.
    pub(crate) who: String,
    pub(crate) cell: String,
    /// The option beside the cell's equations; none if empty.
    pub(crate) option: String,
    pub(crate) threads: usize,
    /// The number type of the weights.
    pub(crate) dtype: String,
    pub(crate) median_ms: f64,
    /// The rate of the operations of the matrix products alone.
    pub(crate) gflops: f64,
    /// The fraction of the machine's peak with this number of threads.
    pub(crate) peak_fraction: f64,
}

/// All measurements on a machine.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) results: &'a [Entry],
}

/// The floating-point operations of a layer's matrix products, with a multiply-add counted as two. Training adds the
/// gradients with respect to the hidden states and to the weights.
pub(crate) fn operations(cell: AnyCell, work: Work, [t, b, i, h]: [usize; 4]) -> f64 {
    let spec = cell.spec();
    let input = spec.indices(Block::reads_input).len() * i;
    let hidden = spec.indices(Block::reads_hidden).len() * h;
    let weights = match work {
        Work::Train => 2 * input + 3 * hidden,
        _ => input + hidden,
    };
    2.0 * (t * b * h * weights) as f64
}

/// The measurements of one job, with their ratios to the first entry.
pub(crate) fn table(entries: &[Entry]) -> String {
    let Some(first) = entries.first() else { return String::new() };
    let mut text = format!("\n{} · {}\n", first.shape, label(first.work));
    for entry in entries {
        let ratio = entry.median_ms / first.median_ms;
        text += &format!(
            "  {:<20} {:<13} {:<12} {:<5} {} {:<7} {:>12} {:>7.2}x {:>7.1} GFLOP/s {:>4.0} % of peak\n",
            entry.who,
            entry.cell,
            entry.option,
            entry.dtype,
            entry.threads,
            if entry.threads == 1 { "thread" } else { "threads" },
            time(entry.median_ms),
            ratio,
            entry.gflops,
            100.0 * entry.peak_fraction,
        );
    }
    text
}

fn label(work: Work) -> &'static str {
    match work {
        Work::Infer => "forward",
        Work::Train => "forward and backward",
        Work::Stream => "one step",
    }
}

fn time(ms: f64) -> String {
    if ms < 0.1 { format!("{:.2} µs", ms * 1000.0) } else { format!("{ms:.2} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_an_lstm_are_those_of_its_eight_products() {
        let sizes = [28, 100, 28, 128];
        let forward = 2.0 * 28.0 * 100.0 * 4.0 * 128.0 * (28.0 + 128.0);
        assert_eq!(operations(AnyCell::LSTM, Work::Infer, sizes), forward);
        let no_d_x = 2.0 * 28.0 * 100.0 * 4.0 * 128.0 * 28.0;
        assert_eq!(operations(AnyCell::LSTM, Work::Train, sizes), 3.0 * forward - no_d_x);
    }
}
