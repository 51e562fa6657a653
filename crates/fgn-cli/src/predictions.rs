//! Targets and predictions as CSV: a row for each sample, or for each of its steps.

use std::io::Write;

use candle_core::DType;
use fgn_data::{Batches, Order, Samples};
use fgn_nn::{Mode, Model, argmax, softmax};
use fgn_schema::{Padded, Prediction, TargetSchema};
use fgn_train::EVALUATION_BATCH;

use crate::error::{Error, Result};

/// Writes a row for each sample, or, where each step has a target, for each step: the sample's title, the step
/// counted from 0, the target, the prediction; of classes also the probability of each, of values a column for
/// each target and each prediction. Values have all digits of an `f64`, probabilities those of an `f32`.
pub(crate) fn write(model: &Model, samples: &dyn Samples, out: impl Write) -> Result<()> {
    let schema = model.config().head.target();
    let mut out = csv::Writer::from_writer(out);
    out.write_record(header(&schema)?)?;
    let size = EVALUATION_BATCH.min(samples.len());
    let mut indices = 0..samples.len() as u32;
    for batch in Batches::new(samples, Order::AsGiven, size, model.device())? {
        let batch = batch?;
        let prediction = model.forward(batch.input(), Mode::Eval)?.prediction;
        let mut rows = rows(&schema, &prediction, batch.target())?.into_iter();
        for (steps, index) in steps(prediction.output()).into_iter().zip(indices.by_ref()) {
            let title = samples.title(index);
            for step in 0..steps {
                let at = schema.is_per_step().then(|| step.to_string());
                let cells = rows.next().unwrap_or_default();
                out.write_record([title.clone()].into_iter().chain(at).chain(cells))?;
            }
        }
    }
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

/// How many rows each sample of a batch has.
fn steps(output: &Padded) -> Vec<usize> {
    let count = if output.tensor().rank() == 3 { output.tensor().dims()[1] } else { 1 };
    output.lengths().map_or_else(|| vec![count; output.batch_size()], <[usize]>::to_vec)
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
