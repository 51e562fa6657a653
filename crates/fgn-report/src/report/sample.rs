//! A sample as a small picture.

use candle_core::{DType, Device, Tensor};
use fgn_data::Samples;
use fgn_schema::{Batch, InputSchema};
use maud::{Markup, html};
use plotters::style::RGBColor;

use super::raster;
use super::sound::player;
use super::text::shortened;
use crate::error::Result;

/// A sample's own values, without padding.
pub(super) enum Seen {
    /// As a `data:` address; and its size, which the picture may be scaled down from.
    Image {
        picture: String,
        width: usize,
        height: usize,
    },
    /// `rows[step][feature]`.
    Series {
        rows: Vec<Vec<f64>>,
    },
    Tokens {
        tokens: Vec<u32>,
        /// What they are called; a text, where they are one.
        text: String,
    },
    Sound {
        samples: Vec<f32>,
        sample_rate: u32,
    },
    /// Something that there is no picture of.
    Other,
}

/// Colours of lines that those who see few colours tell apart too (Okabe & Ito 2008).
pub(super) const LINES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// As styles name a colour.
pub(super) fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

impl Seen {
    /// The sample at `index`.
    ///
    /// # Errors
    /// A sample that cannot be read.
    pub(super) fn read(samples: &dyn Samples, index: u32) -> Result<Seen> {
        Seen::of(samples, &samples.batch(&[index], &Device::Cpu)?)
    }

    /// The first sample of `batch`.
    pub(super) fn of(samples: &dyn Samples, batch: &Batch) -> Result<Seen> {
        let input = batch.input();
        let first = input.tensor().get(0)?.to_device(&Device::Cpu)?;
        let kept = |steps: &Tensor| -> Result<Tensor> {
            let all = steps.dim(0)?;
            let length = input.lengths().and_then(|lengths| lengths.first().copied());
            Ok(steps.narrow(0, 0, length.unwrap_or(all).min(all))?)
        };
        Ok(match samples.schema().input {
            InputSchema::Image { height, width, channels } => {
                let values: Vec<f32> = first.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
                let byte = |&value: &f32| (255.0 * value).round().clamp(0.0, 255.0) as u8;
                let pixels: Vec<u8> = match channels {
                    1 | 3 => values.iter().map(byte).collect(),
                    // Of any others, the first.
                    channels => values.iter().step_by(channels).map(byte).collect(),
                };
                let picture = raster::thumbnail(pixels, width, height)?;
                Seen::Image { picture, width, height }
            }
            InputSchema::Series { .. } => {
                Seen::Series { rows: kept(&first)?.to_dtype(DType::F64)?.to_vec2()? }
            }
            InputSchema::Tokens { ref tokenizer, .. } => {
                let tokens: Vec<u32> = kept(&first)?.to_dtype(DType::U32)?.to_vec1()?;
                let text = match tokenizer {
                    Some(tokenizer) => shortened(&tokenizer.decode(&tokens), LETTERS),
                    None => listed(&tokens),
                };
                Seen::Tokens { tokens, text }
            }
            InputSchema::Audio { sample_rate } => {
                let samples = kept(&first)?.to_dtype(DType::F32)?.to_vec1()?;
                Seen::Sound { samples, sample_rate }
            }
            _ => Seen::Other,
        })
    }

    /// A small picture, as part of a card.
    pub(super) fn small(&self, label: &str) -> Result<Markup> {
        Ok(match self {
            Seen::Image { picture, width, height } => {
                let class = if *width.max(height) <= 96 { "picture pixels" } else { "picture" };
                html! { img class=(class) src=(picture) alt=(label) loading="lazy"; }
            }
            Seen::Series { rows } => lines(rows, label),
            Seen::Tokens { text, .. } => html! { code.tokens { (text) } },
            Seen::Sound { samples, sample_rate } => player(samples, *sample_rate, label)?,
            Seen::Other => html! {},
        })
    }
}

/// Letters of a text.
const LETTERS: usize = 300;

/// Tokens in a row, of many the first.
fn listed(tokens: &[u32]) -> String {
    const MOST: usize = 60;
    let mut text = tokens.iter().take(MOST).map(u32::to_string).collect::<Vec<_>>().join(" ");
    if tokens.len() > MOST {
        text += " …";
    }
    text
}

/// Features that have a line.
pub(super) const FEATURES: usize = LINES.len();
/// Points of a line.
const POINTS: usize = 160;
const SIZE: (f64, f64) = (180.0, 96.0);

/// The first features over time, each on a scale of its own.
fn lines(rows: &[Vec<f64>], label: &str) -> Markup {
    let features = rows.first().map_or(0, Vec::len).min(FEATURES);
    let path = |feature: usize| {
        let values: Vec<f64> = rows.iter().map(|row| row[feature]).collect();
        let points = thinned(&scaled(&values));
        let last = (rows.len().max(2) - 1) as f64;
        let point = |(at, value): (usize, f64)| {
            format!("{:.1},{:.1}", SIZE.0 * at as f64 / last, SIZE.1 * (0.95 - 0.9 * value))
        };
        points.into_iter().map(point).collect::<Vec<_>>().join(" ")
    };
    html! {
        svg.lines viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="img" aria-label=(label) {
            @for feature in 0..features {
                polyline points=(path(feature)) fill="none" stroke=(hex(LINES[feature]))
                    stroke-width="1.5" stroke-linejoin="round" {}
            }
        }
    }
}

/// From the smallest to the largest, as 0 to 1; what is not finite is a half.
pub(super) fn scaled(values: &[f64]) -> Vec<f64> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let scale = |value: f64| match high > low && value.is_finite() {
        true => (value - low) / (high - low),
        false => 0.5,
    };
    values.iter().map(|&value| scale(value)).collect()
}

/// Of many points some, with their positions: of each stretch the smallest and the largest.
pub(super) fn thinned(values: &[f64]) -> Vec<(usize, f64)> {
    let stretch = values.len().div_ceil(POINTS / 2).max(1);
    if stretch <= 2 {
        return values.iter().copied().enumerate().collect();
    }
    let mut points = Vec::with_capacity(POINTS + 2);
    for (begin, part) in values.chunks(stretch).enumerate() {
        let points_of = || (begin * stretch..).zip(part.iter().copied());
        let low = points_of().min_by(|one, other| one.1.total_cmp(&other.1));
        let high = points_of().max_by(|one, other| one.1.total_cmp(&other.1));
        let mut both: Vec<_> = low.into_iter().chain(high).collect();
        both.sort_by_key(|point| point.0);
        both.dedup_by_key(|point| point.0);
        points.extend(both);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_points_keep_their_peaks() {
        let mut values = vec![0.5; 10_000];
        (values[1234], values[8765]) = (1.0, 0.0);
        let points = thinned(&values);
        assert!(points.len() <= POINTS, "{}", points.len());
        assert!(points.contains(&(1234, 1.0)) && points.contains(&(8765, 0.0)));
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(thinned(&[0.2, 0.4]), [(0, 0.2), (1, 0.4)]);
        assert_eq!(scaled(&[2.0, f64::NAN, 4.0, 3.0]), [0.0, 0.5, 1.0, 0.5]);
        assert_eq!(scaled(&[7.0; 2]), [0.5; 2]);
    }
}
