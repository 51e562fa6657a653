//! How far predicted values are off.

use fgn_train::Learner;
use maud::html;
use plotters::prelude::*;

use super::outcomes::Residuals;
use super::plot::{Area, Axes, BELOW, BESIDE, HALF, chart, plot};
use super::section::Section;
use super::subject::Subject;
use super::text::{percent, short, short_among};
use crate::drawing::{Drawn, INK, TRAIN};
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
                    td { (percent(residuals.explained_variance())) }
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
    let (mut left, mut right, mut high) = (f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE);
    for &(target, error) in &points {
        (left, right, high) = (left.min(target), right.max(target), high.max(error.abs()));
    }
    if points.is_empty() {
        (left, right) = (0.0, 1.0);
    }
    // A single value needs room around it.
    let room = if right > left { 0.04 * (right - left) } else { 0.5 * left.abs().max(1.0) };
    let axes = Axes {
        x: "True value",
        y: "Predicted − true",
        x_format: &|x| short_among(*x, right - left),
        y_format: &|y| short(*y),
        below: BELOW,
        beside: BESIDE,
    };
    let range = 1.1 * high;
    let mut chart = chart(area, left - room..right + room, -range..range, &axes)?;
    chart
        .draw_series(points.iter().map(|&point| Circle::new(point, 3, TRAIN.mix(0.45).filled())))?;
    let zero = [(left - room, 0.0), (right + room, 0.0)];
    chart.draw_series([PathElement::new(zero, INK.stroke_width(1))])?;
    Ok(())
}
