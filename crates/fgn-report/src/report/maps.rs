//! What each unit forgets of single samples, step by step.

use candle_core::{DType, Device, Tensor};
use fgn_core::Role;
use fgn_data::Samples;
use fgn_nn::{LayerTrace, Trace, argmax, softmax};
use fgn_schema::{Batch, Prediction};
use fgn_train::{Learner, Pass};
use maud::{Markup, html};
use plotters::prelude::*;

use super::gates::layer_name;
use super::mistakes::legend;
use super::plot::{Axes, BELOW, BESIDE, Placed, chart, inside, nothing, plot, whole};
use super::raster;
use super::sample::{LINES, Seen, scaled, thinned};
use super::section::Section;
use super::strip::Strip;
use super::subject::Subject;
use super::text::percent;
use crate::drawing::Drawn;
use crate::error::Result;
use crate::grouped::grouped;

/// Steps of a sample that are looked at.
const STEPS: usize = 1000;
/// Units that have a line; of more every so many.
const UNITS: usize = 256;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Result<Section> {
    let (id, title) = ("maps", "Forgetting, step by step");
    if of.model.gated_units() == 0 {
        let why = format!("The model ({}) has no gates.", of.model.summary());
        return Ok(Section::left_out(id, title, &why));
    }
    let examples: Vec<Example> =
        of.outcomes.examples.iter().map(|&index| example(of, index)).collect::<Result<_>>()?;
    let layers: Vec<usize> = match examples.first().map_or(0, |example| example.traces.len()) {
        count @ 0..=2 => (0..count).collect(),
        count => vec![0, count - 1],
    };
    let rows = examples.first().is_some_and(Example::is_by_rows);
    let mut groups = Vec::new();
    for &layer in &layers {
        let order = order(&examples, layer);
        let figures = examples.iter().map(|example| {
            let picture = match rows {
                true => by_rows(example, layer, &order)?,
                false => along_time(example, layer, &order)?,
            };
            Ok(html! {
                figure {
                    @if rows { (picture) } @else { div.scroll tabindex="0" { div.long { (picture) } } }
                    figcaption { (example.caption) }
                }
            })
        });
        let traced = &examples[0].traces[layer];
        groups
            .push((layer_name(traced.layer, traced.reverse), figures.collect::<Result<Vec<_>>>()?));
    }
    let gate = match examples.first().and_then(|example| shown(&example.traces.first()?.trace)) {
        Some((name, _)) => name,
        None => return Ok(Section::left_out(id, title, "There is no sample to look into.")),
    };
    let body = html! {
        p.hint {
            (gate_text(gate)) " Units are in the order of their mean. "
            @if rows { "Each row of the map is a time step, beside what was seen then." }
            @else { "Time runs to the right, above what was seen." }
        }
        (scale())
        @if !rows { (legend(&*of.dataset.test)) }
        @for (name, figures) in &groups {
            @if layers.len() > 1 { h3 { (name) } }
            div class=(if rows { "grid wide" } else { "stack" }) { @for figure in figures { (figure) } }
        }
    };
    Ok(Section { id, title, body })
}

/// A sample with all that is shown of it.
struct Example {
    seen: Seen,
    /// What was seen at each step as colours: of a pixel or a token one, of a sound one for each feature.
    strip: Option<Strip>,
    caption: Markup,
    traces: Vec<LayerTrace>,
}

impl Example {
    /// Whether the time steps are rows of an image, from top to bottom: as many as it has at most.
    fn is_by_rows(&self) -> bool {
        let steps = self.traces.first().map_or(0, |traced| traced.trace.shape[0]);
        matches!(self.seen, Seen::Image { height, .. } if steps <= height)
    }
}

fn example<M: Learner>(of: &Subject<'_, M>, index: u32) -> Result<Example> {
    let (test, model) = (&of.dataset.test, of.model);
    let device = model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone());
    let batch = test.batch(&[index], &device)?;
    let traces = model.trace(&batch, STEPS)?;
    let features = model.features(&batch)?;
    let traced =
        traces.first().map_or(0, |traced| traced.trace.lengths.first().copied().unwrap_or(0));
    let seen = Seen::of(test, &batch)?;
    let all = match (batch.input().lengths(), &features) {
        // The lengths of sounds are in samples.
        (_, Some(features)) => features.dim(0)?,
        (Some(lengths), None) if !matches!(seen, Seen::Sound { .. }) => {
            lengths.first().copied().unwrap_or(traced)
        }
        _ => traced,
    };
    let first_steps = |features: &Tensor| -> Result<Vec<Vec<f64>>> {
        let steps = features.narrow(0, 0, traced)?.flatten_to(1)?.to_device(&Device::Cpu)?;
        Ok(steps.to_dtype(DType::F64)?.to_vec2()?)
    };
    let strip = match (&seen, &features) {
        (Seen::Image { .. }, Some(features)) => {
            let pixels = first_steps(features)?;
            let colours: Option<_> = pixels.iter().map(|pixel| pixel_colour(pixel)).collect();
            colours.map(Strip::line)
        }
        (Seen::Sound { .. }, Some(features)) => Some(Strip::features(&first_steps(features)?)),
        (Seen::Tokens { tokens: ids, .. }, _) => {
            let last = ids.iter().copied().max().unwrap_or(0).max(1);
            let colour = |&id: &u32| raster::colour(f64::from(id) / f64::from(last));
            Some(Strip::line(ids.iter().take(traced).map(colour).collect()))
        }
        _ => None,
    };
    let small = match &seen {
        Seen::Image { .. } | Seen::Sound { .. } if strip.is_some() => {
            Some(seen.small("The sample")?)
        }
        _ => None,
    };
    let predicted = match of.outcomes.per_step || all > traced {
        true => html! {},
        false => predicted(of, &batch)?,
    };
    let caption = html! {
        @if let Some(small) = small { (small) " " }
        "sample " (test.title(index)) (predicted)
        @if all > traced { "; the first " (grouped(traced)) " of " (grouped(all)) " steps" }
    };
    Ok(Example { seen, strip, caption, traces })
}

/// A pixel of `0 ..= 1`: if it is grey the colour of that number, else its own. What else a step may be has none.
fn pixel_colour(pixel: &[f64]) -> Option<[u8; 3]> {
    let byte = |value: f64| (255.0 * value).round().clamp(0.0, 255.0) as u8;
    match *pixel {
        [grey] => Some(raster::colour(grey)),
        [red, green, blue] => Some([red, green, blue].map(byte)),
        _ => None,
    }
}

/// The prediction for a sample beside its target.
fn predicted<M: Learner>(of: &Subject<'_, M>, batch: &Batch) -> Result<Markup> {
    let mut carried = Vec::new();
    let pass = Pass::evaluation(&mut carried);
    let prediction = of.model.forward(batch, pass)?.prediction;
    let target = batch.target().tensor();
    Ok(match prediction {
        Some(Prediction::Logits(logits)) => {
            let logits = logits.tensor().flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            let target = target.flatten_all()?.to_vec1::<u32>()?;
            let target = target.first().map_or(0, |&target| target as usize);
            let predicted = argmax(&logits);
            let probability = softmax(&logits).get(predicted).copied().unwrap_or(f32::NAN);
            html! {
                ": true " b { (of.name(target)) } ", predicted " b { (of.name(predicted)) } " "
                span.nowrap { "(" (percent(probability.into())) ")" }
            }
        }
        Some(Prediction::Values(values)) => {
            let list = |tensor: &Tensor| -> Result<String> {
                let numbers = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
                Ok(of.outcomes.predicted.values(&numbers))
            };
            let (target, values) = (list(target)?, list(values.tensor())?);
            html! { ": true " b { (target) } ", predicted " b { (values) } }
        }
        _ => html! {},
    })
}

/// The gate to show: the forgetting gate, else the effective forget gate, else the first.
fn shown(trace: &Trace) -> Option<(&'static str, &[f64])> {
    let phi = trace.gates.iter().find(|gate| gate.role == Role::Forgetting);
    let retained = trace.retained.as_deref().map(|values| ("retained", values));
    let gate = phi.map(|gate| (gate.name, &gate.values[..])).or(retained);
    gate.or_else(|| trace.gates.first().map(|gate| (gate.name, &gate.values[..])))
}

fn gate_text(name: &str) -> String {
    match name {
        "phi" => {
            "The forgetting gate φ of each unit: near 1 it remembers, near 0 it forgets.".into()
        }
        "retained" => {
            "The effective forget gate of each unit, what it retains of its memory: near 1 \
                      it remembers, near 0 it forgets."
                .into()
        }
        name => format!("The gate {name} of each unit: near 1 it is open, near 0 closed."),
    }
}

/// Units by their mean over all examples, of many every so many.
fn order(examples: &[Example], layer: usize) -> Vec<usize> {
    let mut means: Vec<f64> = Vec::new();
    for example in examples {
        let trace = &example.traces[layer].trace;
        if let Some((_, values)) = shown(trace) {
            means.resize(trace.shape[2], 0.0);
            means.iter_mut().zip(trace.unit_means(values)).for_each(|(sum, mean)| *sum += mean);
        }
    }
    let mut units: Vec<usize> = (0..means.len()).collect();
    units.sort_by(|&one, &other| means[one].total_cmp(&means[other]));
    let kept = units.len().min(UNITS);
    (0..kept).map(|at| units[at * units.len() / kept]).collect()
}

/// `[T][units]`, in that order.
fn values(trace: &Trace, order: &[usize]) -> Vec<f64> {
    let [_, batch, hidden] = trace.shape;
    let steps = trace.lengths.first().copied().unwrap_or(0);
    let all = shown(trace).map_or(&[][..], |(_, values)| values);
    let row = |step: usize| order.iter().map(move |&unit| all[step * batch * hidden + unit]);
    (0..steps).flat_map(row).collect()
}

/// The image at the left, and at its right of each row what was forgotten then.
fn by_rows(example: &Example, layer: usize, order: &[usize]) -> Result<Markup> {
    let trace = &example.traces[layer].trace;
    let (units, steps) = (order.len(), trace.lengths[0]);
    let map = raster::heat(&values(trace, order), units, steps)?;
    let image = match &example.seen {
        Seen::Image { picture, width, height } => {
            Some((picture.clone(), *width as f64, *height as f64))
        }
        _ => None,
    };
    const SIZE: (u32, u32) = (440, 270);
    plot(SIZE, "Forgetting over the rows of the image", |area, placed| {
        let down = -(steps as f64)..0.0;
        let tall = f64::from(SIZE.1 - BELOW - 12);
        let wide =
            image.as_ref().map_or(0.0, |(_, width, height)| (tall * width / height).min(180.0));
        let (left, right) = area.split_horizontally(BESIDE + wide as u32 + 20);
        let axes = |x, y, y_format, beside| Axes {
            x,
            y,
            x_format: &whole,
            y_format,
            below: BELOW,
            beside,
        };
        if let Some((picture, width, _)) = image {
            let axes = axes("Pixel", "Time step", &whole, BESIDE);
            let chart = chart(&left, 0.0..width, down.clone(), &axes)?;
            place_in(&chart, picture, placed);
        }
        let total = trace.shape[2] as f64;
        let chart = chart(&right, 0.0..total, down, &axes("Unit, sorted", "", &nothing, 6))?;
        place_in(&chart, map, placed);
        Ok(())
    })
}

/// What was seen above, and below it what was forgotten then.
fn along_time(example: &Example, layer: usize, order: &[usize]) -> Result<Markup> {
    let trace = &example.traces[layer].trace;
    let (units, steps) = (order.len(), trace.lengths[0]);
    let by_step = values(trace, order);
    // The last unit stands at the top.
    let by_unit: Vec<f64> = (0..units)
        .rev()
        .flat_map(|unit| by_step.iter().skip(unit).step_by(units).copied())
        .collect();
    let map = raster::heat(&by_unit, steps, units)?;
    let strip = example.strip.as_ref().map(Strip::picture).transpose()?;
    let is_seen = strip.is_some() || matches!(example.seen, Seen::Series { .. });
    let above = if is_seen { 90 } else { 0 };
    plot((900, 240 + above), "Forgetting over time", |area, placed| {
        let (upper, lower) = area.split_vertically(above);
        let across = 0.0..steps as f64;
        let axes = |x, y, x_format, y_format, below| Axes {
            x,
            y,
            x_format,
            y_format,
            below,
            beside: BESIDE,
        };
        if is_seen {
            let axes = axes("", "Seen", &nothing, &nothing, 4);
            let chart = chart(&upper, across.clone(), 0.0..1.0, &axes)?;
            match strip {
                Some(strip) => place_in(&chart, strip, placed),
                None => draw_lines(chart, &example.seen, steps)?,
            }
        }
        let total = trace.shape[2] as f64;
        let axes = axes("Time step", "Unit, sorted", &whole, &whole, BELOW);
        let chart = chart(&lower, across, 0.0..total, &axes)?;
        place_in(&chart, map, placed);
        Ok(())
    })
}

type Linear<'a, 'b> = super::plot::Chart<
    'a,
    'b,
    plotters::coord::types::RangedCoordf64,
    plotters::coord::types::RangedCoordf64,
>;

fn place_in(chart: &Linear<'_, '_>, picture: String, placed: &mut Vec<Placed>) {
    let (x, y) = inside(chart);
    placed.push(Placed { x, y, picture });
}

/// The first features of a series.
fn draw_lines(mut chart: Linear<'_, '_>, seen: &Seen, steps: usize) -> Drawn {
    let Seen::Series { rows } = seen else {
        return Ok(());
    };
    for (feature, colour) in LINES.iter().enumerate().take(rows.first().map_or(0, Vec::len)) {
        let values: Vec<f64> = rows.iter().take(steps).map(|row| row[feature]).collect();
        let points = thinned(&scaled(&values));
        let points = points.into_iter().map(|(at, value)| (at as f64 + 0.5, 0.05 + 0.9 * value));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}

fn scale() -> Markup {
    html! {
        div.scale {
            span { "forgets" }
            div.bar {
                i {}
                div { span { "0" } span { "0.25" } span { "0.5" } span { "0.75" } span { "1" } }
            }
            span { "remembers" }
        }
    }
}
