//! Models of images: likelihoods, and generation.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{Padded, Prediction};
use fgn_nn::{
    DenseConfig, Error, GeneratedImage, Generator, ImagePixels, ImageRaster, ImageRequest,
    LossOptions, Mode, Model, ModelConfig, ModelInput, Pixels, Precision, RecurrentConfig, Sampler,
    SamplerOptions,
};

use crate::common::{check_gradients, flat, random, scramble};

const HEIGHT: usize = 5;
const WIDTH: usize = 4;
const LEVELS: usize = 3;

fn config(dense: bool) -> ModelConfig {
    let raster =
        ImageRaster { rows: 2, radius: 1, coordinates: true, ..ImageRaster::new(HEIGHT, WIDTH) };
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 11) };
    let mut config = ModelConfig::new(raster, recurrent, Pixels::new(LEVELS));
    config.dense = dense.then_some(DenseConfig { size: 9, dropout: 0.0 });
    config
}

/// A model whose weights are large: no pixel is as likely as another.
fn model(dense: bool) -> Model {
    let model = Model::new(&config(dense), 5, DType::F32, &Device::Cpu).unwrap();
    for (index, (_, var)) in model.parameters().iter().enumerate() {
        let values = random(var.dims(), 300 + index as u64).to_dtype(DType::F32).unwrap();
        var.set(&(values * 0.9).unwrap()).unwrap();
    }
    model
}

/// Images as input and as target.
fn batch(images: &[Vec<u32>], dtype: DType) -> (Padded, Padded) {
    let pixels = Tensor::from_vec(images.concat(), (images.len(), HEIGHT * WIDTH), &Device::Cpu);
    let pixels = pixels.unwrap();
    let input = (pixels.to_dtype(DType::F64).unwrap() / (LEVELS - 1) as f64).unwrap();
    let input = input.reshape((images.len(), HEIGHT, WIDTH)).unwrap().to_dtype(dtype).unwrap();
    (input.into(), pixels.into())
}

/// Some images without any structure.
fn images(count: usize) -> Vec<Vec<u32>> {
    let pixel = |image: usize, at: usize| ((image * 7 + at * at * 5 + at * image) % LEVELS) as u32;
    (0..count).map(|image| (0..HEIGHT * WIDTH).map(|at| pixel(image, at)).collect()).collect()
}

fn request(known: &[u32], seed: u64, options: SamplerOptions) -> ImageRequest {
    ImageRequest { known: known.to_vec(), sampler: Sampler::new(options, seed).unwrap() }
}

/// Images by the seeds from `first` on, from the model's own distribution.
fn generated(
    model: &Model,
    threads: usize,
    seeds: std::ops::Range<u64>,
    known: &[u32],
) -> Vec<GeneratedImage> {
    let mut generator = model.image_generator(Precision::F32, threads).unwrap();
    let requests = seeds.map(|seed| request(known, seed, SamplerOptions::default()));
    generator.generate(requests.collect(), &mut |_| ()).unwrap()
}

#[test]
fn the_likelihood_of_known_pixels_is_that_of_the_forward_pass() {
    let all = images(70);
    for dense in [false, true] {
        let model = model(dense);
        let (input, target) = batch(&all, DType::F32);
        let input = ModelInput::new(&input).with_target(&target);
        let prediction = model.forward(input, Mode::Eval).unwrap().prediction;
        let Prediction::LogLikelihoods(likelihoods) = &prediction else { panic!("{prediction:?}") };
        let rows = likelihoods.tensor().to_vec2::<f32>().unwrap();
        for threads in [1, 2] {
            let mut generator = model.image_generator(Precision::F32, threads).unwrap();
            let requests = all.iter().map(|known| request(known, 1, SamplerOptions::default()));
            let found = generator.generate(requests.collect(), &mut |_| ()).unwrap();
            for ((found, expected), image) in found.iter().zip(&rows).zip(&all) {
                assert_eq!(&found.pixels, image);
                let expected: f64 = expected.iter().map(|&x| f64::from(x)).sum();
                let error = (found.log_likelihood - expected).abs();
                assert!(error < 1e-4, "{} {expected}", found.log_likelihood);
            }
        }
    }
}

#[test]
fn an_image_does_not_depend_on_those_beside_it() {
    let model = model(false);
    let known = [2, 0, 1, 1, 0];
    for known in [&known[..], &[]] {
        let many = generated(&model, 1, 3..3 + 71, known);
        assert!(many.iter().any(|image| image.pixels != many[0].pixels));
        for (count, threads) in [(1, 1), (2, 2), (3, 1), (5, 3), (64, 1), (66, 2)] {
            let few = generated(&model, threads, 3..3 + count, known);
            assert_eq!(few, many[..count as usize], "{count} images, {threads} threads");
        }
        assert!(many.iter().all(|image| image.pixels.starts_with(known)));
        // By their own seed, wherever they stand.
        assert_eq!(generated(&model, 1, 20..21, known)[0], many[17]);
    }
}

/// The shares of the levels of the first pixel, which has no pixel before it, and of the second after each level.
#[test]
fn pixels_have_the_probabilities_of_the_model() {
    const DRAWN: usize = 6000;
    let model = model(true);
    let found = generated(&model, 1, 0..DRAWN as u64, &[]);
    for first in 0..LEVELS as u32 {
        let of_first: Vec<_> = found.iter().filter(|image| image.pixels[0] == first).collect();
        let mut image = vec![0; HEIGHT * WIDTH];
        image[0] = first;
        let (input, _) = batch(&[image], DType::F32);
        let prediction = model.forward(&input, Mode::Eval).unwrap().prediction;
        let logits = flat(prediction.output().tensor());
        let probability = |step: usize, level: usize| {
            let row = &logits[step * LEVELS..][..LEVELS];
            row[level].exp() / row.iter().map(|x| x.exp()).sum::<f64>()
        };
        // Five standard deviations of a share, and a little more for a few draws.
        let check = |share: f64, p: f64, count: usize| {
            let bound = 5.0 * (p * (1.0 - p) / count as f64).sqrt() + 1.0 / count as f64;
            assert!((share - p).abs() <= bound, "{share} of {count}, expected {p}");
        };
        let share = of_first.len() as f64 / DRAWN as f64;
        check(share, probability(0, first as usize), DRAWN);
        for second in 0..LEVELS {
            let both = of_first.iter().filter(|image| image.pixels[1] == second as u32).count();
            if of_first.len() > 100 {
                let share = both as f64 / of_first.len() as f64;
                check(share, probability(1, second), of_first.len());
            }
        }
    }
}

#[test]
fn what_is_certain_is_always_generated() {
    let model = model(false);
    for (name, var) in model.parameters() {
        match &name[..] {
            "head.weight" => var.set(&var.zeros_like().unwrap()).unwrap(),
            "head.bias" => {
                var.set(&Tensor::new(&[0f32, 0.0, 1e4], &Device::Cpu).unwrap()).unwrap();
            }
            _ => {}
        }
    }
    for image in generated(&model, 1, 0..5, &[]) {
        assert_eq!((image.pixels, image.log_likelihood), (vec![2; HEIGHT * WIDTH], 0.0));
    }
    let greedy = request(&[1], 1, SamplerOptions::greedy());
    let mut done = Vec::new();
    let mut generator = model.image_generator(Precision::Int8, 1).unwrap();
    let images = generator.generate(vec![greedy], &mut |pixels| done.push(pixels)).unwrap();
    assert_eq!(images[0].pixels[..3], [1, 2, 2]);
    assert_eq!(images[0].log_likelihood, -1e4);
    assert_eq!(done, (1..=HEIGHT * WIDTH).collect::<Vec<_>>());
}

#[test]
fn no_prediction_depends_on_its_pixel_or_later_ones() {
    let model = model(true);
    let logits = |images: &[Vec<u32>]| {
        let (input, _) = batch(images, DType::F32);
        flat(model.forward(&input, Mode::Eval).unwrap().prediction.output().tensor())
    };
    let image = images(1).remove(0);
    let before = logits(std::slice::from_ref(&image));
    for at in 0..HEIGHT * WIDTH {
        let mut other = image.clone();
        other[at] = (other[at] + 1) % LEVELS as u32;
        let after = logits(&[other]);
        let seen = (at + 1) * LEVELS;
        assert_eq!(before[..seen], after[..seen], "pixel {at}");
        assert!(at + 1 == HEIGHT * WIDTH || before[seen..] != after[seen..], "pixel {at}");
    }
}

#[test]
fn gradients_of_all_parameters_reach_the_loss() {
    let model = Model::new(&config(true), 5, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    let (input, target) = batch(&images(2), DType::F64);
    check_gradients(model.parameters(), || {
        let mut generator = Generator::seed_from_u64(1);
        let input = ModelInput::new(&input).with_target(&target);
        let found = model.forward(input, Mode::Train(&mut generator)).unwrap();
        model.loss(&found.prediction, &target, &LossOptions::default()).unwrap().mean
    });
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let model = model(false);
    let mut generator = model.image_generator(Precision::F32, 1).unwrap();
    assert_eq!((generator.size(), generator.levels()), ([HEIGHT, WIDTH], LEVELS));
    assert_eq!(generator.generate(Vec::new(), &mut |_| ()).unwrap(), []);
    let mut error = |known: &[u32]| {
        let request = request(known, 1, SamplerOptions::default());
        generator.generate(vec![request], &mut |_| ()).unwrap_err()
    };
    let found = error(&[0; HEIGHT * WIDTH + 1]).to_string();
    assert!(found.contains("known pixels") && found.contains("5 x 4 pixels"), "{found}");
    assert!(matches!(error(&[0, 3]), Error::Target { index: 1, found: 3, last: 2 }));
    assert!(model.image_generator(Precision::F32, 0).is_err());

    let other = ModelConfig::new(
        ImageRaster::new(2, 2),
        RecurrentConfig::new(AnyCell::LSTM, 3),
        fgn_nn::Classification::new(2),
    );
    let other = Model::new(&other, 1, DType::F32, &Device::Cpu).unwrap();
    let error = other.image_generator(Precision::F32, 1).err().unwrap().to_string();
    assert!(error.contains("2 classes, expected images, and their pixels"), "{error}");

    let recurrent = RecurrentConfig::new(AnyCell::LSTM, 3);
    let shown = ModelConfig::new(ImagePixels::new(2, 2), recurrent, Pixels::new(2));
    let error = Model::new(&shown, 1, DType::F32, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("`input.kind` is image-pixels, expected image-raster"), "{error}");
}
