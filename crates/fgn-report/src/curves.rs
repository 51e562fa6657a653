//! The learning curves as a picture.

use std::ops::Range;
use std::path::{Path, PathBuf};

use fgn_train::run_files::CURVES;
use fgn_train::{
    Direction, EpochMetrics, Measures, MetricInfo, Observer, TrainingPlan, Unit, replace_file,
};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::best::{best_epoch, loss};
use crate::drawing::{Drawn, GRID, INK, TRAIN, VALID, font, ticks};
use crate::error::{Error, Result};

/// Draws the loss and the first metrics over the epochs, side by side, as SVG. A dashed line is at the epoch that
/// is best by `monitor`: `loss`, or the name of one of the metrics.
///
/// # Errors
/// None that is known; those of the drawing library.
pub fn draw_curves(
    history: &[EpochMetrics],
    metrics: &[MetricInfo],
    monitor: &str,
) -> Result<String> {
    let monitored = metrics.iter().find(|info| info.name == monitor).cloned();
    let best = best_epoch(history, &monitored.unwrap_or_else(loss)).map(|best| best.epoch);
    let mut svg = String::new();
    draw(&mut svg, history, metrics, best).map_err(|error| Error::Curves(error.to_string()))?;
    Ok(svg)
}

/// An observer that draws `curves.svg` in a folder anew after each epoch.
pub struct Curves {
    file: PathBuf,
    monitor: String,
    metrics: Vec<MetricInfo>,
    history: Vec<EpochMetrics>,
}

impl Curves {
    /// Draws into `folder`, which is there, and marks the epoch that is best by `monitor`, the
    /// [`monitor`](fgn_train::Config::monitor) of the training.
    pub fn new(folder: &Path, monitor: &str) -> Curves {
        let (file, monitor) = (folder.join(CURVES), monitor.to_owned());
        Curves { file, monitor, metrics: Vec::new(), history: Vec::new() }
    }

    fn draw(&self) -> fgn_train::Result<()> {
        let svg = draw_curves(&self.history, &self.metrics, &self.monitor)?;
        replace_file(&self.file, svg.as_bytes())
    }
}

impl<M: ?Sized> Observer<M> for Curves {
    fn start(&mut self, plan: &TrainingPlan) -> fgn_train::Result<()> {
        self.metrics.clone_from(&plan.metrics);
        self.history.clone_from(&plan.history);
        // Epochs after the checkpoint that it resumes from are taken back.
        if self.history.is_empty() { Ok(()) } else { self.draw() }
    }

    fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> fgn_train::Result<()> {
        self.history.push(metrics.clone());
        self.draw()
    }
}

/// The width of a picture, and of one of several beside each other.
const WIDTHS: [u32; 2] = [960, 480];
const HEIGHT: u32 = 380;
/// Metrics that have a picture.
const METRICS: usize = 3;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Curve = Vec<(f64, f64)>;

/// A measure that has a picture.
pub(crate) struct Panel {
    pub(crate) title: String,
    name: String,
    unit: Unit,
    direction: Direction,
}

/// The pictures: the loss, and the first metrics.
pub(crate) fn panels(metrics: &[MetricInfo]) -> Vec<Panel> {
    let loss = loss();
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

fn draw(
    svg: &mut String,
    history: &[EpochMetrics],
    metrics: &[MetricInfo],
    best: Option<usize>,
) -> Drawn {
    let panels = panels(metrics);
    let width = if panels.len() == 1 { WIDTHS[0] } else { panels.len() as u32 * WIDTHS[1] };
    let root = SVGBackend::with_string(svg, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(&panels) {
        draw_measure(area, panel, history, best)?;
    }
    root.present()?;
    Ok(())
}

/// Draws a measure over the epochs: shares in percent up to 100, numbers from 0 where none is negative. A dashed
/// line is at the epoch `best`.
pub(crate) fn draw_measure(
    area: &Area<'_>,
    panel: &Panel,
    history: &[EpochMetrics],
    best: Option<usize>,
) -> Drawn {
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
            let (low, high) = (lowest.min(0.0), highest.max(0.0));
            let high = if high > low { high } else { 1.0 };
            let room = 0.05 * (high - low);
            (if low < 0.0 { low - room } else { 0.0 })..high + room
        }
    };
    let legend = legend(&curves, &range, panel.direction);
    draw_panel(area, &panel.title, &curves, range, legend, best)
}

/// The corner at the right that the curves come to an end away from.
fn legend(curves: &[Curve; 2], range: &Range<f64>, direction: Direction) -> SeriesLabelPosition {
    let last = curves.iter().flatten().map(|&(epoch, _)| epoch).fold(1.0, f64::max);
    let late = || curves.iter().flatten().filter(|&&(epoch, _)| epoch >= 0.6 * last);
    let height = |&(_, value): &(f64, f64)| (value - range.start) / (range.end - range.start);
    // A legend takes two fifths of the height.
    let is_free_above = late().all(|point| height(point) < 0.6);
    let is_free_below = late().all(|point| height(point) > 0.4);
    match direction {
        Direction::Lower if is_free_above || !is_free_below => SeriesLabelPosition::UpperRight,
        Direction::Higher if is_free_above && !is_free_below => SeriesLabelPosition::UpperRight,
        _ => SeriesLabelPosition::LowerRight,
    }
}

fn curve(history: &[EpochMetrics], value: impl Fn(&EpochMetrics) -> Option<f64>) -> Curve {
    let values = history.iter().map(|epoch| (epoch.epoch as f64, value(epoch)));
    values.filter_map(|(epoch, value)| Some((epoch, value?))).collect()
}

/// One picture of two curves, training and validation.
fn draw_panel(
    area: &Area<'_>,
    title: &str,
    curves: &[Curve; 2],
    range: Range<f64>,
    legend: SeriesLabelPosition,
    best: Option<usize>,
) -> Drawn {
    // A single epoch stands in the middle.
    let last = curves.iter().flatten().map(|&(epoch, _)| epoch).fold(1.0, f64::max);
    let epochs = if last > 1.0 { 1.0..last } else { 0.5..1.5 };
    let (low, high) = (range.start, range.end);
    let y_format = ticks(&range);
    let mut chart = ChartBuilder::on(area)
        .caption(title, font(18))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(epochs, range)?;
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
        .x_label_formatter(&whole)
        .y_label_formatter(&y_format)
        .draw()?;
    if let Some(best) = best {
        let ends = [(best as f64, low), (best as f64, high)];
        let line = INK.stroke_width(1);
        chart
            .draw_series(DashedLineSeries::new(ends, 5, 4, line))?
            .label("best epoch")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], line));
    }
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

/// The number of an epoch; nothing between two.
fn whole(value: &f64) -> String {
    if value.fract() == 0.0 { value.to_string() } else { String::new() }
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
                let svg = draw_curves(&history(epochs, valid), &accuracy(), "loss").unwrap();
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
        let svg = draw_curves(&history(4, true), &[], "loss").unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * 4);
        assert!(!svg.contains("Accuracy"), "{svg}");
        let r2 = [MetricInfo::new("r2", "R²", Direction::Higher, Unit::Number)];
        let svg = draw_curves(&history(4, true), &r2, "r2").unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 * 2 * 4);
        assert!(svg.contains("R²"), "{svg}");
    }

    /// The losses of a language model fall to two thirds, not to zero.
    #[test]
    fn the_legend_is_where_the_curves_are_not() {
        let curves = |values: [f64; 4]| [(1..).map(f64::from).zip(values).collect(), Curve::new()];
        let at = |values, direction| match legend(&curves(values), &(0.0..3.0), direction) {
            SeriesLabelPosition::UpperRight => "above",
            _ => "below",
        };
        for (values, lower, higher) in [
            ([2.9, 2.2, 2.0, 2.0], "below", "below"),
            ([2.9, 1.0, 0.5, 0.4], "above", "above"),
            ([1.6, 1.5, 1.5, 1.6], "above", "below"),
        ] {
            assert_eq!(at(values, Direction::Lower), lower, "{values:?}");
            assert_eq!(at(values, Direction::Higher), higher, "{values:?}");
        }
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
            draw_curves(&history, &accuracy(), "loss").unwrap();
            draw_curves(&[extreme], &accuracy(), "accuracy").unwrap();
        }
    }

    #[test]
    fn the_best_epoch_is_marked() {
        // The first loss is the lowest; the accuracy is highest in the last epoch.
        let mut history = history(3, true);
        for (epoch, loss) in history.iter_mut().zip([0.1, 0.2, 0.3]) {
            let accuracy = epoch.measured().get("accuracy").unwrap();
            epoch.valid = Some(Measures::new(loss).with("accuracy", accuracy));
        }
        // Of 960 points, the panel of the loss goes from 66 to about 466.
        let marks = |monitor: &str| {
            let svg = draw_curves(&history, &accuracy(), monitor).unwrap();
            assert_eq!(svg.matches("best epoch").count(), 2);
            let color = "stroke=\"#282C34\" stroke-width=\"1\" points=\"";
            let dashes = |x: i32| svg.matches(&format!("{color}{x},")).count();
            [66..=68, 464..=466].map(|xs| xs.map(dashes).sum::<usize>() > 5)
        };
        assert_eq!(marks("loss"), [true, false]);
        assert_eq!(marks("accuracy"), [false, true]);
    }
}
