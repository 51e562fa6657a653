//! Targets and predictions as CSV: a row for each sample, or for each of its steps.

use std::io::Write;

use candle_core::DType;
use fgn_data::Samples;
use fgn_nn::{Model, argmax, softmax};
use fgn_schema::{Padded, Prediction, TargetSchema};
use fgn_train::each_prediction;

use crate::error::{Error, Result};

/// Writes a row for each sample, or, where each step has a target, for each step that has one: the sample's title, the step
/// counted from 0, the target, the prediction; of classes also the probability of each, of values a column for
/// each target and each prediction. Values have all digits of an `f64`, probabilities those of an `f32`.
pub(crate) fn write(model: &Model, samples: &dyn Samples, out: impl Write) -> Result<()> {
    let schema = model.config().head.target();
    let mut out = csv::Writer::from_writer(out);
    out.write_record(header(&schema)?)?;
    let mut first = 0;
    each_prediction(model, samples, |batch, prediction| -> Result<()> {
        let rows = rows(&schema, prediction, batch.target())?;
        let positions = prediction.positions(batch.target()).map_err(fgn_train::Error::from)?;
        for ((sample, step), cells) in positions.into_iter().zip(rows) {
            let title = samples.title(first + sample as u32);
            let at = schema.is_per_step().then(|| step.to_string());
            out.write_record([title].into_iter().chain(at).chain(cells))?;
        }
        first += batch.size() as u32;
        Ok(())
    })?;
    out.flush().map_err(csv::Error::from)?;
    Ok(())
}

fn header(schema: &TargetSchema) -> Result<Vec<String>> {
    let names = schema.names().iter();
    let columns: Vec<String> = match schema {
        TargetSchema::Class { .. } => ["target".to_owned(), "prediction".into()]
            .into_iter()
            .chain(names.map(|name| format!("probability_{name}")))
            .collect(),
        TargetSchema::Value { .. } => names
            .flat_map(|name| [format!("target_{name}"), format!("prediction_{name}")])
            .collect(),
        _ => return Err(Error::NoTable),
    };
    let step = schema.is_per_step().then(|| "step".to_owned());
    Ok(["sample".to_owned()].into_iter().chain(step).chain(columns).collect())
}

/// Targets and predictions, row by row.
fn rows(schema: &TargetSchema, found: &Prediction, target: &Padded) -> Result<Vec<Vec<String>>> {
    let (predicted, target) = found.rows(target).map_err(fgn_train::Error::from)?;
    Ok(match found {
        Prediction::Logits(_) => {
            let name = |class: usize| schema.names().get(class).cloned().unwrap_or_default();
            let cells = |(logits, class): (Vec<f32>, u32)| {
                let named = [name(class as usize), name(argmax(&logits))].into_iter();
                named.chain(softmax(&logits).iter().map(f32::to_string)).collect()
            };
            let logits = predicted.to_dtype(DType::F32)?.to_vec2()?;
            logits.into_iter().zip(target.to_vec1()?).map(cells).collect()
        }
        Prediction::Values(_) => {
            let cells = |(values, targets): (Vec<f64>, Vec<f64>)| {
                let pairs = targets.iter().zip(values);
                pairs.flat_map(|(target, value)| [target.to_string(), value.to_string()]).collect()
            };
            predicted.to_vec2()?.into_iter().zip(target.to_vec2()?).map(cells).collect()
        }
        _ => return Err(Error::NoTable),
    })
}
