//! Metrics: numbers that say how good predictions are, beside the loss. One file each, and their registry.
//!
//! [`Metric`] says what a metric provides; everything else, from the console to the report, takes its name, label,
//! unit and value from there.

mod class_mean;
mod classes;
mod likelihood;
mod measures;
mod metric;
mod rank_mean;
pub(crate) mod ranks;
mod set;
mod tokens;
mod transcripts;
mod values;

use fgn_schema::{MAX_SIZE, TargetSchema};
pub(crate) use measures::LOSS;
pub use measures::Measures;
pub use metric::{Breakdown, Column, Direction, Metric, MetricInfo, Unit};
pub use set::Metrics;
pub use transcripts::{Transcript, Transcripts};
pub use values::restored;

/// What makes a metric for some targets; `None` if it is for others.
type Make = fn(&TargetSchema) -> Option<Box<dyn Metric>>;

/// What makes a metric with a whole number `K` in its name for some targets; `None` if it is for others.
type MakeAt = fn(&TargetSchema, usize) -> Option<Box<dyn Metric>>;

/// Declares the files of the metrics, and lists them by name: after `@K` those with a whole number in their name.
macro_rules! registry {
    (
        $($file:ident::$metric:ident $name:literal)*
        @K
        $($file_at:ident::$metric_at:ident $name_at:literal)*
    ) => {
        $(mod $file;)*
        $(mod $file_at;)*

        const METRICS: &[(&str, Make)] =
            &[$(($name, |target| Some(Box::new($file::$metric::new(target)?)))),*];

        /// Their names are those of a family, `recall@K`.
        const METRICS_AT: &[(&str, MakeAt)] = &[$((
            concat!($name_at, "@K"),
            |target, k| Some(Box::new($file_at::$metric_at::new(target, k)?)),
        )),*];
    };
}

registry! {
    accuracy::Accuracy "accuracy"
    balanced_accuracy::BalancedAccuracy "balanced_accuracy"
    f1::F1 "f1"
    f1_weighted::WeightedF1 "f1_weighted"
    roc_auc::RocAuc "roc_auc"
    log_loss::LogLoss "log_loss"
    mae::MeanAbsoluteError "mae"
    rmse::RootMeanSquareError "rmse"
    r2::R2 "r2"
    perplexity::Perplexity "perplexity"
    bits::Bits "bits"
    nats::Nats "nats"
    exact_match::ExactMatch "exact_match"
    token_accuracy::TokenAccuracy "token_accuracy"
    reply_accuracy::ReplyAccuracy "reply_accuracy"
    cer::CharacterErrorRate "cer"
    wer::WordErrorRate "wer"
    @K
    top_accuracy::TopAccuracy "accuracy"
    mase::MeanAbsoluteScaledError "mase"
    recall::Recall "recall"
    mrr::MeanReciprocalRank "mrr"
    ndcg::Ndcg "ndcg"
    coverage::Coverage "coverage"
    popularity_bias::PopularityBias "popularity_bias"
}

/// The names of all metrics. In `recall@K` and the like `K` stands for a whole number from 1 on: `recall@20` is a metric of
/// the best 20 items, and `mase@24` one of a season of 24 steps.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    let at_k = METRICS_AT.iter().map(|&(name, _)| name);
    METRICS.iter().map(|&(name, _)| name).chain(at_k)
}

/// What there is of some name for some targets.
enum Found {
    Metric(Box<dyn Metric>),
    /// A metric for other targets.
    ForOthers,
    /// A metric with a `K`, but no such `K`.
    NoCutoff,
    Unknown,
}

/// The metric of that name for such targets.
fn find(name: &str, target: &TargetSchema) -> Found {
    let made = |metric: Option<_>| metric.map_or(Found::ForOthers, Found::Metric);
    if let Some((_, make)) = METRICS.iter().find(|(known, _)| *known == name) {
        return made(make(target));
    }
    let (family, k) = name.split_once('@').unwrap_or((name, ""));
    match METRICS_AT.iter().find(|(known, _)| known.strip_suffix("@K") == Some(family)) {
        Some((_, make)) => match cutoff(name) {
            Some(k) => made(make(target, k)),
            None if k.is_empty() => Found::Unknown,
            None => Found::NoCutoff,
        },
        None => Found::Unknown,
    }
}

/// The names of the metrics for such targets, as [`metric_names`] gives them.
fn fitting(target: &TargetSchema) -> impl Iterator<Item = &'static str> {
    let plain = METRICS.iter().filter(|(_, make)| make(target).is_some()).map(|&(name, _)| name);
    let at_k = METRICS_AT.iter().filter(|(_, make)| make(target, 1).is_some());
    plain.chain(at_k.map(|&(name, _)| name))
}

/// The `K` of a metric's name such as `recall@20`.
pub(crate) fn cutoff(name: &str) -> Option<usize> {
    let (_, digits) = name.split_once('@')?;
    let k = digits.parse().ok().filter(|k| (1..=MAX_SIZE).contains(k))?;
    // One name for each: neither `+20` nor `020`.
    (digits == k.to_string()).then_some(k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_own_name_and_is_for_some_target() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let targets = [
            classes::tests::classes(9),
            TargetSchema::Value { names: names(), per_step: false },
            TargetSchema::Sequence { vocabulary: 2, tokenizer: None },
            TargetSchema::NextToken { vocabulary: 2 },
            TargetSchema::Pixels { levels: 2 },
            ranks::tests::items(&[1, 2]),
            transcripts::tests::texts(),
        ];
        for name in metric_names() {
            let name = name.replace("@K", "@7");
            let mut found = targets.iter().filter_map(|target| match find(&name, target) {
                Found::Metric(metric) => Some(metric.info().name),
                _ => None,
            });
            assert_eq!(found.next(), Some(name));
        }
        let mut all: Vec<_> = metric_names().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), METRICS.len() + METRICS_AT.len());
        for unknown in ["no such", "mae@1", "no such@1", "recall", "recall@", "accuracy@"] {
            assert!(matches!(find(unknown, &targets[0]), Found::Unknown), "{unknown}");
        }
    }

    #[test]
    fn the_number_of_items_is_part_of_a_name() {
        assert_eq!([cutoff("recall@1"), cutoff("x@16777216")], [Some(1), Some(MAX_SIZE)]);
        for wrong in ["recall", "recall@", "recall@0", "recall@020", "recall@+2", "recall@1.5"] {
            assert_eq!(cutoff(wrong), None, "{wrong}");
        }
        let target = ranks::tests::items(&[1, 2]);
        for wrong in ["recall@0", "mrr@-1", "ndcg@ten", "coverage@16777217", "recall@1@2"] {
            assert!(matches!(find(wrong, &target), Found::NoCutoff), "{wrong}");
        }
        let found = fitting(&target).collect::<Vec<_>>().join(" ");
        assert_eq!(found, "perplexity bits recall@K mrr@K ndcg@K coverage@K popularity_bias@K");
    }
}
