//! An evaluation in a line, and as JSON.

use fgn_nn::ModelConfig;
use fgn_report::grouped;
use fgn_schema::{TargetSchema, decimals};
use fgn_train::{Breakdown, Column, Evaluation, Unit};
use serde_json::{Map, Value, json};

/// The first metric, or without metrics the loss: `accuracy = 99.32 %`.
pub(crate) fn main_measure(found: &Evaluation) -> String {
    let first = found.metrics.first();
    match first.and_then(|info| Some((info, found.get(&info.name)?))) {
        Some((info, value)) => format!("{} = {}", info.label, info.format(value)),
        None => format!("loss = {}", decimals(found.loss(), 4)),
    }
}

/// What the measures are means over: `10,000 samples`, or steps, tokens, events or pixels where the model predicts for
/// each.
pub(crate) fn targets(found: &Evaluation, model: &ModelConfig) -> String {
    let plural = if found.targets == 1 { "" } else { "s" };
    let one = match model.head.target() {
        TargetSchema::NextToken { .. } | TargetSchema::Sequence { .. } => "token",
        TargetSchema::NextItem { .. } => "event",
        TargetSchema::Pixels { .. } => "pixel",
        target if target.is_per_step() => "step",
        _ => "sample",
    };
    format!("{} {one}{plural}", grouped(found.targets))
}

/// Loss and metrics by their names, the number of targets, and the tables: of each its columns by name, with the
/// values in the order of `names`. A value that is NaN is `null`.
pub(crate) fn json(found: &Evaluation) -> Value {
    let table = |Breakdown { row, names, columns }: &Breakdown| {
        let columns = columns.iter().map(|column| (column.name.clone(), values(column)));
        json!({ "row": row, "names": names, "columns": columns.collect::<Map<_, _>>() })
    };
    let measures = found.measures.iter().map(|(name, value)| (name.to_owned(), json!(value)));
    let mut object: Map<String, Value> = measures.collect();
    object.insert("targets".into(), found.targets.into());
    object.insert("breakdowns".into(), found.breakdowns.iter().map(table).collect());
    object.into()
}

fn values(column: &Column) -> Value {
    let values = column.values.iter().copied();
    match column.unit {
        Unit::Count => values.map(|count| Value::from(count as u64)).collect(),
        _ => values.map(|value| json!(value)).collect(),
    }
}
