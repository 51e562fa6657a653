//! Random changes of series in training.

use candle_core::{DType, Device, Tensor};
use rand_distr::{Distribution as _, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::dropout::Mode;
use crate::error::Result;
use crate::random::Generator;

/// Random changes of series in training, which make a model indifferent to them (Um et al. 2017). All are off unless
/// given. Each series draws its own, by the training's seed. They change features as the model reads them: standardised,
/// where the layer has a scale.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesAugment {
    /// The standard deviation of noise that is added to each number.
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter: f64,
    /// The standard deviation of a factor about 1 by which each feature of a series is multiplied, at all its steps.
    #[serde(skip_serializing_if = "is_zero")]
    pub scale: f64,
    /// Cuts off up to this share of the steps of a series: at its beginning, at its end, or at both.
    #[serde(skip_serializing_if = "is_zero")]
    pub crop: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl SeriesAugment {
    /// Whether it changes nothing.
    pub(super) fn is_none(&self) -> bool {
        *self == SeriesAugment::default()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let jitter = "a standard deviation from 0 to 10";
        check((0.0..=10.0).contains(&self.jitter), "input.augment.jitter", self.jitter, jitter)?;
        let scale = "a standard deviation from 0 to 1";
        check((0.0..=1.0).contains(&self.scale), "input.augment.scale", self.scale, scale)?;
        let crop = "a share from 0 to 0.9";
        check((0.0..=0.9).contains(&self.crop), "input.augment.crop", self.crop, crop)
    }

    /// The series `x: [B, T, features]` and their lengths, in training changed. Padding stays zero.
    pub(super) fn apply(
        &self,
        x: Tensor,
        lengths: Option<&[usize]>,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, Option<Vec<usize>>)> {
        let generator = match mode {
            Mode::Train(generator) if !self.is_none() => generator,
            _ => return Ok((x, lengths.map(<[_]>::to_vec))),
        };
        let (batch, longest, features) = x.dims3()?;
        let (dtype, device) = (x.dtype(), x.device().clone());
        let all =
            x.to_dtype(DType::F64)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f64>()?;
        let mut series: Vec<Vec<f64>> = Vec::with_capacity(batch);
        for (at, all) in all.chunks_exact(longest * features).enumerate() {
            let steps = lengths.map_or(longest, |lengths| lengths[at]);
            // One seed each: what a series draws does not depend on the lengths of the others.
            let own = &mut Generator::seed_from_u64(generator.next_u64());
            series.push(self.series(&all[..steps * features], features, own));
        }
        let now: Vec<usize> = series.iter().map(|series| series.len() / features).collect();
        let steps = now.iter().copied().max().unwrap_or(0);
        for series in &mut series {
            series.resize(steps * features, 0.0);
        }
        let x = Tensor::from_vec(series.concat(), (batch, steps, features), &Device::Cpu)?;
        let are_whole = now.iter().all(|&length| length == steps);
        let lengths = (lengths.is_some() || !are_whole).then_some(now);
        Ok((x.to_dtype(dtype)?.to_device(&device)?, lengths))
    }

    /// One series, changed.
    fn series(&self, series: &[f64], features: usize, generator: &mut Generator) -> Vec<f64> {
        let [first, end] = self.kept(series.len() / features, generator);
        let mut kept = series[first * features..end * features].to_vec();
        let mut normal = || -> f64 { StandardNormal.sample(generator.rng()) };
        if self.scale > 0.0 {
            let factors: Vec<f64> = (0..features).map(|_| 1.0 + self.scale * normal()).collect();
            for step in kept.chunks_exact_mut(features) {
                step.iter_mut().zip(&factors).for_each(|(number, factor)| *number *= factor);
            }
        }
        if self.jitter > 0.0 {
            kept.iter_mut().for_each(|number| *number += self.jitter * normal());
        }
        kept
    }

    /// The steps that are kept, from the first to behind the last: at least one.
    fn kept(&self, steps: usize, generator: &mut Generator) -> [usize; 2] {
        if self.crop == 0.0 {
            return [0, steps];
        }
        let mut up_to = |most: usize| (generator.next_f64() * (most + 1) as f64) as usize;
        let most = ((self.crop * steps as f64) as usize).min(steps.saturating_sub(1));
        let cut = up_to(most);
        let first = up_to(cut);
        [first, steps - (cut - first)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two series of two features, of 50 and of 30 steps; number `n` is `n + 1`.
    fn batch() -> (Tensor, Vec<usize>) {
        let numbers: Vec<f64> = (0..200).map(|at| f64::from(at + 1)).collect();
        let x = Tensor::from_vec(numbers, (2, 50, 2), &Device::Cpu).unwrap();
        let keep = Tensor::from_vec(
            (0..100).map(|step| u8::from(step < 80)).collect::<Vec<_>>(),
            (2, 50, 1),
            &Device::Cpu,
        );
        let keep = keep.unwrap().to_dtype(DType::F64).unwrap();
        (x.broadcast_mul(&keep).unwrap(), vec![50, 30])
    }

    fn trained(augment: SeriesAugment, seed: u64) -> (Vec<Vec<Vec<f64>>>, Option<Vec<usize>>) {
        let (x, lengths) = batch();
        let mut generator = Generator::seed_from_u64(seed);
        let mode = &mut Mode::Train(&mut generator);
        let (x, lengths) = augment.apply(x, Some(&lengths), mode).unwrap();
        (x.to_vec3().unwrap(), lengths)
    }

    const NONE: SeriesAugment = SeriesAugment { jitter: 0.0, scale: 0.0, crop: 0.0 };

    #[test]
    fn noise_has_its_standard_deviation_and_padding_has_none() {
        let (found, lengths) = trained(SeriesAugment { jitter: 0.5, ..NONE }, 3);
        assert_eq!(lengths, Some(vec![50, 30]));
        let (before, _) = batch();
        let before: Vec<Vec<Vec<f64>>> = before.to_vec3().unwrap();
        let mut errors = Vec::new();
        for (sample, steps) in [(0, 50), (1, 30)] {
            for step in 0..50 {
                for feature in 0..2 {
                    let error = found[sample][step][feature] - before[sample][step][feature];
                    match step < steps {
                        true => errors.push(error),
                        false => assert_eq!(found[sample][step][feature], 0.0),
                    }
                }
            }
        }
        let mean = errors.iter().sum::<f64>() / 160.0;
        let std = (errors.iter().map(|error| error * error).sum::<f64>() / 160.0).sqrt();
        assert!(mean.abs() < 0.15 && (0.4..0.6).contains(&std), "{mean} {std}");
    }

    #[test]
    fn each_feature_of_a_series_has_one_factor() {
        let (found, _) = trained(SeriesAugment { scale: 0.2, ..NONE }, 3);
        let (before, _) = batch();
        let before: Vec<Vec<Vec<f64>>> = before.to_vec3().unwrap();
        let factor = |sample: usize, step: usize, feature: usize| {
            found[sample][step][feature] / before[sample][step][feature]
        };
        let mut factors = Vec::new();
        for (sample, steps) in [(0, 50), (1, 30)] {
            for feature in 0..2 {
                let first = factor(sample, 0, feature);
                assert!(
                    (1..steps).all(|step| (factor(sample, step, feature) - first).abs() < 1e-12)
                );
                assert!(!factors.contains(&first) && (0.2..1.8).contains(&first), "{first}");
                factors.push(first);
            }
        }
    }

    #[test]
    fn a_cropped_series_is_a_span_of_its_steps() {
        let augment = SeriesAugment { crop: 0.4, ..NONE };
        let (mut shortest, mut from_start, mut to_end) = (50, 0, 0);
        for seed in 0..200 {
            let (found, lengths) = trained(augment, seed);
            let lengths = lengths.unwrap();
            for (sample, (steps, offset)) in [(50, 1.0), (30, 101.0)].into_iter().enumerate() {
                let length = lengths[sample];
                assert!(length <= steps && length >= steps * 6 / 10, "{length} of {steps}");
                let first = found[sample][0][0];
                let at = ((first - offset) / 2.0) as usize;
                assert!(at + length <= steps);
                for (step, row) in found[sample].iter().enumerate() {
                    let value = first + 2.0 * step as f64;
                    let expected = if step < length { [value, value + 1.0] } else { [0.0; 2] };
                    assert_eq!(row[..], expected);
                }
                if sample == 0 {
                    shortest = shortest.min(length);
                    from_start += usize::from(at == 0);
                    to_end += usize::from(at + length == 50);
                }
            }
            assert_eq!(found[0].len(), lengths[0].max(lengths[1]));
        }
        assert_eq!(shortest, 30);
        assert!(from_start < 100 && to_end < 100, "{from_start} {to_end}");
        // One step is always left.
        let generator = &mut Generator::seed_from_u64(1);
        assert_eq!(SeriesAugment { crop: 0.9, ..NONE }.kept(1, generator), [0, 1]);
    }

    #[test]
    fn the_same_seed_gives_the_same_series_and_nothing_changes_in_evaluation() {
        let all = SeriesAugment { jitter: 0.1, scale: 0.1, crop: 0.3 };
        assert_eq!(trained(all, 1), trained(all, 1));
        assert_ne!(trained(all, 1), trained(all, 2));
        let (x, lengths) = batch();
        let expected: Vec<Vec<Vec<f64>>> = x.to_vec3().unwrap();
        let found = all.apply(x.clone(), Some(&lengths), &mut Mode::Eval).unwrap();
        assert_eq!((found.0.to_vec3().unwrap(), found.1), (expected.clone(), Some(lengths)));
        let mut generator = Generator::seed_from_u64(1);
        let found = NONE.apply(x, None, &mut Mode::Train(&mut generator)).unwrap();
        assert_eq!((found.0.to_vec3().unwrap(), found.1), (expected, None));
        assert_eq!(generator, Generator::seed_from_u64(1), "nothing is drawn");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (augment, field) in [
            (SeriesAugment { jitter: -0.1, ..NONE }, "jitter"),
            (SeriesAugment { scale: f64::INFINITY, ..NONE }, "scale"),
            (SeriesAugment { crop: 1.0, ..NONE }, "crop"),
        ] {
            let error = augment.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.augment.{field}` is ")), "{error}");
        }
    }
}
