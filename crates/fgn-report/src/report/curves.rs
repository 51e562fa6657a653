//! Loss and metrics over the epochs.

use maud::html;

use fgn_train::Learner;

use super::plot::{HALF, plot};
use super::section::Section;
use super::subject::Subject;
use super::summary::saved_epoch;
use crate::best::best_epoch;
use crate::curves::{draw_measure, panels};
use crate::error::Result;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Result<Section> {
    let (id, title) = ("curves", "Learning curves");
    let history = &of.history;
    if history.is_empty() {
        let why = "The run folder has no metrics of any epoch.";
        return Ok(Section::left_out(id, title, why));
    }
    let monitored = of.monitored();
    let best = best_epoch(history, &monitored).map(|best| best.epoch);
    let mut figures = Vec::new();
    for panel in panels(&of.outcomes.metrics) {
        let label = format!("{} over the epochs", panel.title);
        figures.push(plot(HALF, &label, |area, _| draw_measure(area, &panel, history, best))?);
    }
    let body = html! {
        div.grid.wide { @for figure in figures { figure { (figure) } } }
        p.hint {
            "Training values are measured while the weights still change, and with dropout; validation \
             values after each epoch."
            @if let (Some(best), Some((saved, _))) = (best, saved_epoch(of)) {
                " The dashed line is epoch " (best) ", the best by the " (monitored.label) ": "
                @if saved == best { "its weights are the saved model's." }
                @else { "the saved model has the weights of epoch " (saved) "." }
            }
        }
    };
    Ok(Section { id, title, body })
}
