//! What came out, in a few numbers; and the configuration that it came of.

use fgn_train::{Direction, EpochMetrics, Learner, MetricInfo, Unit};
use maud::{Markup, html};

use super::section::Section;
use super::subject::{Subject, Training};
use super::text::{duration, short, value};
use crate::grouped::grouped;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Section {
    let (history, outcomes) = (&of.history, &of.outcomes);
    let seconds: f64 = history.iter().map(|epoch| epoch.seconds).sum();
    let speed = history.iter().map(|epoch| epoch.samples_per_second).sum::<f64>();
    let rows = if outcomes.per_step { "steps" } else { "samples" };
    let mut tiles = Vec::new();
    for info in &outcomes.metrics {
        let found = outcomes.measures.get(&info.name).unwrap_or(f64::NAN);
        let note = format!("of {} test {rows}", grouped(outcomes.targets));
        tiles.push(tile(&format!("Test {}", info.label), value(info, found), note));
    }
    let loss = short(outcomes.measures.loss());
    tiles.push(tile("Test loss", loss, "mean over the test part".into()));
    let monitored = monitored(of);
    if let Some(best) = best(history, &monitored) {
        let found = best.measured().get(&monitored.name).unwrap_or(f64::NAN);
        let part = if best.valid.is_some() { "the validation part" } else { "the training part" };
        let note = format!("{} {} on {part}", value(&monitored, found), monitored.label);
        tiles.push(tile("Best epoch", format!("{}", best.epoch), note));
    }
    if let Some(last) = history.last() {
        let epoch = of.epoch.unwrap_or(last.epoch);
        let note = format!("of {}: this model is from there", last.epoch);
        tiles.push(tile("Saved epoch", format!("{epoch}"), note));
    }
    let parameters = of.model.parameters().iter().map(|(_, var)| var.elem_count()).sum();
    tiles.push(tile("Parameters", grouped(parameters), "trained values".into()));
    if !history.is_empty() {
        let epochs = match history.len() {
            1 => "1 epoch".into(),
            count => format!("{count} epochs"),
        };
        let note = format!("{epochs} of {} samples", grouped(of.dataset.train.len()));
        tiles.push(tile("Training time", duration(seconds), note));
        let speed = grouped((speed / history.len() as f64).round() as usize);
        tiles.push(tile("Speed", speed, "training samples a second".into()));
    }
    let body = html! {
        div.tiles { @for tile in tiles { (tile) } }
        @if !history.is_empty() { (epochs(history, &outcomes.metrics)) }
    };
    Section { id: "summary", title: "Summary", body }
}

fn tile(name: &str, value: String, note: String) -> Markup {
    html! {
        div.tile {
            div.name { (name) }
            div.value { (value) }
            div.note { (note) }
        }
    }
}

/// What decides which epoch is best: the loss or a metric.
fn monitored<M>(of: &Subject<'_, M>) -> MetricInfo {
    let name = &of.training.monitor;
    let info = of.outcomes.metrics.iter().find(|info| info.name == *name);
    info.cloned().unwrap_or_else(loss)
}

fn loss() -> MetricInfo {
    MetricInfo::new("loss", "loss", Direction::Lower, Unit::Number)
}

fn best<'a>(history: &'a [EpochMetrics], monitored: &MetricInfo) -> Option<&'a EpochMetrics> {
    let value = |epoch: &EpochMetrics| epoch.measured().get(&monitored.name).unwrap_or(f64::NAN);
    let is_better = |one: &EpochMetrics, other: &EpochMetrics| {
        monitored.direction.is_better(value(one), value(other))
    };
    let measured = history.iter().filter(|epoch| value(epoch).is_finite());
    measured.reduce(|best, epoch| if is_better(epoch, best) { epoch } else { best })
}

/// Each epoch, in numbers.
fn epochs(history: &[EpochMetrics], metrics: &[MetricInfo]) -> Markup {
    let loss = loss();
    let measures: Vec<&MetricInfo> = [&loss].into_iter().chain(metrics).collect();
    let has_valid = history.iter().any(|epoch| epoch.valid.is_some());
    let parts = if has_valid { &["Training", "Validation"][..] } else { &["Training"] };
    let cell = |epoch: &EpochMetrics, part: &str, info: &MetricInfo| {
        let measures = if part == "Training" { Some(&epoch.train) } else { epoch.valid.as_ref() };
        let found = measures.and_then(|measures| measures.get(&info.name));
        found.map_or("–".into(), |found| value(info, found))
    };
    html! {
        details {
            summary { "Epoch by epoch" }
            div.scroll tabindex="0" {
                table.numbers {
                    thead { tr {
                        th scope="col" { "Epoch" }
                        @for part in parts { @for info in &measures {
                            th scope="col" { (part) " " (info.label) }
                        } }
                        th scope="col" { "Learning rate" }
                        th scope="col" { "Time" }
                        th scope="col" { "Samples/s" }
                    } }
                    tbody { @for epoch in history { tr {
                        th scope="row" { (epoch.epoch) }
                        @for part in parts { @for info in &measures { td { (cell(epoch, part, info)) } } }
                        td { (short(epoch.learning_rate)) }
                        td { (duration(epoch.seconds)) }
                        td { (grouped(epoch.samples_per_second.round() as usize)) }
                    } } }
                }
            }
        }
    }
}

/// The whole configuration, folded.
pub(super) fn configuration(training: &Training) -> Section {
    let body = html! {
        p { "A recipe that repeats this training: " code { "fgn train config.toml" } "." }
        details {
            summary { "config.toml" }
            pre tabindex="0" { (training.config) }
        }
    };
    Section { id: "configuration", title: "Configuration", body }
}
