//! Metrics: numbers that say how good predictions are, beside the loss. One file each, and their registry.
//!
//! [`Metric`] says what a metric provides; everything else, from the console to the report, takes its name, label,
//! unit and value from there.

mod likelihood;
mod measures;
mod metric;
mod set;
mod tokens;
mod transcripts;
mod values;

use fgn_schema::TargetSchema;
pub(crate) use measures::LOSS;
pub use measures::Measures;
pub use metric::{Breakdown, Column, Direction, Metric, MetricInfo, Unit};
pub use set::Metrics;
pub use transcripts::{Transcript, Transcripts};
pub use values::restored;

/// What makes a metric for some targets; `None` if it is for others.
type Make = fn(&TargetSchema) -> Option<Box<dyn Metric>>;

/// Declares the files of the metrics, and lists them by name.
macro_rules! registry {
    ($($file:ident::$metric:ident $name:literal)*) => {
        $(mod $file;)*

        const METRICS: &[(&str, Make)] =
            &[$(($name, |target| Some(Box::new($file::$metric::new(target)?)))),*];
    };
}

registry! {
    accuracy::Accuracy "accuracy"
    mae::MeanAbsoluteError "mae"
    rmse::RootMeanSquareError "rmse"
    r2::R2 "r2"
    perplexity::Perplexity "perplexity"
    bits::Bits "bits"
    exact_match::ExactMatch "exact_match"
    token_accuracy::TokenAccuracy "token_accuracy"
    reply_accuracy::ReplyAccuracy "reply_accuracy"
    cer::CharacterErrorRate "cer"
    wer::WordErrorRate "wer"
}

/// The names of all metrics.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|&(name, _)| name)
}

/// The metric of that name for such targets: `None` for an unknown name, `Some(None)` if it is for others.
fn find(name: &str, target: &TargetSchema) -> Option<Option<Box<dyn Metric>>> {
    METRICS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_own_name_and_is_for_some_target() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let targets = [
            TargetSchema::Class { names: names(), per_step: false },
            TargetSchema::Value { names: names(), per_step: false },
            TargetSchema::Sequence { vocabulary: 2, tokenizer: None },
            TargetSchema::NextToken { vocabulary: 2 },
            transcripts::tests::texts(),
        ];
        for name in metric_names() {
            let mut found = targets.iter().filter_map(|target| find(name, target).flatten());
            assert_eq!(found.next().map(|metric| metric.info().name).as_deref(), Some(name));
        }
        let mut all: Vec<_> = metric_names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), METRICS.len());
        assert!(find("no such", &targets[0]).is_none());
    }
}
