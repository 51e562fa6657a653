use super::*;
use crate::error::Error;

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = Generator::seed_from_u64(seed);
    (0..count).map(|_| (2.0 * generator.next_f64() - 1.0) as f32).collect()
}

fn layer(config: &Audio) -> Box<dyn InputLayer> {
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    let layer = config.build(&mut parameters, "input").unwrap();
    assert!(parameters.finish().unwrap().0.is_empty());
    layer
}

/// Sounds of 1000, 700 and 30 samples as a batch.
fn sounds() -> (Padded, Vec<Vec<f32>>) {
    let sounds = [noise(1000, 1), noise(700, 2), noise(30, 3)];
    let rows = sounds.iter().flat_map(|sound| {
        let mut row = sound.clone();
        row.resize(1000, 0.0);
        row
    });
    let tensor = Tensor::from_vec(rows.collect(), (3, 1000), &Device::Cpu).unwrap();
    (Padded::with_lengths(tensor, vec![1000, 700, 30]).unwrap(), sounds.to_vec())
}

#[test]
fn a_batch_has_the_features_of_each_sound() {
    let scale = Some(Moments { mean: vec![0.25], std: vec![0.5] });
    let config = Audio { scale, ..Audio::new(8000) };
    let (batch, sounds) = sounds();
    let found = layer(&config).forward(&batch, &mut Mode::Eval).unwrap();
    let features = Features::new(&config.front_end, 8000).unwrap();
    let size = config.features();
    assert_eq!((size, features.size()), (40, 40));
    let lengths = found.lengths().unwrap().to_vec();
    for (at, sound) in sounds.iter().enumerate() {
        let scaled: Vec<f32> = sound.iter().map(|x| (x - 0.25) * 2.0).collect();
        let expected = features.compute(&scaled).unwrap();
        assert_eq!(lengths[at] * size, expected.len());
        let steps = found.tensor().narrow(1, at, 1).unwrap();
        let steps = steps.narrow(0, 0, lengths[at]).unwrap().flatten_all().unwrap();
        assert_eq!(steps.to_vec1::<f32>().unwrap(), expected);
    }
}

#[test]
fn changes_are_drawn_in_training_alone_and_by_its_seed() {
    let augment = AudioAugment {
        speed: 0.2,
        gain: 6.0,
        noise: Some(Noise { kind: NoiseKind::Babble, snr: [0.0, 20.0], probability: 0.9 }),
        ..AudioAugment::default()
    };
    let layer = layer(&Audio { augment, ..Audio::new(8000) });
    let (batch, _) = sounds();
    let run = |mode: &mut Mode<'_>| {
        let found = layer.forward(&batch, mode).unwrap();
        found.tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let trained = |seed| run(&mut Mode::Train(&mut Generator::seed_from_u64(seed)));
    assert_eq!(run(&mut Mode::Eval), run(&mut Mode::Eval));
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
    assert_ne!(trained(1), run(&mut Mode::Eval));
}

#[test]
fn what_is_no_sound_is_refused() {
    let layer = layer(&Audio::new(8000));
    for shape in [&[2, 3, 1][..], &[0, 5], &[5]] {
        let x = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let error = layer.forward(&x.into(), &mut Mode::Eval).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    let x = Tensor::new(&[[0f32, f32::NAN]], &Device::Cpu).unwrap();
    assert!(layer.forward(&x.into(), &mut Mode::Eval).is_err());
    assert!(Audio::new(0).validate().is_err());
}

#[test]
fn the_rate_and_the_loudness_follow_from_the_data() {
    let statistics = Statistics::new(Some(Moments { mean: vec![0.0], std: vec![0.1] }), None);
    let samples = InputSchema::Audio { sample_rate: 8000 };
    let keys = Audio::complete(&Map::new(), &samples, &statistics).unwrap();
    let found: Audio = serde_json::from_value(keys.into()).unwrap();
    assert_eq!(found, Audio { scale: statistics.input, ..Audio::new(8000) });
    assert_eq!(found.samples(), samples);
    assert!(
        Audio::complete(&Map::new(), &InputSchema::Series { features: 1 }, &Statistics::default())
            .is_none()
    );
}
