//! What came out, in a few numbers; and the configuration that it came of.

use maud::{Markup, html};

use super::outcomes::Told;
use super::text::{duration, percent, short};
use super::{Section, Subject};
use crate::console::grouped;
use crate::{Config, EpochMetrics, Result};

pub(super) fn section(of: &Subject<'_>) -> Section {
    let (history, outcomes) = (&of.history, &of.outcomes);
    let seconds: f64 = history.iter().map(|epoch| epoch.seconds).sum();
    let speed = history.iter().map(|epoch| epoch.samples_per_second).sum::<f64>();
    let rows = if of.model.config().each_step { "steps" } else { "samples" };
    let mut tiles = Vec::new();
    match &outcomes.told {
        Told::Classes(confusion) => {
            let note = format!("of {} test {rows}", grouped(outcomes.targets));
            tiles.push(tile("Test accuracy", percent(confusion.accuracy()), note));
        }
        Told::Numbers(residuals) => {
            for (residuals, name) in residuals.iter().zip(&of.names).take(3) {
                let error = short(residuals.root_mean_square());
                let note = format!(
                    "{name}: root mean square over {} test {rows}",
                    grouped(outcomes.targets)
                );
                tiles.push(tile("Test error", error, note));
            }
        }
    }
    tiles.push(tile("Test loss", short(outcomes.loss), "mean over the test part".into()));
    if let Some(best) = best(history) {
        let (value, note) = match best.valid_accuracy {
            Some(accuracy) => (percent(accuracy), "accuracy on held-out samples"),
            None if best.valid_loss.is_some() => (short(best.loss()), "loss on held-out samples"),
            None => (short(best.loss()), "training loss"),
        };
        tiles.push(tile("Best epoch", format!("{}", best.epoch), format!("{value} {note}")));
    }
    let parameters = grouped(of.model.parameter_count());
    tiles.push(tile("Parameters", parameters, "numbers that are learned".into()));
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
        @if !history.is_empty() { (epochs(history)) }
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

fn best(history: &[EpochMetrics]) -> Option<&EpochMetrics> {
    history.iter().min_by(|one, other| one.loss().total_cmp(&other.loss()))
}

/// Each epoch, in numbers.
fn epochs(history: &[EpochMetrics]) -> Markup {
    let maybe = |value: Option<f64>, write: fn(f64) -> String| value.map_or("–".into(), write);
    html! {
        details {
            summary { "Epoch by epoch" }
            div.scroll tabindex="0" {
                table.numbers {
                    thead { tr {
                        th scope="col" { "Epoch" }
                        th scope="col" { "Training loss" }
                        th scope="col" { "Training accuracy" }
                        th scope="col" { "Validation loss" }
                        th scope="col" { "Validation accuracy" }
                        th scope="col" { "Learning rate" }
                        th scope="col" { "Time" }
                        th scope="col" { "Samples/s" }
                    } }
                    tbody { @for epoch in history { tr {
                        th scope="row" { (epoch.epoch) }
                        td { (short(epoch.train_loss)) }
                        td { (maybe(epoch.train_accuracy, percent)) }
                        td { (maybe(epoch.valid_loss, short)) }
                        td { (maybe(epoch.valid_accuracy, percent)) }
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
pub(super) fn configuration(config: &Config) -> Result<Section> {
    let text = config.to_toml()?;
    let body = html! {
        p { "A recipe that repeats this training: " code { "fgn train config.toml" } "." }
        details {
            summary { "config.toml" }
            pre tabindex="0" { (text) }
        }
    };
    Ok(Section { id: "configuration", title: "Configuration", body })
}
