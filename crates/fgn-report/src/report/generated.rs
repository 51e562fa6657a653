//! What a language model wrote as it learned.

use fgn_train::TextSample;
use maud::html;

use super::running_text::visible;
use super::section::Section;

/// Epochs whose texts are shown.
const SHOWN: usize = 5;

/// None without texts.
pub(super) fn section(samples: &[TextSample]) -> Option<Section> {
    if samples.is_empty() {
        return None;
    }
    let body = html! {
        p.hint {
            "What the model writes after an epoch, at temperature 0.8 and always by the same seed; the prompt is bold."
            @if samples.len() > SHOWN {
                " Of " (samples.len()) " texts the first, the last and some between; all are in samples.jsonl."
            }
        }
        div.stack {
            @for sample in spread(samples) {
                figure {
                    figcaption.note { "epoch " (sample.epoch) }
                    div.running { b { (visible(&sample.generated.prompt)) } (sample.generated.text) }
                }
            }
        }
    };
    Some(Section { id: "samples", title: "Samples", body })
}

/// The first, the last, and some between.
fn spread(samples: &[TextSample]) -> Vec<&TextSample> {
    let count = samples.len().min(SHOWN);
    let last = count.saturating_sub(1).max(1);
    (0..count).map(|at| &samples[at * (samples.len() - 1) / last]).collect()
}

#[cfg(test)]
mod tests {
    use fgn_train::GeneratedText;

    use super::*;

    #[test]
    fn the_first_and_the_last_are_shown() {
        let sample = |epoch| {
            let generated = GeneratedText { prompt: "p".into(), text: "t".into() };
            TextSample { epoch, generated }
        };
        for (epochs, expected) in [(1, &[1][..]), (3, &[1, 2, 3]), (30, &[1, 8, 15, 22, 30])] {
            let samples: Vec<TextSample> = (1..=epochs).map(sample).collect();
            let shown: Vec<usize> = spread(&samples).iter().map(|sample| sample.epoch).collect();
            assert_eq!(shown, expected);
        }
        assert!(section(&[]).is_none());
    }
}
