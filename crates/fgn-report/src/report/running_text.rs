//! A text whose pieces have a colour each.

use maud::{Markup, html};

/// Colours of a scale, without the first, which is none.
pub(super) const LEVELS: usize = 10;

/// What the colours of a text mean; `style.css` has each of them.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// Orange.
    Loss,
    /// Blue.
    Gate,
}

/// A piece of a text, and how strong its colour is.
pub(super) struct Coloured<'a> {
    pub(super) text: &'a str,
    /// From 0, no colour, to 1.
    pub(super) strength: f64,
    /// What is shown of it under the mouse.
    pub(super) title: Option<String>,
}

/// The text; neighbours of one colour without titles are one element.
pub(super) fn running<'a>(pieces: impl Iterator<Item = Coloured<'a>>, scale: Scale) -> Markup {
    let mut spans: Vec<(usize, Option<String>, String)> = Vec::new();
    for Coloured { text, strength, title } in pieces {
        let level = level(strength);
        match spans.last_mut() {
            Some((same, None, before)) if *same == level && title.is_none() => {
                *before += &visible(text);
            }
            _ => spans.push((level, title, visible(text))),
        }
    }
    html! {
        div.running {
            @for (level, title, text) in &spans { span class=[class(scale, *level)] title=[title] { (text) } }
        }
    }
}

/// The colours from the weakest to the strongest, with what is at both ends.
pub(super) fn key(scale: Scale, [low, high]: [&str; 2]) -> Markup {
    html! {
        p.legend {
            span { (low) }
            span.steps { @for level in 0..=LEVELS { b class=[class(scale, level)] {} } }
            span { (high) }
        }
    }
}

/// A float cast makes NaN 0.
fn level(strength: f64) -> usize {
    (strength.clamp(0.0, 1.0) * LEVELS as f64).round() as usize
}

fn class(scale: Scale, level: usize) -> Option<String> {
    let letter = match scale {
        Scale::Loss => 'l',
        Scale::Gate => 'g',
    };
    (level > 0).then(|| format!("{letter}{level}"))
}

/// With a sign for each line end and each other control character.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '\n' => shown += "↵\n",
            '\t' => shown.push('\t'),
            // Their pictures are in the same order.
            '\0'..' ' => shown.extend(char::from_u32(0x2400 + u32::from(symbol))),
            symbol => shown.push(symbol),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_colour_are_one_element() {
        let piece = |(text, strength)| Coloured { text, strength, title: None };
        let pieces =
            [("a", 0.5), ("<", 0.52), ("\n", 0.0), ("b\r", f64::NAN), ("c", 7.0)].map(piece);
        let html = running(pieces.into_iter(), Scale::Gate).into_string();
        let expected = "<div class=\"running\"><span class=\"g5\">a&lt;</span><span>↵\nb␍</span>\
                        <span class=\"g10\">c</span></div>";
        assert_eq!(html, expected);
    }
}
