//! Parameters with a learning rate or a weight decay of their own.

use std::ops::Range;

use candle_core::Var;
use serde::{Deserialize, Serialize};

use super::rules::OptimizerConfig;
use crate::error::{Error, Result};
use crate::ranges::{not_negative, positive};

/// Some parameters, by the pattern of their names, and how they learn otherwise than the rest.
///
/// In TOML: `[[groups]]`, `parameters = "*:phi"`, `learning_rate = 1e-4`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// A parameter's name, where `*` stands for any text: `head.*`. Rows that have a name of their own,
    /// as each gate's have, are named behind a colon: `*:phi` is all that the forgetting gates learn.
    pub parameters: String,
    /// Their step size at full rate; that of `[optimizer]` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Their weight decay, for vectors too; that of `[optimizer]` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// Rows of a parameter that have a name of their own: a gate's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRows {
    /// The parameter's name.
    pub parameter: String,
    /// The rows': [`ParameterGroup::parameters`] knows them as `parameter:name`.
    pub name: String,
    /// Which they are, in the parameter's first dimension.
    pub rows: Range<usize>,
}

/// How some of the numbers of a parameter learn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    /// Of the parameter's numbers, row-major.
    pub(super) range: Range<usize>,
    /// A factor on the learning rate.
    pub(super) rate: f64,
    pub(super) weight_decay: f64,
}

impl ParameterGroup {
    /// # Errors
    /// A number outside its range.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(rate) = self.learning_rate {
            positive("groups.learning_rate", rate)?;
        }
        match self.weight_decay {
            Some(decay) => not_negative("groups.weight_decay", decay),
            None => Ok(()),
        }
    }

    fn piece(&self, range: Range<usize>, config: &OptimizerConfig, usual_decay: f64) -> Piece {
        let rate = self.learning_rate.map_or(1.0, |rate| rate / config.learning_rate());
        Piece { range, rate, weight_decay: self.weight_decay.unwrap_or(usual_decay) }
    }
}

/// The pieces of each parameter. Of several groups that a piece is in, the first decides.
///
/// # Errors
/// A group that nothing is in.
pub(super) fn pieces(
    config: &OptimizerConfig,
    groups: &[ParameterGroup],
    parameters: &[(String, Var)],
    rows: &[NamedRows],
) -> Result<Vec<Vec<Piece>>> {
    let mut used = vec![false; groups.len()];
    let mut find = |name: &str| {
        let fits = |group: &ParameterGroup| matches(&group.parameters, name);
        groups
            .iter()
            .enumerate()
            .filter(|(_, group)| fits(group))
            .for_each(|(at, _)| used[at] = true);
        groups.iter().position(fits)
    };
    let mut all = Vec::new();
    for (name, var) in parameters {
        let usual_decay = if var.rank() >= 2 { config.weight_decay() } else { 0.0 };
        let whole = find(name);
        let row = var.elem_count() / var.dims().first().copied().unwrap_or(1).max(1);
        let mut pieces = Vec::new();
        let mut add = |range: Range<usize>, group: Option<usize>| {
            let piece = match group {
                Some(group) => groups[group].piece(range, config, usual_decay),
                None => Piece { range, rate: 1.0, weight_decay: usual_decay },
            };
            pieces.push(piece);
        };
        let mut next = 0;
        let mut own: Vec<_> = rows.iter().filter(|rows| rows.parameter == *name).collect();
        own.sort_by_key(|rows| rows.rows.start);
        for NamedRows { name: part, rows, .. } in own {
            let found = find(&format!("{name}:{part}"));
            let first = [found, whole].into_iter().flatten().min();
            let (start, end) = (rows.start * row, (rows.end * row).min(var.elem_count()));
            if first != whole && next <= start && start < end {
                if next < start {
                    add(next..start, whole);
                }
                add(start..end, first);
                next = end;
            }
        }
        if next < var.elem_count() {
            add(next..var.elem_count(), whole);
        }
        all.push(pieces);
    }
    match used.iter().position(|used| !used) {
        None => Ok(all),
        Some(at) => Err(Error::NoParameters {
            pattern: groups[at].parameters.clone(),
            known: parameters.iter().map(|(name, _)| name.clone()).collect(),
            parts: {
                let mut names: Vec<_> = rows.iter().map(|rows| rows.name.clone()).collect();
                names.sort();
                names.dedup();
                names
            },
        }),
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text, also for none.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    // The earliest place of each part leaves the most for the rest.
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::optimizer::rules::adamw::AdamW;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("head.weight", "head.weight", true),
            ("head.weight", "head.weights", false),
            ("head.*", "head.bias", true),
            ("head.*", "ahead.bias", false),
            ("*", "", true),
            ("*bias*", "recurrent.bias_ih_l0", true),
            ("a*b*a", "aba", true),
            ("a*b*a", "ab", false),
            ("a*a", "a", false),
            ("*:phi", "recurrent.weight_ih_l0:phi", true),
            ("*l0", "recurrent.weight_ih_l0:phi", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    fn parameters() -> Vec<(String, Var)> {
        let var = |dims: &[usize]| Var::zeros(dims, DType::F32, &Device::Cpu).unwrap();
        vec![
            ("r.weight".into(), var(&[6, 2])),
            ("r.bias".into(), var(&[6])),
            ("h".into(), var(&[3])),
        ]
    }

    fn group(
        parameters: &str,
        learning_rate: Option<f64>,
        weight_decay: Option<f64>,
    ) -> ParameterGroup {
        ParameterGroup { parameters: parameters.into(), learning_rate, weight_decay }
    }

    fn rows() -> Vec<NamedRows> {
        let named = |parameter: &str, name: &str, rows| NamedRows {
            parameter: parameter.into(),
            name: name.into(),
            rows,
        };
        vec![
            named("r.weight", "phi", 4..6),
            named("r.weight", "i", 0..2),
            named("r.bias", "phi", 4..6),
        ]
    }

    #[test]
    fn every_number_is_in_one_piece() {
        let adamw = AdamW { learning_rate: 0.1, weight_decay: 0.5, ..AdamW::default() };
        let config = adamw.into();
        let groups = [group("*:phi", Some(0.05), None), group("r.*", None, Some(0.25))];
        let found = pieces(&config, &groups, &parameters(), &rows()).unwrap();
        let piece = |range, rate, weight_decay| Piece { range, rate, weight_decay };
        assert_eq!(found[0], [piece(0..8, 1.0, 0.25), piece(8..12, 0.5, 0.5)]);
        assert_eq!(found[1], [piece(0..4, 1.0, 0.25), piece(4..6, 0.5, 0.0)]);
        assert_eq!(found[2], [piece(0..3, 1.0, 0.0)]);
        // The first group decides.
        let groups = [groups[1].clone(), groups[0].clone()];
        let found = pieces(&config, &groups, &parameters(), &rows()).unwrap();
        assert_eq!(found[0], [piece(0..12, 1.0, 0.25)]);
    }

    #[test]
    fn a_group_of_nothing_is_refused_with_what_there_is() {
        let groups = [group("*:psi", Some(0.05), None)];
        let config = OptimizerConfig::default();
        let message = pieces(&config, &groups, &parameters(), &rows()).unwrap_err().to_string();
        for part in ["\"*:psi\"", "r.weight, r.bias, h", "i, phi"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
