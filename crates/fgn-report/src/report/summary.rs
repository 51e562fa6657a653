//! What came out, in a few numbers; and the configuration that it came of.

use fgn_data::Samples as _;
use fgn_schema::TargetSchema;
use fgn_train::{EpochMetrics, Learner, MetricInfo};
use maud::{Markup, html};

use super::section::Section;
use super::subject::{Subject, Training};
use super::text::{duration, short};
use crate::best::{best_epoch, loss};
use crate::grouped::grouped;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Section {
    let (history, outcomes) = (&of.history, &of.outcomes);
    let seconds: f64 = history.iter().map(|epoch| epoch.seconds).sum();
    let speed = history.iter().map(|epoch| epoch.samples_per_second).sum::<f64>();
    let rows = match of.dataset.test.schema().target {
        TargetSchema::NextToken { .. } => "tokens",
        TargetSchema::NextItem { .. } => "events",
        TargetSchema::Pixels { .. } => "pixels",
        _ if outcomes.per_step => "steps",
        _ => "samples",
    };
    let mut tiles = Vec::new();
    for info in &outcomes.metrics {
        let found = outcomes.measures.get(&info.name).unwrap_or(f64::NAN);
        let note = format!("of {} test {rows}", grouped(outcomes.targets));
        tiles.push(tile(&format!("Test {}", info.label), info.format(found), note));
    }
    let test_loss = loss().format(outcomes.measures.loss());
    tiles.push(tile("Test loss", test_loss, "mean over the test part".into()));
    for info in outcomes.metrics.iter().chain([&loss()]) {
        if let Some(value) = of.streaming.as_ref().and_then(|measures| measures.get(&info.name)) {
            let note = "the state goes on through the test part".into();
            tiles.push(tile(&format!("Streaming {}", info.label), info.format(value), note));
        }
    }
    let monitored = of.monitored();
    let best = best_epoch(history, &monitored);
    if let Some(best) = best {
        let found = best.measured().get(&monitored.name).unwrap_or(f64::NAN);
        let part = if best.valid.is_some() { "the validation part" } else { "the training part" };
        let note = format!("{} {} on {part}", monitored.format(found), monitored.label);
        tiles.push(tile("Best epoch", best.epoch.to_string(), note));
    }
    if let Some((epoch, why)) = saved_epoch(of) {
        tiles.push(tile("Saved model", format!("epoch {epoch}"), why.into()));
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
        @if !history.is_empty() { (epochs(history, &outcomes.metrics, best)) }
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

/// The epoch whose weights the model has, and why; none before the first epoch.
pub(super) fn saved_epoch<M: Learner>(of: &Subject<'_, M>) -> Option<(usize, &'static str)> {
    let last = of.history.last()?.epoch;
    match of.epoch {
        Some(epoch) if of.training.checkpoint.keeps_best(&of.history, &of.training.monitor) => {
            Some((epoch, "the weights of the best epoch"))
        }
        epoch => Some((epoch.unwrap_or(last), "the weights of the last epoch")),
    }
}

/// Each epoch, in numbers.
fn epochs(history: &[EpochMetrics], metrics: &[MetricInfo], best: Option<&EpochMetrics>) -> Markup {
    let is_best = |epoch: &EpochMetrics| best.is_some_and(|best| best.epoch == epoch.epoch);
    let loss = loss();
    let measures: Vec<&MetricInfo> = [&loss].into_iter().chain(metrics).collect();
    let has_valid = history.iter().any(|epoch| epoch.valid.is_some());
    let parts = if has_valid { &["Training", "Validation"][..] } else { &["Training"] };
    let cell = |epoch: &EpochMetrics, part: &str, info: &MetricInfo| {
        let measures = if part == "Training" { Some(&epoch.train) } else { epoch.valid.as_ref() };
        let found = measures.and_then(|measures| measures.get(&info.name));
        found.map_or("–".into(), |found| info.format(found))
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
                        th scope="row" { (epoch.epoch) @if is_best(epoch) { " (best)" } }
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

/// Lines of a list that are shown.
const LISTED: usize = 200;

/// A configuration without the greater part of long lists, as the items of a catalogue are: a line for each entry.
fn abridged(config: &str) -> String {
    let (mut text, mut lines) = (String::new(), config.lines().peekable());
    while let Some(line) = lines.next() {
        text += &format!("{line}\n");
        if !line.ends_with(" = [") {
            continue;
        }
        let mut left_out = 0;
        for at in 0.. {
            let Some(entry) = lines.next_if(|entry| *entry != "]") else { break };
            match at < LISTED {
                true => text += &format!("{entry}\n"),
                false => left_out += 1,
            }
        }
        if left_out > 0 {
            text += &format!("    # and {} more lines in config.toml\n", grouped(left_out));
        }
    }
    text
}

/// The whole configuration, folded.
pub(super) fn configuration(training: &Training) -> Section {
    let body = html! {
        p { "A recipe that repeats this training: " code { "fgn train config.toml" } "." }
        details {
            summary { "config.toml" }
            pre tabindex="0" { (abridged(&training.config)) }
        }
    };
    Section { id: "configuration", title: "Configuration", body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_abridged() {
        let list = |count: usize| {
            let entries: String = (0..count).map(|at| format!("    \"{at}\",\n")).collect();
            format!("a = 1\nnames = [\n{entries}]\nb = 2\n")
        };
        assert_eq!(abridged(&list(LISTED)), list(LISTED));
        let more = "    # and 1,800 more lines in config.toml\n]\n";
        assert_eq!(abridged(&list(LISTED + 1800)), list(LISTED).replace("]\n", more));
    }
}
