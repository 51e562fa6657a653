//! What a model forecasts for some test windows, beside what came.

use candle_core::{DType, Device};
use fgn_data::{Forecast, Samples};
use fgn_schema::{InputSchema, Prediction};
use fgn_train::{Learner, Pass};
use maud::html;
use plotters::prelude::*;

use super::plot::{Area, Axes, BELOW, BESIDE, HALF, chart, plot, spanned};
use super::sample::{hex, thinned};
use super::section::Section;
use super::subject::Subject;
use super::text::shortened;
use crate::drawing::{Drawn, INK, TRAIN, VALID, ticks};
use crate::error::Result;

/// Windows that are shown, spread over the test part.
const WINDOWS: usize = 4;
/// Columns of the target that are shown; of more the first ones.
const COLUMNS: usize = 4;
/// Points of a continuation at most, the last of them the farthest ahead.
const POINTS: usize = 200;

/// A column of the target over a window and after it. Step 0 is the last one of the window.
pub(super) struct Continuation {
    /// `(step, value)`, ascending, up to step 0.
    pub(super) history: Vec<(f64, f64)>,
    /// After step 0.
    pub(super) target: Vec<(f64, f64)>,
    /// At the same steps.
    pub(super) predicted: Vec<(f64, f64)>,
}

/// None if the samples are not windows of longer sequences.
pub(super) fn section<M: Learner>(of: &Subject<'_, M>) -> Result<Option<Section>> {
    let test = &of.dataset.test;
    let (Some(forecast), InputSchema::Series { .. }) = (test.forecast(), &test.schema().input)
    else {
        return Ok(None);
    };
    let columns = forecast.features.len().min(COLUMNS);
    let mut figures: Vec<Vec<_>> = (0..columns).map(|_| Vec::new()).collect();
    for index in windows(test.len(), reach(&forecast)) {
        let title = test.title(index);
        for (column, continuation) in
            continuations(of.model, &**test, &forecast, index)?.iter().enumerate().take(columns)
        {
            let name = of.name(column);
            let label = format!("{name} over sample {title}, and its forecast");
            let picture = plot(HALF, &label, |area, _| draw(area, continuation, &name))?;
            figures[column].push(html! { figure { (picture) figcaption { "sample " (title) } } });
        }
    }
    if figures.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let steps = |count: usize| if count == 1 { "1 step".into() } else { format!("{count} steps") };
    let body = html! {
        p.hint {
            "Some test windows, up to step 0, and what follows. Each predicted value is a forecast "
            (steps(forecast.ahead)) " ahead: it is computed from the window that ends "
            (steps(forecast.ahead)) " before it."
        }
        p.legend {
            span { i style="background:currentColor" {} "history" }
            span { i style={ "background:" (hex(TRAIN)) } {} "true continuation" }
            span { i style={ "background:" (hex(VALID)) } {} "predicted" }
        }
        @for (column, figures) in figures.iter().enumerate() {
            @if columns > 1 { h3 { (of.name(column)) } }
            div.grid.wide { @for figure in figures { (figure) } }
        }
        @if forecast.features.len() > columns {
            p.hint { "The first " (columns) " of " (forecast.features.len()) " columns." }
        }
    };
    Ok(Some(Section { id: "forecast", title: "Forecasts", body }))
}

/// How many windows before one forecast steps after its end.
fn reach(forecast: &Forecast) -> usize {
    ((forecast.ahead - 1) / forecast.stride.max(1)).min(POINTS - 1)
}

/// The samples to show, of `count`: as far as possible with `reach` samples before them.
fn windows(count: usize, reach: usize) -> Vec<u32> {
    let first = reach.min(count.saturating_sub(1));
    let spread = (0..WINDOWS).map(|at| first + (count - first) * (2 * at + 1) / (2 * WINDOWS));
    let mut windows: Vec<u32> = spread.map(|index| index as u32).collect();
    windows.dedup();
    windows
}

/// Each column of the target over the window `index`, and after it.
///
/// The values after it are the targets of this window and of those before it, as long as these are the windows of
/// the same sequence that come before it: each overlaps the next one.
pub(super) fn continuations<M: Learner>(
    model: &M,
    samples: &dyn Samples,
    forecast: &Forecast,
    index: u32,
) -> Result<Vec<Continuation>> {
    let group = samples.group(index);
    let first = index.saturating_sub(reach(forecast) as u32);
    let indices: Vec<u32> = (first..=index).filter(|&at| samples.group(at) == group).collect();
    let device = model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone());
    let batch = samples.batch(&indices, &device)?;
    let mut carried = Vec::new();
    let pass = Pass::evaluation(&mut carried);
    let Some(Prediction::Values(predicted)) = model.forward(&batch, pass)?.prediction else {
        return Ok(Vec::new());
    };
    let inputs = batch.input().tensor().to_dtype(DType::F64)?.to_vec3::<f64>()?;
    let targets = batch.target().tensor().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let predicted = predicted.tensor().to_dtype(DType::F64)?.to_vec2::<f64>()?;

    let (stride, window) = (forecast.stride, &inputs[inputs.len() - 1]);
    let is_before = |at: usize| {
        let (one, next) = (&inputs[at], &inputs[at + 1]);
        stride < one.len() && one[stride..] == next[..next.len() - stride]
    };
    let back = (0..inputs.len() - 1).rev().take_while(|&at| is_before(at)).count();
    let begin = inputs.len() - 1 - back;
    let after = |values: &[Vec<f64>], column: usize| {
        let step = |at: usize| (forecast.ahead - stride * (inputs.len() - 1 - at)) as f64;
        (begin..inputs.len()).map(|at| (step(at), values[at][column])).collect::<Vec<_>>()
    };
    let history = |feature: usize| {
        let values: Vec<f64> = window.iter().map(|step| step[feature]).collect();
        let step = |at: usize| at as f64 + 1.0 - values.len() as f64;
        thinned(&values).into_iter().map(|(at, value)| (step(at), value)).collect()
    };
    let columns = forecast.features.iter().enumerate();
    Ok(columns
        .map(|(column, &feature)| Continuation {
            history: history(feature),
            target: after(&targets, column),
            predicted: after(&predicted, column),
        })
        .collect())
}

fn draw(area: &Area<'_>, shown: &Continuation, name: &str) -> Drawn {
    let Continuation { history, target, predicted } = shown;
    let all = || history.iter().chain(target).chain(predicted).copied();
    let steps = spanned(all().map(|(step, _)| step));
    let values = spanned(all().map(|(_, value)| value));
    let axes = Axes {
        x: "Step after the window",
        y: &shortened(name, 20),
        x_format: &ticks(&steps),
        y_format: &ticks(&values),
        below: BELOW,
        beside: BESIDE,
    };
    let mut chart = chart(area, steps, values, &axes)?;
    // From the window's last value on, where the next one is known.
    let joined = history.last().filter(|_| target.first().is_some_and(|&(step, _)| step == 1.0));
    let continued = joined.into_iter().chain(target).copied();
    for (points, colour) in
        [(history.clone(), INK), (continued.collect(), TRAIN), (predicted.clone(), VALID)]
    {
        let points = points.into_iter().filter(|(_, value)| value.is_finite());
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    for (points, colour) in [(target, TRAIN), (predicted, VALID)] {
        let points = points.iter().copied().filter(|(_, value)| value.is_finite());
        chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_spread_and_have_others_before_them() {
        assert_eq!(windows(100, 0), [12, 37, 62, 87]);
        assert_eq!(windows(100, 20), [30, 50, 70, 90]);
        assert_eq!(windows(2, 20), [1]);
        assert_eq!(windows(1, 0), [0]);
    }
}
