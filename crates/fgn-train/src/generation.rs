//! Short texts that a language model writes, and images that a model generates, to look at.

use candle_core::{DType, Device};
use fgn_nn::{
    GeneratedImage, ImageRequest, InputConfig, Model, Precision, Sampler, SamplerOptions, Stop,
};
use fgn_schema::TargetSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A text that a model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedText {
    /// What it continues.
    pub prompt: String,
    /// What follows the prompt.
    pub text: String,
}

/// A little below 1, so that a few unlikely tokens do not spoil a short text.
const TEMPERATURE: f64 = 0.8;

/// Continues `prompt`, or a line end, by `length` tokens; none for a model that writes no texts.
///
/// # Errors
/// A prompt with symbols that the vocabulary lacks.
pub(crate) fn generate(
    model: &Model,
    prompt: Option<&str>,
    length: usize,
    seed: u64,
) -> Result<Option<GeneratedText>> {
    let config = model.config();
    let input = config.input.samples();
    let writes = matches!(config.head.target(), TargetSchema::NextToken { .. });
    if input.tokenizer().is_none() || !writes || config.recurrent.bidirectional {
        return Ok(None);
    }
    let options = SamplerOptions { temperature: TEMPERATURE, ..SamplerOptions::default() };
    let sampler = Sampler::new(options, seed)?;
    let copy = on_cpu(model)?;
    let model = copy.as_ref().unwrap_or(model);
    let mut generator = model.text_generator(Precision::F32, 1, sampler)?;
    let prompt = match prompt {
        Some(prompt) => {
            generator.read(prompt)?;
            prompt.to_owned()
        }
        None => generator.begin()?,
    };
    let stop = Stop::default();
    let text = generator.pieces(&stop).take(length).collect::<fgn_nn::Result<String>>()?;
    Ok(Some(GeneratedText { prompt, text }))
}

/// Generates an image for each of `known`, which are the first pixels of each: from the model's own distribution, the
/// image at index `i` by `seed + i`. None for a model that generates no images.
///
/// # Errors
/// Known pixels that do not fit.
pub(crate) fn generate_images(
    model: &Model,
    known: &[Vec<u32>],
    seed: u64,
) -> Result<Option<Vec<GeneratedImage>>> {
    let config = model.config();
    let is_raster = matches!(config.input, InputConfig::ImageRaster(_));
    if !is_raster || !matches!(config.head.target(), TargetSchema::Pixels { .. }) {
        return Ok(None);
    }
    let copy = on_cpu(model)?;
    let model = copy.as_ref().unwrap_or(model);
    let mut generator = model.image_generator(Precision::F32, 1)?;
    let request = |(index, known): (u64, &Vec<u32>)| {
        let sampler = Sampler::new(SamplerOptions::default(), seed.wrapping_add(index))?;
        Ok(ImageRequest { known: known.clone(), sampler })
    };
    let requests = (0..).zip(known).map(request).collect::<Result<_>>()?;
    Ok(Some(generator.generate(requests, &mut |_| ())?))
}

/// A copy in `f32` on the CPU, where texts and images are generated; none of a model that is there.
fn on_cpu(model: &Model) -> Result<Option<Model>> {
    let is_f32 = model.parameters().iter().all(|(_, var)| var.dtype() == DType::F32);
    if model.device().is_cpu() && is_f32 {
        return Ok(None);
    }
    let copy = Model::new(model.config(), 0, DType::F32, &Device::Cpu)?;
    for ((_, to), (_, from)) in copy.parameters().iter().zip(model.parameters()) {
        to.set(&from.to_device(&Device::Cpu)?.to_dtype(DType::F32)?)?;
    }
    Ok(Some(copy))
}

#[cfg(test)]
mod tests {
    use fgn_core::AnyCell;
    use fgn_nn::{
        Embedding, ImageRaster, ImageRows, ModelConfig, NextToken, Pixels, RecurrentConfig,
    };
    use fgn_schema::Tokenizer;

    use super::*;

    fn model(input: impl Into<InputConfig>, dtype: DType) -> Model {
        let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 8) };
        let config = ModelConfig::new(input, recurrent, NextToken::new(4));
        Model::new(&config, 1, dtype, &Device::Cpu).unwrap()
    }

    fn letters(symbols: &str) -> Embedding {
        let tokenizer = Some(Tokenizer::characters(symbols, &[]).unwrap());
        Embedding { tokenizer, ..Embedding::new(4, 3) }
    }

    #[test]
    fn a_text_begins_with_a_line_end_or_the_first_token() {
        for (symbols, begin) in [("ab\nc", "\n"), ("xabc", "x")] {
            let model = model(letters(symbols), DType::F32);
            let found = generate(&model, None, 30, 5).unwrap().unwrap();
            assert_eq!((&found.prompt[..], found.text.chars().count()), (begin, 30));
            assert_eq!(generate(&model, Some(begin), 30, 5).unwrap(), Some(found.clone()));
            assert_ne!(generate(&model, None, 30, 6).unwrap(), Some(found));
            assert!(generate(&model, Some("z"), 30, 5).is_err());
        }
    }

    #[test]
    fn a_model_in_f64_writes_too() {
        let [single, double] = [DType::F32, DType::F64].map(|dtype| {
            generate(&model(letters("abcd"), dtype), Some("ab"), 20, 3).unwrap().unwrap()
        });
        assert_eq!(single, double, "both were drawn from one seed");
    }

    #[test]
    fn images_begin_with_what_is_known_in_f64_too() {
        let recurrent = RecurrentConfig::new(AnyCell::LSTM, 8);
        let config = ModelConfig::new(ImageRaster::new(3, 4), recurrent, Pixels::new(3));
        let known = [vec![], vec![2, 1, 0, 2], vec![1; 12]];
        let [single, double] = [DType::F32, DType::F64].map(|dtype| {
            let model = Model::new(&config, 1, dtype, &Device::Cpu).unwrap();
            assert!(generate(&model, None, 9, 1).unwrap().is_none());
            generate_images(&model, &known, 4).unwrap().unwrap()
        });
        assert_eq!(single, double, "both were drawn from one seed");
        for (image, known) in single.iter().zip(&known) {
            assert!(image.pixels.len() == 12 && image.pixels.starts_with(known));
        }
        let texts = model(letters("abcd"), DType::F32);
        assert_eq!(generate_images(&texts, &known, 4).unwrap(), None);
    }

    #[test]
    fn a_model_of_no_texts_writes_none() {
        for input in [InputConfig::from(Embedding::new(4, 3)), ImageRows::new(2, 2).into()] {
            assert_eq!(generate(&model(input, DType::F32), None, 9, 1).unwrap(), None);
        }
    }
}
