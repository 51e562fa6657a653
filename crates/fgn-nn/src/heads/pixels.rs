//! The pixels of an image, one after the other.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;
use fgn_kernels::Emit;
use fgn_schema::{Padded, Prediction, Statistics, TargetSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::kind::{Encoded, Head, HeadKind};
use super::outputs;
use crate::check::{self, check};
use crate::dense::Linear;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::inputs::InputConfig;
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;
use crate::recurrent::RecurrentConfig;

/// Predicts the level of grey of each pixel from those before it: the likelihood of an image is the product of its
/// pixels' (PixelRNN, van den Oord et al. 2016). A linear layer and a softmax over the levels; the loss is the mean
/// negative log-likelihood of a pixel. It follows the input layer [`ImageRaster`](crate::ImageRaster) and recurrent
/// layers of one direction, which hide a pixel from its own step.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// How many levels of grey there are, 2 to 256.
    pub levels: usize,
}

impl Pixels {
    /// Of so many levels of grey.
    pub fn new(levels: usize) -> Self {
        Self { levels }
    }
}

impl HeadKind for Pixels {
    fn stand_in() -> TargetSchema {
        TargetSchema::Pixels { levels: 2 }
    }

    fn complete(
        _: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::Pixels { levels } = targets else { return None };
        Some(Map::from_iter([("levels".into(), json!(levels))]))
    }

    fn validate(&self) -> Result<()> {
        check::range("head.levels", self.levels, 2..=256)
    }

    fn target(&self) -> TargetSchema {
        TargetSchema::Pixels { levels: self.levels }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["nats", "bits"]
    }

    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match *targets == self.target() {
            true => Ok(()),
            false => Err(Error::Mismatch {
                found: targets.to_string(),
                expected: format!("{} (model.head.levels)", self.target()),
            }),
        }
    }

    fn accepts_recurrent(&self, recurrent: &RecurrentConfig) -> Result<()> {
        let expected = "false: the other direction knows the pixels that are predicted";
        let field = "recurrent.bidirectional";
        check(!recurrent.bidirectional, field, recurrent.bidirectional, expected)
    }

    fn accepts_input(&self, input: &InputConfig) -> Result<()> {
        let is_raster = matches!(input, InputConfig::ImageRaster(_));
        let expected = "image-raster: the head `pixels` predicts what other layers show";
        check(is_raster, "input.kind", input.kind(), expected)
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        let linear = Linear::new(parameters, name, inputs, self.levels)?;
        Ok(Box::new(PixelsHead { linear, levels: self.levels }))
    }
}

#[derive(Debug)]
struct PixelsHead {
    linear: Linear,
    levels: usize,
}

impl Head for PixelsHead {
    fn emit(&self) -> Emit {
        Emit::All
    }

    /// The log-likelihoods of the pixels where they are given, else the logits of all levels.
    fn forward(
        &self,
        encoded: &Encoded<'_>,
        target: Option<&Padded>,
        _: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let logits = outputs::batch(self.linear.forward(encoded.output)?, true, encoded)?;
        match target {
            Some(target) => {
                Ok(Prediction::LogLikelihoods(self.likelihoods(logits.tensor(), target)?.into()))
            }
            None => Ok(Prediction::Logits(logits)),
        }
    }

    fn linear(&self) -> Option<&Linear> {
        Some(&self.linear)
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        options.without_label_smoothing()?;
        let likelihoods = match prediction {
            Prediction::Logits(logits) => self.likelihoods(logits.tensor(), target)?,
            Prediction::LogLikelihoods(_) => prediction.rows(target)?.0,
            _ => return Err(wrong(prediction)),
        };
        let count = likelihoods.elem_count();
        Ok(Loss::new(likelihoods.mean_all()?.neg()?, count))
    }

    /// The log-likelihood of each image.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let Prediction::LogLikelihoods(likelihoods) = prediction else {
            return Err(wrong(prediction));
        };
        let images = likelihoods.tensor().to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let answer = |pixels: &Vec<f64>| {
            let nats = -pixels.iter().sum::<f64>();
            let bits = nats / std::f64::consts::LN_2 / pixels.len() as f64;
            let numbers = [("nats", nats), ("bits", bits)];
            let numbers = numbers.map(|(key, x)| (key.to_owned(), answer::number(x as f32)));
            let text = format!("{nats:.3} nats, {bits:.4} bits per dimension");
            Answer::new(text, Map::from_iter(numbers))
        };
        Ok(images.iter().map(answer).collect())
    }
}

impl PixelsHead {
    /// The log-likelihood of each pixel, `[B, T]`, from `logits: [B, T, levels]`.
    fn likelihoods(&self, logits: &Tensor, target: &Padded) -> Result<Tensor> {
        let (batch, steps, levels) = logits.dims3()?;
        let pixels = target.tensor();
        if pixels.dims() != [batch, steps] || target.lengths().is_some() {
            let expected = format!("[{batch}, {steps}] without lengths");
            return Err(check::wrong_shape("targets", pixels, expected));
        }
        if pixels.dtype() != DType::U32 {
            return Err(Error::DType { what: "targets", found: pixels.dtype(), expected: "U32" });
        }
        let pixels = pixels.flatten_all()?;
        // Candle's `gather` takes u32::MAX for "no index": look before.
        let found = pixels.to_vec1::<u32>()?;
        if let Some(index) = found.iter().position(|&level| level as usize >= self.levels) {
            return Err(Error::Target { index, found: found[index], last: self.levels - 1 });
        }
        let rows = log_softmax(&logits.reshape((batch * steps, levels))?, D::Minus1)?;
        Ok(rows.gather(&pixels.unsqueeze(1)?, 1)?.reshape((batch, steps))?)
    }
}

fn wrong(prediction: &Prediction) -> Error {
    let expected = "log-likelihoods: of a model that is given the pixels as its target";
    Error::Prediction { found: prediction.kind(), expected }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::inputs::{ImagePixels, ImageRaster};
    use crate::recurrent::State;

    /// A head whose logits of three levels are the outputs themselves.
    fn head() -> Box<dyn Head> {
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        let head = Pixels::new(3).build(&mut parameters, "head", 3).unwrap();
        let weight = &parameters.list().iter().find(|(name, _)| name == "head.weight").unwrap().1;
        weight.set(&Tensor::eye(3, DType::F64, &Device::Cpu).unwrap()).unwrap();
        head
    }

    fn target<const B: usize>(pixels: &[[u32; 2]; B]) -> Padded {
        Tensor::new(pixels, &Device::Cpu).unwrap().into()
    }

    #[test]
    fn the_loss_is_the_mean_over_pixels_whichever_way_it_is_computed() {
        // [T, B, levels]
        let outputs: [[[f64; 3]; 2]; 2] =
            [[[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]];
        let output = Tensor::new(&outputs, &Device::Cpu).unwrap();
        let (head, state) = (head(), State::new(Vec::new(), false));
        let encoded = Encoded::new(&output, None, &state);
        let pixels = [[2, 0], [0, 1]];
        let nats = |image: usize| -> f64 {
            let step = |step: usize| {
                let logits = outputs[step][image];
                logits.iter().map(|logit| logit.exp()).sum::<f64>().ln()
                    - logits[pixels[image][step] as usize]
            };
            step(0) + step(1)
        };
        let logits = head.forward(&encoded, None, &mut Mode::Eval).unwrap();
        let given = head.forward(&encoded, Some(&target(&pixels)), &mut Mode::Eval).unwrap();
        assert_eq!((logits.kind(), given.kind()), ("logits", "log-likelihoods"));
        for prediction in [&logits, &given] {
            let loss = head.loss(prediction, &target(&pixels), &LossOptions::default()).unwrap();
            let mean = loss.mean.to_scalar::<f64>().unwrap();
            assert!((mean - (nats(0) + nats(1)) / 4.0).abs() < 1e-12);
            assert_eq!(loss.targets, 4);
        }
        let answers = head.decode(&given).unwrap();
        let found = answers[1].json()["nats"].as_f64().unwrap();
        assert!((found - nats(1)).abs() < 1e-6, "{found}");
        let bits = nats(1) / 2.0 / 2f64.ln();
        let expected = format!("{:.3} nats, {bits:.4} bits per dimension", nats(1));
        assert_eq!(answers[1].text(), expected);
        let error = head.decode(&logits).unwrap_err().to_string();
        assert!(error.contains("given the pixels as its target"), "{error}");
    }

    #[test]
    fn targets_that_do_not_fit_are_refused() {
        let output = Tensor::zeros((2, 2, 3), DType::F64, &Device::Cpu).unwrap();
        let (head, state) = (head(), State::new(Vec::new(), false));
        let encoded = Encoded::new(&output, None, &state);
        let forward = |target: Padded| {
            head.forward(&encoded, Some(&target), &mut Mode::Eval).unwrap_err().to_string()
        };
        assert!(forward(target(&[[0, 1], [2, 3]])).contains("3"), "3 is no level");
        assert!(forward(target(&[[0, 1], [2, u32::MAX]])).contains("4294967295"));
        assert!(forward(target(&[[0, 1]])).contains("expected [2, 2] without lengths"));
        let wrong = Tensor::zeros((2, 2), DType::I64, &Device::Cpu).unwrap();
        assert!(forward(wrong.into()).contains("U32"));
    }

    #[test]
    fn layers_that_know_the_pixel_are_refused() {
        let pixels = Pixels::new(2);
        pixels.accepts_input(&ImageRaster::new(3, 3).into()).unwrap();
        let error = pixels.accepts_input(&ImagePixels::new(3, 3).into()).unwrap_err().to_string();
        assert!(
            error.starts_with("`input.kind` is image-pixels, expected image-raster"),
            "{error}"
        );
        let recurrent = RecurrentConfig::new(fgn_core::AnyCell::LSTM, 4);
        pixels.accepts_recurrent(&recurrent).unwrap();
        let both = RecurrentConfig { bidirectional: true, ..recurrent };
        let error = pixels.accepts_recurrent(&both).unwrap_err().to_string();
        assert!(error.starts_with("`recurrent.bidirectional` is true, expected false"), "{error}");
        let error = Pixels::new(257).validate().unwrap_err().to_string();
        assert_eq!(error, "`head.levels` is 257, expected 2 to 256");
        let error = pixels.accepts(&TargetSchema::Pixels { levels: 3 }).unwrap_err().to_string();
        assert!(error.contains("in 3 levels of grey, expected the pixels"), "{error}");
    }
}
