//! What a data set of texts holds, for `fgn data`.

use candle_core::Device;
use fgn_data::{Batches, Order, Padded, Samples, Tokenizer};
use fgn_report::grouped;
use serde_json::{Value, json};

use crate::error::Result;

/// Tokens of the vocabulary that are shown, and those of an example.
const SHOWN: usize = 40;
const EXAMPLE: usize = 60;

/// The number of tokens of all samples, each counted once.
pub(crate) fn tokens(samples: &dyn Samples) -> Result<u64> {
    if let Some(windows) = samples.windows() {
        return Ok(windows.steps());
    }
    let mut count = 0;
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        let batch = batch?;
        let input = batch.input();
        count += match input.lengths() {
            Some(lengths) => lengths.iter().sum::<usize>() as u64,
            None => input.tensor().elem_count() as u64,
        };
    }
    Ok(count)
}

/// The vocabularies and an example, as lines of text; nothing for samples without texts.
pub(crate) fn described(samples: &dyn Samples) -> Result<String> {
    let schema = samples.schema();
    let (read, written) = (schema.input.tokenizer(), schema.target.tokenizer());
    if read.is_none() && written.is_none() {
        return Ok(String::new());
    }
    let batch = samples.batch(&[0], &Device::Cpu)?;
    let (mut text, mut examples) = (String::new(), Vec::new());
    for (tokenizer, name, part) in
        [(read, "tokens    ", batch.input()), (written, "answers   ", batch.target())]
    {
        if let Some(tokenizer) = tokenizer {
            text += &format!("{name}{}\n", shown(tokenizer));
            examples.push(example(tokenizer, part)?);
        }
    }
    Ok(text + &format!("example   {}\n", examples.join(" -> ")))
}

/// As JSON: the vocabulary as names of tokens.
pub(crate) fn vocabulary(samples: &dyn Samples) -> Value {
    let names = |tokenizer: &Tokenizer| -> Vec<String> {
        (0..tokenizer.vocabulary() as u32).map(|token| tokenizer.name(token)).collect()
    };
    json!(samples.schema().input.tokenizer().map(names))
}

/// The first tokens of a vocabulary.
fn shown(tokenizer: &Tokenizer) -> String {
    let count = tokenizer.vocabulary();
    let names = (0..count.min(SHOWN) as u32).map(|token| format!("{:?}", tokenizer.name(token)));
    let names = names.collect::<Vec<_>>().join(" ");
    match count.saturating_sub(SHOWN) {
        0 => names,
        more => format!("{names} and {} more", grouped(more)),
    }
}

fn example(tokenizer: &Tokenizer, part: &Padded) -> Result<String> {
    let tokens: Vec<u32> = part.tensor().flatten_all()?.to_vec1()?;
    let text = tokenizer.decode(&tokens[..tokens.len().min(EXAMPLE)]);
    let more = if tokens.len() > EXAMPLE { "…" } else { "" };
    Ok(format!("{text:?}{more}"))
}
