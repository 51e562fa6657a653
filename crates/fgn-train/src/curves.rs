//! The learning curves as a picture.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::{EpochMetrics, Error, Result};

/// Draws loss and accuracy over the epochs, side by side, as SVG.
///
/// # Errors
/// None that is known; those of the drawing library.
pub fn draw_curves(history: &[EpochMetrics]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, history).map_err(|error| Error::Curves(error.to_string()))?;
    Ok(svg)
}

const SIZE: (u32, u32) = (960, 380);
pub(crate) const INK: RGBColor = RGBColor(40, 44, 52);
pub(crate) const GRID: RGBColor = RGBColor(228, 230, 235);
pub(crate) const TRAIN: RGBColor = RGBColor(31, 119, 180);
pub(crate) const VALID: RGBColor = RGBColor(214, 93, 14);

pub(crate) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Curve = Vec<(i32, f64)>;

fn draw(svg: &mut String, history: &[EpochMetrics]) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    if history.iter().all(|epoch| epoch.train_accuracy.is_none()) {
        draw_losses(&root, "Loss", history)?;
    } else {
        let (left, right) = root.split_horizontally(SIZE.0 / 2);
        draw_losses(&left, "Loss", history)?;
        draw_accuracies(&right, "Accuracy (%)", history)?;
    }
    root.present()?;
    Ok(())
}

/// Draws the losses over the epochs.
pub(crate) fn draw_losses(area: &Area<'_>, title: &str, history: &[EpochMetrics]) -> Drawn {
    let loss =
        [curve(history, |epoch| Some(epoch.train_loss)), curve(history, |epoch| epoch.valid_loss)];
    let highest = values(&loss).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    panel(area, title, &loss, 0.0..1.05 * highest, SeriesLabelPosition::UpperRight)
}

/// Draws the accuracies over the epochs, in percent.
pub(crate) fn draw_accuracies(area: &Area<'_>, title: &str, history: &[EpochMetrics]) -> Drawn {
    let accuracy = [
        curve(history, |epoch| epoch.train_accuracy.map(|accuracy| 100.0 * accuracy)),
        curve(history, |epoch| epoch.valid_accuracy.map(|accuracy| 100.0 * accuracy)),
    ];
    let lowest = values(&accuracy).fold(100.0, f64::min);
    let below = (lowest - 0.1 * (100.0 - lowest)).clamp(0.0, 99.0);
    panel(area, title, &accuracy, below..100.0, SeriesLabelPosition::LowerRight)
}

pub(crate) fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn curve(history: &[EpochMetrics], value: fn(&EpochMetrics) -> Option<f64>) -> Curve {
    let values = (1..).zip(history).map(|(epoch, metrics)| (epoch, value(metrics)));
    values.filter_map(|(epoch, value)| Some((epoch, value?))).collect()
}

/// One picture of two curves, training and validation.
fn panel(
    area: &Area<'_>,
    title: &str,
    curves: &[Curve; 2],
    range: Range<f64>,
    legend: SeriesLabelPosition,
) -> Drawn {
    // An axis needs two epochs to be one.
    let epochs = curves[0].len().max(2) as i32;
    let mut chart = ChartBuilder::on(area)
        .caption(title, font(18))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(1..epochs, range)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .x_desc("Epoch")
        .x_labels(10)
        .y_labels(6)
        .y_label_formatter(&short)
        .draw()?;
    for ((curve, color), name) in curves.iter().zip([TRAIN, VALID]).zip(["training", "validation"])
    {
        if curve.is_empty() {
            continue;
        }
        chart
            .draw_series(
                LineSeries::new(curve.iter().copied(), color.stroke_width(2).filled())
                    .point_size(3),
            )?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .margin(12)
        .label_font(font(13))
        .background_style(WHITE.mix(0.8))
        .border_style(GRID)
        .draw()?;
    Ok(())
}

/// A number with the digits it needs.
fn short(value: &f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn values(curves: &[Curve; 2]) -> impl Iterator<Item = f64> {
    curves.iter().flatten().map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(epochs: usize, valid: bool) -> Vec<EpochMetrics> {
        let metrics = |epoch: usize| EpochMetrics {
            epoch,
            train_loss: 0.5 / epoch as f64,
            step: epoch,
            train_accuracy: Some(1.0 - 0.15 / epoch as f64),
            learning_rate: 0.1,
            valid_loss: valid.then(|| 0.3 / epoch as f64),
            valid_accuracy: valid.then(|| 1.0 - 0.08 / epoch as f64),
            seconds: 1.0,
            samples_per_second: 1.0,
        };
        (1..=epochs).map(metrics).collect()
    }

    #[test]
    fn there_is_a_curve_for_each_kind_of_number_in_both_pictures() {
        for (valid, curves) in [(true, 2 * 2), (false, 2)] {
            for epochs in [1, 2, 7, 300] {
                let svg = draw_curves(&history(epochs, valid)).unwrap();
                // Each curve has a point an epoch.
                assert_eq!(svg.matches("<circle").count(), curves * epochs, "{epochs} {valid}");
                for text in ["Loss", "Accuracy (%)", "Epoch", "training"] {
                    assert!(svg.contains(text), "{text}");
                }
                assert_eq!(svg.contains("validation"), valid);
                assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            }
        }
    }

    #[test]
    fn numbers_have_a_loss_alone() {
        let mut history = history(4, true);
        for metrics in &mut history {
            (metrics.train_accuracy, metrics.valid_accuracy) = (None, None);
        }
        let svg = draw_curves(&history).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * 4);
        assert!(!svg.contains("Accuracy"), "{svg}");
    }

    #[test]
    fn extreme_numbers_draw_too() {
        let mut history = history(3, true);
        for metrics in &mut history {
            (metrics.train_loss, metrics.valid_loss) = (0.0, Some(0.0));
            (metrics.train_accuracy, metrics.valid_accuracy) = (Some(1.0), Some(1.0));
        }
        draw_curves(&history).unwrap();
        history[1].train_loss = 1e30;
        history[1].train_accuracy = Some(0.0);
        draw_curves(&history).unwrap();
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [0.0, 0.5, 0.30000000000000004, 100.0].map(|x| short(&x)),
            ["0", "0.5", "0.3", "100"]
        );
    }
}
