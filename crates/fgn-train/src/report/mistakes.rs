//! The worst mistakes, as pictures.

use maud::{Markup, html};

use super::outcomes::{Mistake, Told};
use super::sample::{FEATURES, LINES, Seen, hex};
use super::text::{percent, short};
use super::{Section, Subject};
use crate::Result;
use fgn_data::{Input, Samples};

pub(super) fn section(of: &Subject<'_>) -> Result<Section> {
    let (id, title) = ("mistakes", "Worst mistakes");
    let mistakes = &of.outcomes.mistakes;
    if mistakes.is_empty() {
        return Ok(Section::left_out(id, title, "There are none among the test samples."));
    }
    let cards: Vec<Markup> =
        mistakes.iter().map(|mistake| card(of, mistake)).collect::<Result<_>>()?;
    let body = html! {
        p.hint {
            @match of.outcomes.told {
                Told::Classes(_) => "Wrong test samples, those first of which the model was surest.",
                Told::Numbers(_) => "Test samples, those first of which the model was farthest off.",
            }
        }
        (legend(&*of.dataset.test))
        div.cards { @for card in cards { (card) } }
    };
    Ok(Section { id, title, body })
}

fn card(of: &Subject<'_>, mistake: &Mistake) -> Result<Markup> {
    let test = &of.dataset.test;
    let title = test.title(mistake.place);
    let picture = Seen::read(test, mistake.place)?.small(&format!("Test sample {title}"));
    let name = |class: &[f64]| {
        let class = class.first().map_or(0, |&class| class as usize);
        of.names.get(class).map_or("?", String::as_str)
    };
    Ok(html! {
        figure.card {
            (picture)
            figcaption {
                @match of.outcomes.told {
                    Told::Classes(_) => {
                        div { "told " b { (name(&mistake.told)) } ", " span.nowrap { (percent(mistake.size)) } }
                        div { "true " b { (name(&mistake.target)) } }
                    }
                    Told::Numbers(_) => {
                        div { "told " b { (numbers(&mistake.told)) } }
                        div { "true " b { (numbers(&mistake.target)) } }
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

fn numbers(values: &[f64]) -> String {
    const MOST: usize = 4;
    let mut text = values.iter().take(MOST).map(|&x| short(x)).collect::<Vec<_>>().join(", ");
    if values.len() > MOST {
        text += ", …";
    }
    text
}

/// What the lines of series are.
pub(super) fn legend(samples: &dyn Samples) -> Markup {
    let Input::Series { features } = samples.form().input else {
        return html! {};
    };
    let name = |at: usize| match samples.features().get(at) {
        Some(name) => name.clone(),
        None => format!("number {}", at + 1),
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
