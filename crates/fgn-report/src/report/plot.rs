//! Pictures with axes, drawn by plotters, as parts of the page.
//!
//! Colours stand in the pictures as they are on a light page; `style.css` names each of them, and gives
//! its replacement on a dark one.

use std::ops::Range;

use maud::{Markup, PreEscaped};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, BoldPoints, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::drawing::{Drawn, GRID, INK, font};
use crate::error::{Error, Result};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

/// The size of pictures of which two stand beside each other, and of those that are many.
pub(super) const HALF: (u32, u32) = (420, 270);
pub(super) const QUARTER: (u32, u32) = (320, 240);

/// A picture of pixels, and where it lies in the drawing.
pub(super) struct Placed {
    pub(super) x: Range<i32>,
    pub(super) y: Range<i32>,
    /// A `data:` address.
    pub(super) picture: String,
}

/// What `draw` draws, under a name for those who cannot see it. Pictures that it leaves are put on top.
///
/// # Errors
/// Those of `draw`.
pub(super) fn plot(
    size: (u32, u32),
    label: &str,
    draw: impl FnOnce(&Area<'_>, &mut Vec<Placed>) -> Drawn,
) -> Result<Markup> {
    let (mut svg, mut placed) = (String::new(), Vec::new());
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area, &mut placed).and_then(|()| Ok(area.present()?))
    };
    drawn.map_err(|error| Error::Report(error.to_string()))?;
    let label = maud::html! { (label) }.into_string();
    let svg = svg.replacen(
        "<svg ",
        &format!("<svg class=\"plot\" role=\"img\" aria-label=\"{label}\" "),
        1,
    );
    let end = svg.rfind("</svg>").unwrap_or(svg.len());
    let mut whole = svg[..end].to_owned();
    for Placed { x, y, picture } in placed {
        whole += &format!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             href=\"{picture}\"/>\n",
            x.start,
            y.start,
            x.end - x.start,
            y.end - y.start,
        );
    }
    Ok(PreEscaped(whole + &svg[end..]))
}

/// What the axes of a picture are called, and how their numbers are written.
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) x_format: &'a dyn Fn(&f64) -> String,
    pub(super) y_format: &'a dyn Fn(&f64) -> String,
    /// Room for names and numbers; beside the picture more is taken where long numbers need it.
    pub(super) below: u32,
    pub(super) beside: u32,
}

/// What axes with names and numbers need.
pub(super) const BELOW: u32 = 44;
pub(super) const BESIDE: u32 = 58;
/// The width of a digit, and how many numbers an axis on the left has at most.
const DIGIT: u32 = 10;
const UP: usize = 6;

/// From the smallest to the largest of the finite values, with some room around them.
pub(super) fn spanned(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return 0.0..1.0;
    }
    // A single value needs room too.
    let room = if high > low { 0.04 * (high - low) } else { 0.5 * low.abs().max(1.0) };
    low - room..high + room
}

/// A chart on `area`, with its axes drawn and named.
pub(super) fn chart<'a, 'b, X, Y>(
    area: &'a Area<'b>,
    x: X,
    y: Y,
    axes: &Axes<'_>,
) -> std::result::Result<
    Chart<'a, 'b, X::CoordDescType, Y::CoordDescType>,
    Box<dyn std::error::Error>,
>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let (x, y): (X::CoordDescType, Y::CoordDescType) = (x.into(), y.into());
    let widest = |numbers: &[f64], format: &dyn Fn(&f64) -> String| {
        let letters = numbers.iter().map(|number| format(number).chars().count());
        DIGIT * letters.max().unwrap_or(0) as u32
    };
    let beside = axes.beside.max(18 + widest(&y.key_points(BoldPoints(UP)), axes.y_format));
    // Of a narrow picture, or where they are long, fewer numbers stand side by side.
    let wide = widest(&x.key_points(BoldPoints(11)), axes.x_format);
    let across = area.dim_in_pixel().0.saturating_sub(beside);
    let numbers = (across / (wide + 14).max(52)).clamp(3, 11) as usize;
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_right(14.max(wide / 2))
        .x_label_area_size(axes.below)
        .y_label_area_size(beside)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(font(16))
        .axis_desc_style(font(17))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(numbers)
        .y_labels(UP)
        .x_label_formatter(axes.x_format)
        .y_label_formatter(axes.y_format)
        .draw()?;
    Ok(chart)
}

/// Where the inside of a chart lies in the drawing.
pub(super) fn inside<X: Ranged, Y: Ranged>(
    chart: &Chart<'_, '_, X, Y>,
) -> (Range<i32>, Range<i32>) {
    chart.plotting_area().get_pixel_range()
}

/// No numbers at an axis.
pub(super) fn nothing(_: &f64) -> String {
    String::new()
}

/// A number of an axis that counts: nothing where it is none.
pub(super) fn whole(value: &f64) -> String {
    let rounded = value.round();
    if (value - rounded).abs() < 1e-6 { format!("{}", rounded.abs()) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_room_around_its_values() {
        assert_eq!(spanned([f64::NAN, 1.0, 2.0].into_iter()), 0.96..2.04);
        assert_eq!(spanned([4.0].into_iter()), 2.0..6.0);
        assert_eq!(spanned([f64::INFINITY].into_iter()), 0.0..1.0);
    }
}
