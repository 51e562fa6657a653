//! Units whose gates follow something that people see in a text.

use fgn_nn::LayerTrace;
use fgn_train::Learner;
use maud::{Markup, html};

use super::gates::{layer_name, role};
use super::held_out::{HeldOut, Piece};
use super::indicators::{correlation, indicators};
use super::running_text::{Coloured, Scale, key, running};
use super::section::Section;
use super::subject::Subject;
use super::text::short;
use crate::error::Result;
use crate::grouped::grouped;

/// Texts that are shown.
const STRIPS: usize = 8;
/// Pieces of each.
const PIECES: usize = 600;
/// The least correlation, by its size, of a unit that is shown.
const LEAST: f64 = 0.4;
/// Units and steps that are looked at, of all layers together.
const MOST_UNIT_STEPS: usize = 1 << 22;

/// A gate of a layer: the values of all its units, `[T][H]`.
struct Gate {
    layer: String,
    name: &'static str,
    units: usize,
    values: Vec<f64>,
}

/// A unit that follows something in the text.
struct Found<'a> {
    gate: &'a Gate,
    unit: usize,
    follows: &'static str,
    correlation: f64,
}

pub(super) fn section<M: Learner>(of: &Subject<'_, M>, text: &HeldOut) -> Result<Section> {
    let (id, title) = ("text-gates", "Gates along a text");
    if of.model.gated_units() == 0 {
        let why = format!("The model ({}) has no gates.", of.model.summary());
        return Ok(Section::left_out(id, title, &why));
    }
    if text.tokenizer.is_none() {
        return Ok(Section::left_out(id, title, "The tokens are no text."));
    }
    let (pieces, gates) = read(of.model, text)?;
    let texts: Vec<&str> = pieces.iter().map(|piece| &piece.text[..]).collect();
    let found = followers(&gates, &texts);
    if found.is_empty() {
        let why = format!(
            "No gate follows line ends, words, capitals, quotes or brackets with a correlation of {LEAST} or more."
        );
        return Ok(Section::left_out(id, title, &why));
    }
    let body = html! {
        p.hint {
            "The beginning of the test part, coloured by a gate of one unit after it has read a token. For some things \
             that one sees in a text, these are the units of the first and the last layer that follow them best, with \
             the correlation over " (grouped(pieces.len())) " pieces of text. Below 0, the gate closes there."
        }
        (key(Scale::Gate, ["the unit's smallest value", "its largest"]))
        div.grid.wide { @for found in &found { (strip(of, found, &texts)) } }
    };
    Ok(Section { id, title, body })
}

/// The pieces of all passages, and at each of them all gates of the first and the last layer.
fn read<M: Learner>(model: &M, text: &HeldOut) -> Result<(Vec<Piece>, Vec<Gate>)> {
    let (mut pieces, mut gates) = (Vec::new(), Vec::new());
    let mut left = (MOST_UNIT_STEPS / model.gated_units().max(1)).max(1);
    for passage in &text.passages {
        if left == 0 {
            break;
        }
        let traces = model.trace(&passage.batch, left)?;
        let steps = traces.first().map_or(0, |traced| traced.trace.shape[0]);
        left -= steps.min(left);
        let read = text.pieces(&passage.tokens[..steps.min(passage.tokens.len())]);
        let rows: Vec<usize> = read.iter().map(|piece| piece.tokens.end - 1).collect();
        let last = traces.iter().map(|traced| traced.layer).max().unwrap_or(0);
        let shown = traces.iter().filter(|traced| [0, last].contains(&traced.layer));
        for (at, gate) in shown.flat_map(|traced| gates_of(traced, &rows)).enumerate() {
            match gates.get_mut(at) {
                None => gates.push(gate),
                Some(Gate { values, .. }) => values.extend(gate.values),
            }
        }
        pieces.extend(read);
    }
    Ok((pieces, gates))
}

/// The gates of a layer at some steps, and the effective forget gate where it is none of them.
fn gates_of(traced: &LayerTrace, rows: &[usize]) -> Vec<Gate> {
    let trace = &traced.trace;
    let units = trace.shape[1] * trace.shape[2];
    let retained = trace.retained.as_ref();
    let apart =
        retained.filter(|&retained| trace.gates.iter().all(|gate| gate.values != *retained));
    let named = trace.gates.iter().map(|gate| (gate.name, &gate.values));
    let all = named.chain(apart.map(|values| ("retained", values)));
    let gate = |(name, values): (&'static str, &Vec<f64>)| Gate {
        layer: layer_name(traced.layer, traced.reverse),
        name,
        units,
        values: rows
            .iter()
            .flat_map(|row| &values[row * units..(row + 1) * units])
            .copied()
            .collect(),
    };
    all.map(gate).collect()
}

/// For each layer and each thing to see in a text the unit that follows it best, the best of these first.
fn followers<'a>(gates: &'a [Gate], texts: &[&str]) -> Vec<Found<'a>> {
    let seen = indicators(texts);
    let mut best: Vec<Found<'a>> = Vec::new();
    for gate in gates {
        for unit in 0..gate.units {
            let values = gate.unit(unit);
            for (follows, indicator) in &seen {
                let (follows, correlation) = (*follows, correlation(&values, indicator));
                let found = Found { gate, unit, follows, correlation };
                let is_same =
                    |other: &Found<'_>| other.follows == follows && other.gate.layer == gate.layer;
                match best.iter_mut().find(|other| is_same(other)) {
                    Some(other) if other.size() < found.size() => *other = found,
                    Some(_) => {}
                    None => best.push(found),
                }
            }
        }
    }
    best.retain(|found| found.size() >= LEAST);
    best.sort_by(|one, other| other.size().total_cmp(&one.size()));
    best.truncate(STRIPS);
    best
}

fn strip<M: Learner>(of: &Subject<'_, M>, found: &Found<'_>, texts: &[&str]) -> Markup {
    let values = found.gate.unit(found.unit);
    let values = &values[..values.len().min(PIECES)];
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let strength = |value: f64| (value - low) / (high - low);
    let pieces = texts.iter().zip(values);
    let pieces =
        pieces.map(|(text, &value)| Coloured { text, strength: strength(value), title: None });
    let what = role(of, found.gate.name).split(':').next().unwrap_or_default();
    let what = if found.gate.name == "retained" { "effective forget gate" } else { what };
    html! {
        figure {
            figcaption {
                b { (found.follows) } ": " (found.gate.layer) ", unit " (found.unit) ", " (what) " "
                b.gate { (found.gate.name) }
                span.note {
                    "; correlation " (format!("{:.2}", found.correlation)) ", values from " (short(low)) " to "
                    (short(high))
                }
            }
            (running(pieces, Scale::Gate))
        }
    }
}

impl Gate {
    fn unit(&self, unit: usize) -> Vec<f64> {
        self.values.iter().skip(unit).step_by(self.units).copied().collect()
    }
}

impl Found<'_> {
    fn size(&self) -> f64 {
        self.correlation.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_follow_a_text_are_found() {
        let text = "To be,\nor not\nto \"Be\" so.\n".repeat(5);
        let texts: Vec<String> = text.chars().map(String::from).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &text[..]).collect();
        // Unit 0 does nothing, unit 1 opens at line ends, unit 2 closes in quotes.
        let mut quoted = false;
        let row = |text: &&str| {
            quoted ^= *text == "\"";
            [0.5, if *text == "\n" { 0.9 } else { 0.2 }, if quoted { 0.1 } else { 0.6 }]
        };
        let values = texts.iter().flat_map(row).collect();
        let gate = Gate { layer: "layer 1".into(), name: "f", units: 3, values };
        let found = followers(std::slice::from_ref(&gate), &texts);
        let of = |follows: &str| {
            let found = found.iter().find(|found| found.follows == follows);
            found.map(|found| (found.unit, (1e6 * found.correlation).round() / 1e6))
        };
        assert_eq!(of("line end"), Some((1, 1.0)));
        assert_eq!(of("inside quotes"), Some((2, -1.0)));
        assert_eq!(of("inside brackets"), None, "there are none");
        assert!(found.iter().all(|found| found.unit != 0));
    }
}
