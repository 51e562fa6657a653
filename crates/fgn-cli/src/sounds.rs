//! What a data set of sounds holds, for `fgn data`.

use candle_core::{DType, Device};
use fgn_data::{Batches, InputSchema, Order, Samples};
use fgn_report::grouped;
use fgn_schema::significant;
use serde_json::{Value, json};

use crate::error::Result;
use crate::output::in_line;

/// A sample this loud is taken for clipped: the largest of 16 bits, and what rounding makes of it.
const FULL: f32 = 0.9999;
/// A sound with so many samples in a row at full scale is clipped.
const CLIPPED: usize = 3;
/// A sound with no sample above it is silent: less than one step of 16 bits.
const SILENT: f32 = 1.5e-5;

/// What is worth knowing of some sounds.
#[derive(Default)]
struct Sounds {
    samples: u64,
    lengths: Option<[usize; 2]>,
    silent: Vec<u32>,
    clipped: Vec<u32>,
}

fn read(samples: &dyn Samples) -> Result<Sounds> {
    let mut found = Sounds::default();
    let mut indices = 0..samples.len() as u32;
    for batch in Batches::new(samples, Order::AsGiven, samples.len().min(100), &Device::Cpu)? {
        let batch = batch?;
        let input = batch.input();
        let sounds = input.tensor().to_dtype(DType::F32)?.to_vec2::<f32>()?;
        for (at, (sound, index)) in sounds.iter().zip(indices.by_ref()).enumerate() {
            let length = input.lengths().map_or(sound.len(), |lengths| lengths[at]);
            found.add(&sound[..length], index);
        }
    }
    Ok(found)
}

impl Sounds {
    fn add(&mut self, sound: &[f32], index: u32) {
        self.samples += sound.len() as u64;
        let [least, most] = self.lengths.unwrap_or([sound.len(); 2]);
        self.lengths = Some([least.min(sound.len()), most.max(sound.len())]);
        if sound.iter().all(|sample| sample.abs() < SILENT) {
            self.silent.push(index);
        }
        let is_full = |samples: &[f32]| samples.iter().all(|sample| sample.abs() >= FULL);
        if sound.windows(CLIPPED).any(is_full) {
            self.clipped.push(index);
        }
    }
}

/// How long the sounds are, and which are silent or clipped, as lines of text; nothing for samples that are no sounds.
pub(crate) fn described(samples: &dyn Samples) -> Result<String> {
    let InputSchema::Audio { sample_rate } = samples.schema().input else {
        return Ok(String::new());
    };
    let found = read(samples)?;
    let seconds = |count: f64| significant(count / f64::from(sample_rate));
    let [least, most] = found.lengths.unwrap_or_default();
    let mean = found.samples as f64 / samples.len().max(1) as f64;
    let mut text = format!(
        "length    {} to {} s, {} s on average, {} s in the training part\n",
        seconds(least as f64),
        seconds(most as f64),
        seconds(mean),
        seconds(found.samples as f64),
    );
    for (indices, what) in [(&found.silent, "silent    "), (&found.clipped, "clipped   ")] {
        if let Some(&first) = indices.first() {
            let (count, title) = (grouped(indices.len()), samples.title(first));
            text += &format!("{what}{count} sounds, the first: {}\n", in_line(&title));
        }
    }
    Ok(text)
}

/// As JSON.
pub(crate) fn json(samples: &dyn Samples) -> Result<Value> {
    let InputSchema::Audio { sample_rate } = samples.schema().input else {
        return Ok(Value::Null);
    };
    let found = read(samples)?;
    let titles = |indices: &[u32]| -> Vec<String> {
        indices.iter().map(|&index| samples.title(index)).collect()
    };
    Ok(json!({
        "sample_rate": sample_rate,
        "seconds": found.samples as f64 / f64::from(sample_rate),
        "silent": titles(&found.silent),
        "clipped": titles(&found.clipped),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_and_clipped_sounds_are_found() {
        let mut found = Sounds::default();
        for (index, sound) in
            [&[0.1, 1.0, 0.5][..], &[0.0; 5], &[0.5, 1.0, 1.0, -1.0], &[1.0, 1.0, 0.9]]
                .iter()
                .enumerate()
        {
            found.add(sound, index as u32);
        }
        assert_eq!((found.samples, found.lengths), (15, Some([3, 5])));
        assert_eq!((found.silent, found.clipped), (vec![1], vec![2]));
    }
}
