//! What a language model expects of a text, and what it does not.

use maud::html;

use super::held_out::{HeldOut, Passage, Piece};
use super::running_text::{Coloured, Scale, key, running};
use super::section::Section;
use super::text::short;
use crate::grouped::grouped;

/// The loss of the strongest colour, in nats: a token of probability 0.7 %.
const MOST: f64 = 5.0;

pub(super) fn section(text: &HeldOut) -> Section {
    let (id, title) = ("token-losses", "Loss over a held-out text");
    let Some((mean, count)) = text.mean_loss() else {
        return Section::left_out(id, title, "The test part has no token whose loss is known.");
    };
    let body = html! {
        p.hint {
            "The beginning of the test part: " (grouped(count)) " tokens, whose mean loss is " (short(mean))
            " nats (perplexity " (short(mean.exp())) "). The stronger its colour, the less a token was expected from \
             those before it."
        }
        (key(Scale::Loss, ["0 nats", "5 nats or more"]))
        div.stack.columns {
            @for passage in &text.passages {
                @let pieces = text.pieces(&passage.tokens);
                (running(pieces.iter().map(|piece| coloured(passage, piece)), Scale::Loss))
            }
        }
    };
    Section { id, title, body }
}

fn coloured<'a>(passage: &Passage, piece: &'a Piece) -> Coloured<'a> {
    let losses: Vec<f64> = passage.losses[piece.tokens.clone()].iter().flatten().copied().collect();
    let loss: f64 = losses.iter().sum();
    let title = (!losses.is_empty()).then(|| format!("{loss:.2} nats"));
    Coloured { text: &piece.text, strength: loss / MOST, title }
}
