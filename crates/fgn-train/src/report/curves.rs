//! Loss and accuracy over the epochs.

use maud::html;

use super::plot::{HALF, plot};
use super::{Section, Subject};
use crate::Result;
use crate::curves::{draw_accuracies, draw_losses};

pub(super) fn section(of: &Subject<'_>) -> Result<Section> {
    let (id, title) = ("curves", "Learning curves");
    let history = &of.history;
    if history.is_empty() {
        let why = "The run folder has no metrics of any epoch.";
        return Ok(Section::left_out(id, title, why));
    }
    let name = if of.model.config().numbers == 0 { "Cross entropy" } else { "Squared error" };
    let label = format!("{name} over the epochs");
    let losses = plot(HALF, &label, |area, _| draw_losses(area, name, history))?;
    let has_accuracy = history.iter().any(|epoch| epoch.train_accuracy.is_some());
    let accuracies = has_accuracy.then(|| {
        plot(HALF, "Accuracy over the epochs", |area, _| {
            draw_accuracies(area, "Accuracy (%)", history)
        })
    });
    let body = html! {
        div.grid.wide {
            figure { (losses) }
            @if let Some(accuracies) = accuracies.transpose()? { figure { (accuracies) } }
        }
        p.hint {
            "Training numbers are taken while the weights still change, and with dropout; those of \
             validation after each epoch."
        }
    };
    Ok(Section { id, title, body })
}
