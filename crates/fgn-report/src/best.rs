//! Which epoch is best.

use fgn_train::{Direction, EpochMetrics, MetricInfo, Unit};

/// The loss, as a measure among the metrics.
pub(crate) fn loss() -> MetricInfo {
    MetricInfo::new("loss", "loss", Direction::Lower, Unit::Number)
}

/// The first of the epochs in which what is monitored is best; none where it is never finite.
pub(crate) fn best_epoch<'a>(
    history: &'a [EpochMetrics],
    monitored: &MetricInfo,
) -> Option<&'a EpochMetrics> {
    let value = |epoch: &EpochMetrics| epoch.measured().get(&monitored.name);
    let finite = history.iter().filter(|epoch| value(epoch).is_some_and(f64::is_finite));
    finite.reduce(|best, epoch| {
        let is_better = match (value(epoch), value(best)) {
            (Some(one), Some(other)) => monitored.direction.is_better(one, other),
            _ => false,
        };
        if is_better { epoch } else { best }
    })
}

#[cfg(test)]
mod tests {
    use fgn_train::Measures;

    use super::*;

    #[test]
    fn the_best_epoch_is_the_first_of_the_best_finite_values() {
        let history = |losses: &[f64]| -> Vec<EpochMetrics> {
            let epoch = |(at, &loss): (usize, &f64)| {
                let valid = Measures::new(loss).with("accuracy", 1.0 - loss);
                EpochMetrics::new(at + 1, at + 1, Measures::new(0.0), Some(valid))
            };
            losses.iter().enumerate().map(epoch).collect()
        };
        let accuracy = MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share);
        for (losses, best) in [
            (&[f64::NAN, 0.5, 0.2, 0.2, 0.3][..], Some(3)),
            (&[0.5], Some(1)),
            (&[f64::NAN], None),
            (&[], None),
        ] {
            for monitored in [&loss(), &accuracy] {
                let history = history(losses);
                assert_eq!(best_epoch(&history, monitored).map(|best| best.epoch), best);
            }
        }
    }
}
