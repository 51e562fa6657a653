//! The worst mistakes, as pictures.

use fgn_data::Samples;
use fgn_schema::InputSchema;
use fgn_train::Learner;
use maud::{Markup, html};

use super::outcomes::{Mistake, Predicted};
use super::sample::{FEATURES, LINES, Seen, hex};
use super::section::Section;
use super::subject::Subject;
use super::text::percent;
use crate::error::Result;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Result<Section> {
    let (id, title) = ("mistakes", "Worst mistakes");
    let mistakes = &of.outcomes.mistakes;
    if mistakes.is_empty() {
        let why = match of.outcomes.predicted {
            Predicted::Other => "The model's predictions cannot be compared one by one.",
            _ => "There are none among the test samples.",
        };
        return Ok(Section::left_out(id, title, why));
    }
    let cards: Vec<Markup> =
        mistakes.iter().map(|mistake| card(of, mistake)).collect::<Result<_>>()?;
    let body = html! {
        p.hint {
            @match of.outcomes.predicted {
                Predicted::Classes(_) => "Wrong test samples; those first of which the model was most certain.",
                _ => "Test samples; those with the largest errors first.",
            }
        }
        (legend(&*of.dataset.test))
        div.cards { @for card in cards { (card) } }
    };
    Ok(Section { id, title, body })
}

fn card<M: Learner>(of: &Subject<'_, M>, mistake: &Mistake) -> Result<Markup> {
    let test = &of.dataset.test;
    let title = test.title(mistake.index);
    let picture = Seen::read(test, mistake.index)?.small(&format!("Test sample {title}"))?;
    let name = |class: &[f64]| {
        let class = class.first().map_or(0, |&class| class as usize);
        of.name(class)
    };
    Ok(html! {
        figure.card {
            (picture)
            figcaption {
                @match of.outcomes.predicted {
                    Predicted::Classes(_) => {
                        div { "predicted " b { (name(&mistake.predicted)) } ", " span.nowrap { (percent(mistake.size)) } }
                        div { "true " b { (name(&mistake.target)) } }
                    }
                    _ => {
                        div { "predicted " b { (of.outcomes.predicted.values(&mistake.predicted)) } }
                        div { "true " b { (of.outcomes.predicted.values(&mistake.target)) } }
                    }
                }
                div.note {
                    "sample " (title)
                    @if let Some(step) = mistake.step { ", step " (step + 1) }
                }
            }
        }
    })
}

/// What the lines of series are.
pub(super) fn legend(samples: &dyn Samples) -> Markup {
    let InputSchema::Series { features } = samples.schema().input else {
        return html! {};
    };
    let name = |at: usize| match samples.features().get(at) {
        Some(name) => name.clone(),
        None => format!("feature {}", at + 1),
    };
    html! {
        p.legend {
            @for (at, colour) in LINES.iter().enumerate().take(features) {
                span { i style={ "background:" (hex(*colour)) } {} (name(at)) }
            }
            @if features > FEATURES { span { "(the first " (FEATURES) " of " (features) ")" } }
            span.note { "each on a scale of its own" }
        }
    }
}
