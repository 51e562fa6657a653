//! The learning curves as a picture.

use std::ops::Range;
use std::path::{Path, PathBuf};

use fgn_schema::decimals;
use fgn_train::run_files::CURVES;
use fgn_train::{
    Direction, EpochMetrics, Measures, MetricInfo, Observer, TrainingPlan, Unit, replace_file,
};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::drawing::{Drawn, GRID, INK, TRAIN, VALID, font};
use crate::error::{Error, Result};

/// Draws the loss and the first metrics over the epochs, side by side, as SVG.
///
/// # Errors
/// None that is known; those of the drawing library.
pub fn draw_curves(history: &[EpochMetrics], metrics: &[MetricInfo]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, history, metrics).map_err(|error| Error::Curves(error.to_string()))?;
    Ok(svg)
}

/// An observer that draws `curves.svg` in a folder anew after each epoch.
pub struct Curves {
    file: PathBuf,
    metrics: Vec<MetricInfo>,
    history: Vec<EpochMetrics>,
}

impl Curves {
    /// Draws into `folder`, which is there.
    pub fn new(folder: &Path) -> Curves {
        Curves { file: folder.join(CURVES), metrics: Vec::new(), history: Vec::new() }
    }
}

impl<M: ?Sized> Observer<M> for Curves {
    fn start(&mut self, plan: &TrainingPlan) -> fgn_train::Result<()> {
        self.metrics.clone_from(&plan.metrics);
        self.history.clone_from(&plan.history);
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> fgn_train::Result<()> {
        self.history.push(metrics.clone());
        replace_file(&self.file, draw_curves(&self.history, &self.metrics)?.as_bytes())
    }
}

/// The width of a picture, and of one of several beside each other.
const WIDTHS: [u32; 2] = [960, 480];
const HEIGHT: u32 = 380;
/// Metrics that have a picture.
const METRICS: usize = 3;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Curve = Vec<(i32, f64)>;

/// A measure that has a picture.
pub(crate) struct Panel {
    pub(crate) title: String,
    name: String,
    unit: Unit,
    direction: Direction,
}

/// The pictures: the loss, and the first metrics.
pub(crate) fn panels(metrics: &[MetricInfo]) -> Vec<Panel> {
    let loss = MetricInfo::new("loss", "loss", Direction::Lower, Unit::Number);
    let panel = |info: &MetricInfo| Panel {
        title: capitalized(&info.label) + if info.unit == Unit::Share { " (%)" } else { "" },
        name: info.name.clone(),
        unit: info.unit,
        direction: info.direction,
    };
    [&loss].into_iter().chain(metrics.iter().take(METRICS)).map(panel).collect()
}

fn capitalized(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn draw(svg: &mut String, history: &[EpochMetrics], metrics: &[MetricInfo]) -> Drawn {
    let panels = panels(metrics);
    let width = if panels.len() == 1 { WIDTHS[0] } else { panels.len() as u32 * WIDTHS[1] };
    let root = SVGBackend::with_string(svg, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(&panels) {
        draw_measure(area, panel, history)?;
    }
    root.present()?;
    Ok(())
}

/// Draws a measure over the epochs: shares in percent up to 100, numbers from 0 where none is negative.
pub(crate) fn draw_measure(area: &Area<'_>, panel: &Panel, history: &[EpochMetrics]) -> Drawn {
    let scale = if panel.unit == Unit::Share { 100.0 } else { 1.0 };
    let value = |measures: &Measures| {
        let value = measures.get(&panel.name).filter(|value| value.is_finite());
        value.map(|value| scale * value)
    };
    let curves = [
        curve(history, |epoch| value(&epoch.train)),
        curve(history, |epoch| epoch.valid.as_ref().and_then(value)),
    ];
    let lowest = values(&curves).fold(f64::INFINITY, f64::min);
    let highest = values(&curves).fold(f64::NEG_INFINITY, f64::max);
    let range = match panel.unit {
        Unit::Share => {
            let lowest = lowest.min(100.0);
            (lowest - 0.1 * (100.0 - lowest)).clamp(0.0, 99.0)..100.0
        }
        _ => {
            let (low, high) = (lowest.min(0.0), highest.max(0.0).max(f64::MIN_POSITIVE));
            let room = 0.05 * (high - low);
            (if low < 0.0 { low - room } else { 0.0 })..high + room
        }
    };
    let legend = match panel.direction {
        Direction::Lower => SeriesLabelPosition::UpperRight,
        Direction::Higher => SeriesLabelPosition::LowerRight,
    };
    draw_panel(area, &panel.title, &curves, range, legend)
}

fn curve(history: &[EpochMetrics], value: impl Fn(&EpochMetrics) -> Option<f64>) -> Curve {
    let values = history.iter().map(|epoch| (epoch.epoch as i32, value(epoch)));
    values.filter_map(|(epoch, value)| Some((epoch, value?))).collect()
}

/// One picture of two curves, training and validation.
fn draw_panel(
    area: &Area<'_>,
    title: &str,
    curves: &[Curve; 2],
    range: Range<f64>,
    legend: SeriesLabelPosition,
) -> Drawn {
    // An axis needs two epochs to be one.
    let last = curves.iter().flatten().map(|&(epoch, _)| epoch).max();
    let epochs = last.map_or(2, |last| last.max(2));
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
    let text = decimals(*value, 4);
    if text.contains('e') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn values(curves: &[Curve; 2]) -> impl Iterator<Item = f64> {
    curves.iter().flatten().map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(epochs: usize, valid: bool) -> Vec<EpochMetrics> {
        let metrics = |epoch: usize| {
            let part = |loss: f64, accuracy: f64| {
                let of = |from: f64, by: f64| from + by / epoch as f64;
                Measures::new(of(0.0, loss))
                    .with("accuracy", of(1.0, -accuracy))
                    .with("r2", of(1.0, -2.0))
            };
            let valid = valid.then(|| part(0.3, 0.08));
            EpochMetrics::new(epoch, epoch, part(0.5, 0.15), valid)
        };
        (1..=epochs).map(metrics).collect()
    }

    fn accuracy() -> [MetricInfo; 1] {
        [MetricInfo::new("accuracy", "accuracy", Direction::Higher, Unit::Share)]
    }

    #[test]
    fn there_is_a_curve_for_each_part_in_both_pictures() {
        for (valid, curves) in [(true, 2 * 2), (false, 2)] {
            for epochs in [1, 2, 7, 300] {
                let svg = draw_curves(&history(epochs, valid), &accuracy()).unwrap();
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
    fn each_metric_has_a_picture_and_a_model_without_has_the_loss_alone() {
        let svg = draw_curves(&history(4, true), &[]).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * 4);
        assert!(!svg.contains("Accuracy"), "{svg}");
        let r2 = [MetricInfo::new("r2", "R²", Direction::Higher, Unit::Number)];
        let svg = draw_curves(&history(4, true), &r2).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * 2 * 4);
        assert!(svg.contains("R²"), "{svg}");
    }

    #[test]
    fn extreme_values_draw_too() {
        let with = |loss: f64, accuracy: f64| {
            let part = Measures::new(loss).with("accuracy", accuracy);
            EpochMetrics::new(1, 1, part.clone(), Some(part))
        };
        for extreme in [with(0.0, 1.0), with(1e30, 0.0), with(f64::NAN, f64::NAN)] {
            let mut history = history(3, true);
            history[1] = EpochMetrics::new(2, 2, extreme.train.clone(), extreme.valid.clone());
            draw_curves(&history, &accuracy()).unwrap();
            draw_curves(&[extreme], &accuracy()).unwrap();
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [0.0, 0.5, 0.30000000000000004, 100.0, 2e-7].map(|x| short(&x)),
            ["0", "0.5", "0.3", "100", "2.000e-7"]
        );
    }
}
