//! Heads: from outputs of the recurrent layer to predictions.

mod read;

use fgn_nn::fgn_schema::Moments;
use fgn_nn::{
    Classification, Ctc, HeadConfig, NextItem, NextToken, Pixels, RecurrentConfig, Regression,
};

use self::read::{batch_first, read};
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::error::{Error, Result};
use crate::graph::{Dim, Value};
use crate::inputs::{EMBEDDING, unscaled};
use crate::proto::DataType;

/// The head over the outputs of `recurrent`, with an output for what it predicts.
pub(crate) fn head(
    context: &mut Context<'_>,
    config: &HeadConfig,
    outputs: &Sequences,
    recurrent: &RecurrentConfig,
) -> Result<()> {
    // Blocks mix the outputs of both directions: these are no halves any more.
    let bidirectional = recurrent.bidirectional && recurrent.block.is_none();
    match config {
        HeadConfig::Classification(config) => {
            classification(context, config, outputs, bidirectional)
        }
        HeadConfig::Regression(config) => regression(context, config, outputs, bidirectional),
        HeadConfig::NextToken(config) => next_token(context, config, outputs),
        HeadConfig::Ctc(config) => ctc(context, config, outputs),
        HeadConfig::NextItem(config) => next_item(context, config, outputs),
        HeadConfig::Pixels(config) => pixels(context, config, outputs),
        other => Err(Error::unsupported(
            format!("model.head ({})", other.kind()),
            "there is no graph for this kind of head",
        )),
    }
}

fn classification(
    context: &mut Context<'_>,
    config: &Classification,
    outputs: &Sequences,
    bidirectional: bool,
) -> Result<()> {
    let Classification { classes, names: _, per_step, pool } = config;
    let x = read(context, outputs, *per_step, *pool, bidirectional)?;
    let logits = context.linear("head", &x, [*classes, outputs.size])?;
    let shape = shape(outputs, *per_step, *classes);
    context.graph.output("logits", &logits, DataType::Float, &shape);
    Ok(())
}

fn regression(
    context: &mut Context<'_>,
    config: &Regression,
    outputs: &Sequences,
    bidirectional: bool,
) -> Result<()> {
    let Regression { values: count, names: _, per_step, scale, pool } = config;
    let x = read(context, outputs, *per_step, *pool, bidirectional)?;
    let mut values = context.linear("head", &x, [*count, outputs.size])?;
    // Without a scale the values are as the last layer computes them.
    let dtype = if scale.is_some() { context.unscaled } else { DataType::Float };
    if let Some(Moments { mean, std }) = scale {
        if dtype != DataType::Float {
            values = context.graph.cast(&values, dtype);
        }
        let mean = unscaled(context, "head.mean", mean);
        let std = unscaled(context, "head.std", std);
        let scaled = context.graph.mul(&values, &std);
        values = context.graph.add(&scaled, &mean);
    }
    let shape = shape(outputs, *per_step, *count);
    context.graph.output("values", &values, dtype, &shape);
    Ok(())
}

/// Logits of all tokens after each step; of clusters, the logarithms of their probabilities.
fn next_token(context: &mut Context<'_>, config: &NextToken, outputs: &Sequences) -> Result<()> {
    let NextToken {
        vocabulary,
        dropout: _,
        tied,
        cutoffs,
        activation_regularization: _,
        temporal_activation_regularization: _,
    } = config;
    let x = batch_first(context, outputs);
    let logits = match (tied, &cutoffs[..]) {
        (Some(size), _) => {
            let products = tied_products(context, &x, [*vocabulary, *size, outputs.size])?;
            let bias = context.parameter("head.bias", &[*vocabulary])?;
            context.graph.add(&products, &bias)
        }
        (None, []) => context.linear("head", &x, [*vocabulary, outputs.size])?,
        (None, cutoffs) => adaptive(context, &x, [outputs.size, *vocabulary], cutoffs)?,
    };
    let shape = shape(outputs, true, *vocabulary);
    context.graph.output("logits", &logits, DataType::Float, &shape);
    Ok(())
}

fn ctc(context: &mut Context<'_>, config: &Ctc, outputs: &Sequences) -> Result<()> {
    let Ctc { vocabulary, tokenizer: _, dropout: _, beam_size: _, zero_infinity: _ } = config;
    let x = batch_first(context, outputs);
    let logits = context.linear("head", &x, [*vocabulary, outputs.size])?;
    let shape = shape(outputs, true, *vocabulary);
    context.graph.output("logits", &logits, DataType::Float, &shape);
    Ok(())
}

/// Logits of all levels of grey for each pixel, from those before it.
fn pixels(context: &mut Context<'_>, config: &Pixels, outputs: &Sequences) -> Result<()> {
    let Pixels { levels } = *config;
    let x = batch_first(context, outputs);
    let logits = context.linear("head", &x, [levels, outputs.size])?;
    let shape = shape(outputs, true, levels);
    context.graph.output("logits", &logits, DataType::Float, &shape);
    Ok(())
}

/// Scores of all items after each step.
fn next_item(context: &mut Context<'_>, config: &NextItem, outputs: &Sequences) -> Result<()> {
    let NextItem {
        catalogue,
        loss: _,
        samples: _,
        alpha: _,
        in_batch: _,
        regularization: _,
        tied,
        bias,
        dropout: _,
        sparse: _,
    } = config;
    let items = catalogue.len();
    let x = batch_first(context, outputs);
    let mut scores = match tied {
        Some(size) => tied_products(context, &x, [items, *size, outputs.size])?,
        None => context.product("head.weight", &x, [items, outputs.size])?,
    };
    if *bias {
        let bias = context.parameter("head.bias", &[items])?;
        scores = context.graph.add(&scores, &bias);
    }
    let shape = shape(outputs, true, items);
    context.graph.output("scores", &scores, DataType::Float, &shape);
    Ok(())
}

/// The products with the vectors of the input layer's embedding.
fn tied_products(
    context: &mut Context<'_>,
    x: &Value,
    [count, size, inputs]: [usize; 3],
) -> Result<Value> {
    let projected = match size == inputs {
        true => x.clone(),
        false => context.product("head.projection.weight", x, [size, inputs])?,
    };
    let vectors = context.shared(EMBEDDING, &[count, size])?;
    let columns = context.graph.transpose(&vectors, &[1, 0]);
    Ok(context.graph.matmul(&projected, &columns))
}

/// The logarithms of the probabilities of all tokens, of an adaptive softmax.
fn adaptive(
    context: &mut Context<'_>,
    x: &Value,
    [inputs, vocabulary]: [usize; 2],
    cutoffs: &[usize],
) -> Result<Value> {
    let frequent = cutoffs.first().copied().unwrap_or(vocabulary);
    let whole = frequent + cutoffs.len();
    let head = context.product("head.head.weight", x, [whole, inputs])?;
    let head = log_softmax(context, &head);
    let mut parts = vec![context.graph.slice(&head, 2, 0, frequent)];
    let ends = cutoffs.iter().skip(1).chain([&vocabulary]);
    for (at, (start, end)) in cutoffs.iter().zip(ends).enumerate() {
        let size = inputs.checked_shr(at as u32 + 1).unwrap_or(0).max(1);
        let name = |part: usize| format!("head.tail.{at}.{part}.weight");
        let projected = context.product(&name(0), x, [size, inputs])?;
        let logits = context.product(&name(1), &projected, [end - start, size])?;
        let within = log_softmax(context, &logits);
        let of_cluster = context.graph.slice(&head, 2, frequent + at, frequent + at + 1);
        parts.push(context.graph.add(&within, &of_cluster));
    }
    Ok(context.graph.concat(&parts, 2))
}

fn log_softmax(context: &mut Context<'_>, logits: &Value) -> Value {
    context.graph.node("LogSoftmax", [logits], vec![attribute::int("axis", -1)])
}

fn shape(outputs: &Sequences, per_step: bool, size: usize) -> Vec<Dim> {
    match per_step {
        true => vec![Dim::Named("batch"), outputs.time(), Dim::Fixed(size)],
        false => vec![Dim::Named("batch"), Dim::Fixed(size)],
    }
}
