//! Transcripts: the worst mistakes, and where in a sample each label is heard.

use candle_core::{DType, Device, Tensor};
use fgn_data::Samples;
use fgn_nn::{ctc_greedy, softmax};
use fgn_schema::Prediction;
use fgn_train::{Learner, Pass};
use maud::{Markup, html};
use plotters::prelude::*;

use super::plot::{Axes, BELOW, BESIDE, Placed, chart, inside, nothing, plot, whole};
use super::sample::{LINES, Seen};
use super::section::Section;
use super::strip::Strip;
use super::subject::Subject;
use super::transcribed::Transcribed;
use crate::drawing::font;
use crate::error::Result;
use crate::grouped::grouped;

/// Samples whose alignment is shown, and steps of each.
const SAMPLES: usize = 4;
const STEPS: usize = 600;
/// A label that never gets more probable has no line.
const SEEN: f32 = 0.2;

/// The worst transcripts.
pub(super) fn mistakes<M: Learner>(of: &Subject<'_, M>, worst: &[Transcribed]) -> Result<Section> {
    let (id, title) = ("mistakes", "Worst mistakes");
    if worst.is_empty() {
        return Ok(Section::left_out(id, title, "There are none among the test samples."));
    }
    let cards: Vec<Markup> =
        worst.iter().map(|found| card(&*of.dataset.test, found)).collect::<Result<_>>()?;
    let body = html! {
        p.hint { "Test samples; those with the most errors first. An error is a label that is missing, too much or wrong." }
        div.cards { @for card in cards { (card) } }
    };
    Ok(Section { id, title, body })
}

fn card(test: &dyn Samples, found: &Transcribed) -> Result<Markup> {
    let title = test.title(found.index);
    let picture = Seen::read(test, found.index)?.small(&format!("Test sample {title}"))?;
    Ok(html! {
        figure.card {
            (picture)
            figcaption {
                div { "predicted " b { (found.predicted) } }
                div { "true " b { (found.target) } }
                div.note {
                    (found.errors) @if found.errors == 1 { " error" } @else { " errors" } ", sample " (title)
                }
            }
        }
    })
}

/// The probability of each label at each step of a few samples; `None` where a model does not align.
pub(super) fn alignments<M: Learner>(of: &Subject<'_, M>) -> Result<Option<Section>> {
    if of.outcomes.transcribed.is_none() {
        return Ok(None);
    }
    let examples = of.outcomes.examples.iter().take(SAMPLES);
    let figures: Vec<Markup> =
        examples.map(|&index| figure(of, index)).collect::<Result<Vec<_>>>()?;
    let body = html! {
        p.hint {
            "The probability of each label at each step. Between the labels the blank, in grey, is most probable. \
             A label is written where it becomes the most probable one."
        }
        div.stack { @for figure in figures { (figure) } }
    };
    Ok(Some(Section { id: "alignments", title: "What is heard when", body }))
}

fn figure<M: Learner>(of: &Subject<'_, M>, index: u32) -> Result<Markup> {
    let (test, model) = (&of.dataset.test, of.model);
    let device = model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone());
    let batch = test.batch(&[index], &device)?;
    let mut carried = Vec::new();
    let scored = model.forward(&batch, Pass::evaluation(&mut carried))?;
    let Some(Prediction::Alignments(logits)) = scored.prediction else { return Ok(html! {}) };
    let logits = logits.tensor().get(0)?.to_dtype(DType::F32)?.to_vec2::<f32>()?;
    let all = logits.len();
    let logits = &logits[..all.min(STEPS)];
    let strip =
        model.features(&batch)?.map(|features| strip(&features, logits.len())).transpose()?;
    let name = |label: usize| match test.schema().target.tokenizer() {
        Some(tokenizer) => tokenizer.name(label as u32),
        None => label.to_string(),
    };
    let picture = draw(logits, strip, &name)?;
    let seen = Seen::of(test, &batch)?;
    Ok(html! {
        figure {
            div.scroll tabindex="0" { div.long { (picture) } }
            figcaption {
                @if let Seen::Sound { .. } = seen { (seen.small("The sample")?) " " }
                "sample " (test.title(index))
                @if all > STEPS { "; the first " (grouped(STEPS)) " of " (grouped(all)) " steps" }
            }
        }
    })
}

fn strip(features: &Tensor, steps: usize) -> Result<String> {
    let features = features.narrow(0, 0, steps.min(features.dim(0)?))?.flatten_to(1)?;
    let features = features.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Strip::features(&features.to_vec2()?).picture()
}

/// The features above, and below them the probabilities.
fn draw(
    logits: &[Vec<f32>],
    strip: Option<String>,
    name: &dyn Fn(usize) -> String,
) -> Result<Markup> {
    let steps: Vec<Vec<f32>> = logits.iter().map(|logits| softmax(logits)).collect();
    let blank = steps.first().map_or(0, |step| step.len().saturating_sub(1));
    let begins = ctc_greedy(logits, blank);
    let above = if strip.is_some() { 110 } else { 0 };
    plot((900, 230 + above), "Probabilities of labels over time", |area, placed| {
        let (upper, lower) = area.split_vertically(above);
        let across = 0.0..steps.len() as f64;
        let axes = |x, y, x_format, y_format, below| Axes {
            x,
            y,
            x_format,
            y_format,
            below,
            beside: BESIDE,
        };
        if let Some(picture) = strip {
            let axes = axes("", "Feature", &nothing, &nothing, 4);
            let chart = chart(&upper, across.clone(), 0.0..1.0, &axes)?;
            let (x, y) = inside(&chart);
            placed.push(Placed { x, y, picture });
        }
        let share = |y: &f64| if *y <= 1.0 { format!("{y:.1}") } else { String::new() };
        let axes = axes("Time step", "Probability", &whole, &share, BELOW);
        let mut chart = chart(&lower, across, 0.0..1.2, &axes)?;
        let line = |label: usize| {
            let points = steps.iter().enumerate();
            points.map(move |(at, step)| (at as f64 + 0.5, f64::from(step[label])))
        };
        chart.draw_series(LineSeries::new(line(blank), RGBColor(160, 160, 160)))?;
        let is_seen = |label: &usize| steps.iter().any(|step| step[*label] > SEEN);
        for label in (0..blank).filter(is_seen) {
            let colour = LINES[label % LINES.len()].stroke_width(2);
            chart.draw_series(LineSeries::new(line(label), colour))?;
        }
        chart.draw_series(begins.iter().map(|found| {
            let label = found.label as usize;
            let style = font(16).color(&LINES[label % LINES.len()]);
            Text::new(name(label), (found.step as f64, 1.16), style)
        }))?;
        Ok(())
    })
}
