//! The generated tones: what they say can be heard in them.

use std::f64::consts::TAU;

use fgn_data::open;

use super::*;

const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The power of a frequency in some samples, as a share of all (Goertzel 1958).
fn share(samples: &[f32], frequency: f64, rate: f64) -> f64 {
    let factor = 2.0 * (TAU * frequency / rate).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + factor * one - two, one);
    }
    let power = one * one + two * two - factor * one * two;
    let all: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    2.0 * power / (all * samples.len() as f64)
}

/// The loudest of four frequencies, and its share.
fn loudest(samples: &[f32], frequencies: [f64; 4], rate: f64) -> (usize, f64) {
    let shares = frequencies.map(|frequency| share(samples, frequency, rate));
    (0..4).map(|at| (at, shares[at])).max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
}

/// The keys that are heard: in windows of 20 ms, every 5 ms, four of which agree.
fn heard(samples: &[f32], rate: f64) -> String {
    let (window, hop) = ((rate * 0.02) as usize, (rate * 0.005) as usize);
    let (mut text, mut last, mut times) = (String::new(), None, 0);
    for start in (0..samples.len() - window).step_by(hop) {
        let samples = &samples[start..start + window];
        let (row, low) = loudest(samples, ROWS, rate);
        let (column, high) = loudest(samples, COLUMNS, rate);
        let key = (low + high > 0.5 && low.min(high) > 0.05).then_some((row, column));
        times = if key == last { times + 1 } else { 1 };
        last = key;
        if let Some((row, column)) = key.filter(|_| times == 4) {
            text.push(KEYS[row].chars().nth(column).unwrap());
        }
    }
    text
}

#[test]
fn every_key_is_heard_at_its_frequencies() {
    let data = open("dtmf").unwrap();
    assert_eq!((data.train.len(), data.test.len()), (6_000, 1_000));
    assert_eq!(
        data.train.schema().to_string(),
        "sounds at 8000 Hz, a text over a vocabulary of 16 characters and 1 special ones"
    );
    assert_eq!(data.train.schema(), data.test.schema());
    let (mut all, mut right) = (0, 0);
    for part in [&data.train, &data.test] {
        let tokenizer = part.schema().target.tokenizer().unwrap();
        for index in 0..150 {
            let sound = sounds(&**part, &[index]).remove(0);
            assert!(sound.iter().all(|sample| sample.abs() <= 1.0));
            let target = part.batch(&[index], &Device::Cpu).unwrap().target().tensor().clone();
            let text = tokenizer.decode(&target.to_vec2::<u32>().unwrap()[0]);
            assert!((1..=8).contains(&text.len()));
            all += 1;
            right += usize::from(heard(&sound, 8_000.0) == text);
        }
    }
    // The loudest noise can hide an edge from this simple receiver.
    assert!(right * 100 >= all * 97, "{right} of {all}");
}

#[test]
fn sequences_are_the_same_each_time_and_at_every_rate() {
    let one = open("dtmf").unwrap();
    let other = open("dtmf").unwrap();
    assert_eq!(sounds(&*one.train, &[5, 17]), sounds(&*other.train, &[5, 17]));
    assert_eq!(sounds(&*one.train, &[17]), sounds(&*one.train, &[5, 17])[1..]);
    assert_ne!(sounds(&*one.train, &[5]), sounds(&*one.test, &[5]));
    assert_eq!(one.train.fingerprint().unwrap(), other.train.fingerprint().unwrap());
    assert_ne!(one.train.fingerprint().unwrap(), one.test.fingerprint().unwrap());
    let mut config = DataConfig::new("dtmf");
    config.audio.sample_rate = Some(16_000);
    let fast = config.open(&mut |_| ()).unwrap();
    let both = [&one, &fast].map(|data| sounds(&*data.train, &[3]).remove(0).len());
    assert!(both[1].abs_diff(2 * both[0]) < 20, "{both:?}");
    config.audio.sample_rate = Some(3_000);
    let error = config.open(&mut |_| ()).unwrap_err().to_string();
    assert_eq!(
        error,
        "data.audio.sample_rate is 3000, expected 4000 Hz or more for the tones of keys"
    );

    // For a model: its rate, its vocabulary, the test part.
    let like = Like::of(&*fast.train);
    let test = DataConfig::new("dtmf").read("dtmf".as_ref(), &like, &mut |_| ()).unwrap();
    assert_eq!(sounds(&*test, &[2]), sounds(&*fast.test, &[2]));
    let new = DataConfig::new("dtmf").read("dtmf".as_ref(), &like.unlabelled(), &mut |_| ());
    assert_eq!(new.unwrap().schema().to_string(), "sounds at 16000 Hz, no target");
}
