//! A sound on a page: its shape, and a player.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::error::{Error, Result};

/// The longest sound that a page plays, in seconds; of longer ones it plays the beginning.
const LONGEST: usize = 15;
/// Columns of the shape.
const COLUMNS: usize = 180;
const HEIGHT: f64 = 64.0;

/// The shape of a sound, and its player.
pub(super) fn player(samples: &[f32], sample_rate: u32, label: &str) -> Result<Markup> {
    let played = &samples[..samples.len().min(LONGEST * sample_rate as usize)];
    let address = wav(played, sample_rate)?;
    Ok(html! {
        div.sound {
            svg.lines viewBox={ "0 0 " (COLUMNS) " " (HEIGHT) } role="img" aria-label=(label) {
                path d=(shape(samples)) fill="none" stroke="#0072b2" stroke-width="1" {}
            }
            audio controls preload="none" src=(address) {}
            @if played.len() < samples.len() { div.note { "the first " (LONGEST) " s" } }
        }
    })
}

/// A line for each column, from the smallest to the largest sample there.
fn shape(samples: &[f32]) -> String {
    let loudest = samples.iter().fold(0f32, |most, sample| most.max(sample.abs())).max(1e-9);
    let each = samples.len().div_ceil(COLUMNS).max(1);
    let column = |(at, part): (usize, &[f32])| {
        let bound = |fold: fn(f32, f32) -> f32, from| part.iter().copied().fold(from, fold);
        let ends = [bound(f32::min, f32::INFINITY), bound(f32::max, f32::NEG_INFINITY)];
        let [low, high] = ends.map(|end| HEIGHT / 2.0 * (1.0 - f64::from(0.95 * end / loudest)));
        // A line of no length is not drawn.
        format!("M{}.5 {high:.1}V{:.1}", at, low.max(high + 0.5))
    };
    samples.chunks(each).enumerate().map(column).collect()
}

/// A WAV file of 16 bits as a `data:` address.
fn wav(samples: &[f32], sample_rate: u32) -> Result<String> {
    let file = fgn_audio::files::to_wav(samples, sample_rate);
    let file = file.map_err(|error| Error::Report(error.to_string()))?;
    Ok(format!("data:audio/wav;base64,{}", STANDARD.encode(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_plays_what_was_read() {
        let samples: Vec<f32> = (0..1000).map(|at| (0.3 * at as f32).sin()).collect();
        let page = player(&samples, 8000, "x").unwrap().into_string();
        let (_, address) = page.split_once("data:audio/wav;base64,").unwrap();
        let bytes = STANDARD.decode(address.split('"').next().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let found = fgn_audio::files::read(file.path(), 1.0).unwrap();
        assert_eq!((found.sample_rate, found.samples.len()), (8000, 1000));
        for (found, sample) in found.samples.iter().zip(&samples) {
            assert!((found - sample).abs() < 5e-5);
        }
    }

    #[test]
    fn long_sounds_are_cut_and_silent_ones_have_a_shape() {
        let page = player(&vec![0.0; 16 * 1000], 1000, "x").unwrap().into_string();
        assert!(page.contains("the first 15 s"), "{page}");
        assert!(!page.contains("NaN"), "{page}");
        assert!(page.len() < 60_000);
        assert!(!player(&[0.5; 100], 1000, "x").unwrap().into_string().contains("the first"));
    }
}
