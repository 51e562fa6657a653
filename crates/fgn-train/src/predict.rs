//! Predictions for files.

use std::path::Path;

use fgn_data::{Batches, DataConfig, Like, Order, Samples};
use fgn_nn::{Answer, Mode, Model, ModelInput, State};
use fgn_schema::{Batch, Prediction, Schema, TargetSchema};

use crate::data::log_progress;
use crate::error::{Error, Result};
use crate::evaluation::evaluation_order;

/// Predicts every sample of `samples`, without a look at their targets unless these are the samples themselves, calling
/// `each` with the sample's title and its answer. For many calls with few samples, a [`Model::frozen`] is faster.
///
/// # Errors
/// Samples that the model cannot read; whatever `each` returns.
pub fn predict(
    model: &Model,
    samples: &dyn Samples,
    each: &mut dyn FnMut(String, Answer) -> Result<()>,
) -> Result<()> {
    model.config().input.accepts(&samples.schema().input)?;
    let mut index = 0;
    each_prediction(model, samples, |_, prediction| {
        for answer in model.decode(prediction)? {
            each(samples.title(index), answer)?;
            index += 1;
        }
        Ok(())
    })
}

/// Predicts `samples` batch by batch, in their order, and calls `each` with every batch and what is predicted for it.
/// States go on from batch to batch where they do so in an [evaluation](evaluation_order).
///
/// # Errors
/// Samples that the model cannot read; whatever `each` returns.
pub fn each_prediction<E: From<Error>>(
    model: &Model,
    samples: &dyn Samples,
    mut each: impl FnMut(&Batch, &Prediction) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let (order, size) = evaluation_order(model, samples);
    let mut state: Option<State> = None;
    for batch in Batches::new(samples, order, size, model.device()).map_err(Error::from)? {
        let batch = batch.map_err(Error::from)?;
        let mut input = ModelInput::new(batch.input());
        if let Some(state) = &state {
            input = input.with_state(state);
        }
        if predicts_its_input(&samples.schema().target) {
            input = input.with_target(batch.target());
        }
        let output = model.forward(input, Mode::Eval).map_err(Error::from)?;
        each(&batch, &output.prediction)?;
        state = (order == Order::Streams).then(|| output.state.detach());
    }
    Ok(())
}

/// Predicts what is in a file or folder: images, sequences of a table, or what else a reader of [`DataConfig`]
/// reads. It needs no targets. `data` says how the samples that the model was trained on were read. The answer of a model
/// that predicts the pixels of an image is how likely the image is.
///
/// # Errors
/// A file that no reader reads, or with other samples than the model's; those of [`predict`].
pub fn predict_file(
    model: &Model,
    data: &DataConfig,
    file: &Path,
    each: &mut dyn FnMut(String, Answer) -> Result<()>,
) -> Result<()> {
    let like = like(model);
    let like = match predicts_its_input(&like.schema.target) {
        true => like,
        false => like.unlabelled(),
    };
    let samples = data.read(file, &like, &mut log_progress)?;
    predict(model, &*samples, each)
}

/// Whether the target of a sample is the sample itself, and so is always known.
fn predicts_its_input(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Pixels { .. })
}

/// What samples must be for a model: those that it is evaluated on.
pub fn like(model: &Model) -> Like {
    let config = model.config();
    // The features' names are among the options of the reader.
    Like::new(Schema::new(config.input.samples(), config.head.target()), Vec::new())
}
