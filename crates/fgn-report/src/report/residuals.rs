//! How far predicted values are off.

use fgn_train::Learner;
use maud::html;
use plotters::prelude::*;

use super::outcomes::Residuals;
use super::plot::{Area, Axes, BELOW, BESIDE, HALF, chart, plot, spanned};
use super::section::Section;
use super::subject::Subject;
use super::text::short;
use crate::drawing::{Drawn, INK, TRAIN, ticks};
use crate::error::Result;
use crate::grouped::grouped;

/// Values that have a picture each.
const PICTURES: usize = 12;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>, residuals: &[Residuals]) -> Result<Section> {
    let names: Vec<String> = (0..residuals.len()).map(|value| of.name(value)).collect();
    let mut pictures = Vec::new();
    for (residuals, name) in residuals.iter().zip(&names).take(PICTURES) {
        let label = format!("Errors of {name} over its true values");
        pictures.push((name, plot(HALF, &label, |area, _| draw(area, residuals))?));
    }
    let body = html! {
        p.hint {
            "Each point is a test sample: how much more was predicted than is true. A pattern is something \
             that the model could still learn."
        }
        div.grid.wide {
            @for (name, picture) in pictures {
                figure { (picture) figcaption { (name) } }
            }
        }
        div.scroll tabindex="0" {
            table.numbers {
                thead { tr {
                    th scope="col" { "Value" }
                    th scope="col" { "Targets" }
                    th scope="col" { "Root mean square error" }
                    th scope="col" { "Mean absolute error" }
                    th scope="col" { "Variance explained (R²)" }
                } }
                tbody { @for (residuals, name) in residuals.iter().zip(&names) { tr {
                    th scope="row" { (name) }
                    td { (grouped(residuals.count)) }
                    td { (short(residuals.root_mean_square())) }
                    td { (short(residuals.mean_absolute())) }
                    td { (short(residuals.explained_variance())) }
                } } }
            }
        }
    };
    Ok(Section { id: "residuals", title: "Residuals", body })
}

fn draw(area: &Area<'_>, residuals: &Residuals) -> Drawn {
    let points: Vec<_> = residuals
        .pairs
        .iter()
        .map(|&(target, predicted)| (target, predicted - target))
        .filter(|(target, error)| target.is_finite() && error.is_finite())
        .collect();
    let targets = spanned(points.iter().map(|&(target, _)| target));
    let largest = points.iter().map(|&(_, error)| error.abs()).fold(0.0, f64::max);
    let high = if largest > 0.0 { 1.1 * largest } else { 1.0 };
    let axes = Axes {
        x: "True value",
        y: "Predicted − true",
        x_format: &ticks(&targets),
        y_format: &ticks(&(-high..high)),
        below: BELOW,
        beside: BESIDE,
    };
    let zero = [(targets.start, 0.0), (targets.end, 0.0)];
    let mut chart = chart(area, targets, -high..high, &axes)?;
    chart
        .draw_series(points.iter().map(|&point| Circle::new(point, 3, TRAIN.mix(0.45).filled())))?;
    chart.draw_series([PathElement::new(zero, INK.stroke_width(1))])?;
    Ok(())
}
