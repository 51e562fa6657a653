//! What the gates did over the training, and how long the units remember.

use fgn_core::Role;
use fgn_train::{GateRecord, LayerGates, Learner, Spread};
use maud::{Markup, html};
use plotters::prelude::*;

use super::plot::{Area, Axes, BELOW, BESIDE, HALF, QUARTER, chart, plot, whole};
use super::raster;
use super::section::Section;
use super::subject::Subject;
use super::text::{percent, short};
use crate::drawing::{Drawn, TRAIN, VALID};
use crate::error::Result;
use crate::grouped::grouped;

/// Epochs that have a column.
const COLUMNS: usize = 60;
/// Layers and directions that are shown; of more the first ones.
const LAYERS: usize = 8;
/// Bars of a picture.
const BARS: usize = 256;

/// Histograms of each gate, epoch by epoch.
pub(super) fn spreads<M: Learner>(of: &Subject<'_, M>) -> Result<Section> {
    let (id, title) = ("gates", "Gates over training");
    let Some(last) = last(of) else {
        return Ok(Section::left_out(id, title, &why_none(of)));
    };
    let columns = columns(&of.gates);
    let mut layers = Vec::new();
    for (at, layer) in last.layers.iter().enumerate().take(LAYERS) {
        let spread = |record: &GateRecord, gate: Option<usize>| -> Option<Spread> {
            let layer = record.layers.get(at)?;
            match gate {
                Some(gate) => Some(layer.gates.get(gate)?.spread.clone()),
                None => layer.retained.clone(),
            }
        };
        // The effective forget gate is, in many cells, a gate itself.
        let retained = layer.retained.as_ref();
        let same = layer.gates.iter().position(|gate| {
            retained.is_some_and(|retained| gate.spread.histogram == retained.histogram)
        });
        let apart = retained.filter(|_| same.is_none()).map(|_| None);
        let mut figures = Vec::new();
        for gate in (0..layer.gates.len()).map(Some).chain(apart) {
            let over: Vec<(usize, Spread)> = columns
                .iter()
                .filter_map(|record| Some((record.epoch, spread(record, gate)?)))
                .collect();
            let (name, mut what): (&str, String) = match gate {
                Some(gate) => {
                    (&layer.gates[gate].name[..], role(of, &layer.gates[gate].name).into())
                }
                None => (
                    "retained",
                    "effective forget gate: what is left of the memory after a step".into(),
                ),
            };
            if gate.is_some() && gate == same {
                what += " (here the effective forget gate, too)";
            }
            figures.push(figure(name, &what, &over)?);
        }
        layers.push((name(layer), figures));
    }
    let body = html! {
        p.hint {
            "Of each epoch a histogram, from 0 (closed) to 1 (open), over all units and steps of "
            (count(last.samples, "sample")) " (" (count(last.steps, "step")) "). The white line is the mean."
        }
        (scale())
        @for (name, figures) in &layers {
            @if last.layers.len() > 1 { h3 { (name) } }
            div.grid.narrow { @for figure in figures { (figure) } }
        }
        @if last.layers.len() > LAYERS {
            p.hint { "The first " (LAYERS) " of " (last.layers.len()) " layers and directions; the rest is in gates.jsonl." }
        }
    };
    Ok(Section { id, title, body })
}

/// For how many steps each unit remembers.
pub(super) fn memories<M: Learner>(of: &Subject<'_, M>) -> Result<Section> {
    let (id, title) = ("memory", "Effective memory");
    let Some(last) = last(of) else {
        return Ok(Section::left_out(id, title, &why_none(of)));
    };
    let mut figures = Vec::new();
    let steps = last.steps as f64 / last.samples.max(1) as f64;
    for layer in last.layers.iter().take(LAYERS) {
        if let Some(memory) = &layer.memory {
            figures.push((name(layer), units(memory, steps)?, caption(memory, steps)));
        }
    }
    if figures.is_empty() {
        let why = format!("No gate of {} is on its memory.", of.model.summary());
        return Ok(Section::left_out(id, title, &why));
    }
    let body = html! {
        p.hint {
            "For how many steps a unit remembers, 1 ∕ (1 − mean of what it retains) after epoch "
            (last.epoch) ": units in the order of it. The dashed line is the length of a sample ("
            (short(steps)) " steps)."
        }
        div.grid.wide {
            @for (name, picture, caption) in &figures {
                figure {
                    (picture)
                    figcaption { @if figures.len() > 1 { b { (name) } ": " } (caption) }
                }
            }
        }
    };
    Ok(Section { id, title, body })
}

fn last<'a, M>(of: &'a Subject<'_, M>) -> Option<&'a GateRecord> {
    of.gates.last().filter(|record| !record.layers.is_empty())
}

fn why_none<M: Learner>(of: &Subject<'_, M>) -> String {
    match of.model.gated_units() {
        0 => format!("The model ({}) has no gates.", of.model.summary()),
        _ => "The run folder has no gates.jsonl: training writes it where report.gate_samples is above 0."
            .into(),
    }
}

/// Of many epochs some, and the last.
fn columns(records: &[GateRecord]) -> Vec<&GateRecord> {
    let stride = records.len().div_ceil(COLUMNS).max(1);
    records.iter().rev().step_by(stride).collect::<Vec<_>>().into_iter().rev().collect()
}

fn name(layer: &LayerGates) -> String {
    layer_name(layer.layer, layer.reverse)
}

pub(super) fn layer_name(layer: usize, reverse: bool) -> String {
    format!("layer {}{}", layer + 1, if reverse { ", reverse" } else { "" })
}

pub(super) fn role<M>(of: &Subject<'_, M>, name: &str) -> &'static str {
    match of.roles.get(name) {
        Some(Role::Forget) => "forget gate: how much of the memory is retained",
        Some(Role::Forgetting) => "forgetting gate: weighs the output by the input alone",
        Some(Role::Input) => "input gate: what is written into the memory",
        Some(Role::Output) => "output gate: how much of the memory is output",
        Some(Role::Update) => "update gate: what of the memory is overwritten",
        Some(Role::Refine) => "refine gate: moves the forget gate towards 0 or 1",
        _ => "gate",
    }
}

fn figure(name: &str, what: &str, over: &[(usize, Spread)]) -> Result<Markup> {
    let label = format!("Histograms of {name} over the epochs");
    let picture = plot(QUARTER, &label, |area, _| draw_spreads(area, over))?;
    let last = over.last().map(|(_, spread)| spread);
    Ok(html! {
        figure {
            (picture)
            figcaption {
                b.gate { (name) } " " (what)
                @if let Some(spread) = last {
                    div.note {
                        "at last: mean " (short(spread.mean)) ", "
                        (percent(spread.closed)) " below 0.05, " (percent(spread.open)) " above 0.95"
                    }
                }
            }
        }
    })
}

fn draw_spreads(area: &Area<'_>, over: &[(usize, Spread)]) -> Drawn {
    let first = over.first().map_or(1, |(epoch, _)| *epoch) as f64 - 0.5;
    let end = over.last().map_or(1, |(epoch, _)| *epoch) as f64 + 0.5;
    let axes = Axes {
        x: "Epoch",
        y: "Value",
        x_format: &whole,
        y_format: &|y| format!("{y:.1}"),
        below: BELOW,
        beside: BESIDE,
    };
    let mut chart = chart(area, first..end, 0.0..1.0, &axes)?;
    let begin = |at: usize| match at {
        0 => first,
        at => over.get(at).map_or(end, |(epoch, _)| *epoch as f64 - 0.5),
    };
    for (at, (_, spread)) in over.iter().enumerate() {
        let all = spread.histogram.iter().sum::<u64>().max(1) as f64;
        let bins = spread.histogram.len() as f64;
        let cell = |(bin, &count): (usize, &u64)| {
            let [red, green, blue] = raster::colour((count as f64 / all).sqrt());
            let (low, high) = (bin as f64 / bins, (bin + 1) as f64 / bins);
            let corners = [(begin(at), low), (begin(at + 1), high)];
            Rectangle::new(corners, RGBColor(red, green, blue).filled())
        };
        chart.draw_series(spread.histogram.iter().enumerate().map(cell))?;
    }
    let line = |at: usize| (begin(at) + begin(at + 1)) / 2.0;
    let mean = || over.iter().enumerate().map(|(at, (_, spread))| (line(at), spread.mean));
    // Colours that are the same on a dark page.
    for (colour, width) in [(RGBColor(1, 1, 1), 5), (RGBColor(254, 254, 254), 2)] {
        chart.draw_series(LineSeries::new(mean(), colour.stroke_width(width)))?;
        if over.len() <= COLUMNS / 2 {
            let dot = |point| Circle::new(point, 2 + width / 2, colour.filled());
            chart.draw_series(mean().map(dot))?;
        }
    }
    Ok(())
}

/// What the colours of the histograms mean.
fn scale() -> Markup {
    html! {
        div.scale {
            span { "share of the values:" }
            div.bar {
                i {}
                div { span { "0 %" } span { "6 %" } span { "25 %" } span { "56 %" } span { "100 %" } }
            }
        }
    }
}

/// `[H]` of memories, `None` for one without end, as bars.
fn units(memory: &[Option<f64>], steps: f64) -> Result<Markup> {
    let mut sorted: Vec<f64> =
        memory.iter().map(|memory| memory.unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    let finite = sorted.iter().copied().filter(|memory| memory.is_finite());
    let most = finite.fold(steps, f64::max).max(5.0);
    let top = 10.0f64.powf((1.2 * most).log10().ceil());
    plot(HALF, "Effective memory of each unit in steps", |area, _| {
        let axes = Axes {
            x: "Unit, sorted",
            y: "Steps",
            x_format: &whole,
            y_format: &|y| short(*y),
            below: BELOW,
            beside: BESIDE,
        };
        let count = sorted.len() as f64;
        let mut chart = chart(area, 0.0..count, (1.0..top).log_scale(), &axes)?;
        let bars = sorted.len().min(BARS);
        let bar = |at: usize| {
            let from = at * sorted.len() / bars;
            let to = (at + 1) * sorted.len() / bars;
            let (left, right) = (from as f64, to as f64);
            Rectangle::new([(left, 1.0), (right, sorted[from].clamp(1.0, top))], TRAIN.filled())
        };
        chart.draw_series((0..bars).map(bar))?;
        let at = steps.clamp(1.0, top);
        let dash = count / 40.0;
        let dashes = (0..40).map(|n| {
            let left = f64::from(n) * dash;
            PathElement::new([(left, at), (left + 0.6 * dash, at)], VALID.stroke_width(2))
        });
        chart.draw_series(dashes)?;
        Ok(())
    })
}

fn caption(memory: &[Option<f64>], steps: f64) -> String {
    let mut sorted: Vec<f64> =
        memory.iter().map(|memory| memory.unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let longer = sorted.iter().filter(|&&memory| memory > steps).count();
    let endless = sorted.iter().filter(|memory| memory.is_infinite()).count();
    let mut text = format!(
        "median {} steps; {} of {} units remember longer than a sample",
        short(median),
        grouped(longer),
        grouped(sorted.len())
    );
    if endless > 0 {
        text += &format!("; {} never forget, drawn up to the top", grouped(endless));
    }
    text
}

fn count(number: usize, of: &str) -> String {
    format!("{} {of}{}", grouped(number), if number == 1 { "" } else { "s" })
}
