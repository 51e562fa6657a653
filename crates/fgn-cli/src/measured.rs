//! An evaluation in a line.

use fgn_nn::ModelConfig;
use fgn_report::grouped;
use fgn_schema::decimals;
use fgn_train::Evaluation;

/// The first metric, or without metrics the loss: `accuracy = 99.32 %`.
pub(crate) fn main_measure(found: &Evaluation) -> String {
    let first = found.metrics.first();
    match first.and_then(|info| Some((info, found.get(&info.name)?))) {
        Some((info, value)) => format!("{} = {}", info.label, info.format(value)),
        None => format!("loss = {}", decimals(found.loss(), 4)),
    }
}

/// What the measures are means over: `10,000 samples`, or steps where the model predicts for each.
pub(crate) fn targets(found: &Evaluation, model: &ModelConfig) -> String {
    let plural = if found.targets == 1 { "" } else { "s" };
    let one = if model.head.target().is_per_step() { "step" } else { "sample" };
    format!("{} {one}{plural}", grouped(found.targets))
}
