//! Finding sounds of some classes in a long sound.

use fgn_kernels::Precision;
use fgn_schema::TargetSchema;

use super::stream::Sound;
use crate::check::check;
use crate::error::{Error, Result};
use crate::logits::argmax;
use crate::model::Model;
use crate::predictor::Predictor;

/// How a [`Detector`] listens.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DetectorOptions {
    /// The seconds that a window lasts: about as long as the sounds that the model was trained on.
    pub window: f64,
    /// The seconds from the beginning of a window to that of the next.
    pub hop: f64,
    /// The probability from which on a class counts.
    pub threshold: f64,
    /// Classes that are never detected: silence, or noise.
    pub background: Vec<usize>,
}

impl Default for DetectorOptions {
    /// Windows of 1 s each 0.1 s, and a threshold of 0.8.
    fn default() -> Self {
        Self { window: 1.0, hop: 0.1, threshold: 0.8, background: Vec::new() }
    }
}

/// Finds sounds of some classes in a sound that comes in piece by piece, by a model that was trained on single sounds.
///
/// It looks at overlapping windows. To each the model answers as to a sound of its own: its state begins with zeros.
/// The windows that are open at a time run side by side, as sequences of one batch. A class is detected where its
/// probability at the end of a window reaches the threshold; overlapping windows of the same class are one detection.
/// Once the first pieces are read, it allocates nothing.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{
///     Audio, Classification, DetectorOptions, Model, ModelConfig, Precision, RecurrentConfig,
/// };
///
/// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
/// let config = ModelConfig::new(Audio::new(8000), recurrent, Classification::new(3));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut options = DetectorOptions::default();
/// (options.window, options.hop, options.threshold) = (0.5, 0.25, 0.1);
/// let mut detector = model.detector(&options, Precision::F32, 1)?;
/// let mut found = Vec::new();
/// detector.push(&vec![0.1; 8000], &mut |detection| {
///     found.push(detection);
///     Ok(())
/// })?;
/// assert_eq!(found[0].start, 0.0);
/// assert!((found[0].end - 0.5).abs() < 1e-9);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
pub struct Detector {
    sound: Sound,
    windows: Windows,
}

/// A sound of a class that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// The class.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
    /// Where the window begins, in seconds from the beginning.
    pub start: f64,
    /// Where it ends: the moment of the detection.
    pub end: f64,
}

impl Model {
    /// A detector of the model's classes. The recurrent layer runs by `threads` threads on weights of that precision.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads sounds, in one direction, and predicts a class for each; and for
    /// options out of range. Those of [`Model::sound_stream`].
    pub fn detector(
        &self,
        options: &DetectorOptions,
        precision: Precision,
        threads: usize,
    ) -> Result<Detector> {
        let TargetSchema::Class { names, per_step: false } = self.config().head.target() else {
            let found = self.config().head.target().to_string();
            let expected = "a class for each sound".into();
            return Err(Error::Config { field: "head.kind", found, expected });
        };
        options.validate(names.len())?;
        let sound = Sound::new(self)?;
        let steps = |seconds: f64| (seconds / sound.step_seconds()).round().max(1.0) as u64;
        let hop = steps(options.hop);
        let open = steps(options.window).div_ceil(hop);
        let sequences = [open as usize, threads];
        Ok(Detector {
            windows: Windows {
                predictor: Predictor::new(self, precision, sequences)?,
                options: options.clone(),
                hop,
                open,
                seconds: sound.step_seconds(),
                steps: 0,
                last: None,
            },
            sound,
        })
    }
}

impl DetectorOptions {
    fn validate(&self, classes: usize) -> Result<()> {
        let window = "seconds above 0, 60 at most";
        check(self.window > 0.0 && self.window <= 60.0, "window", self.window, window)?;
        let hop = "seconds above 0, the window's at most";
        check(self.hop > 0.0 && self.hop <= self.window, "hop", self.hop, hop)?;
        let expected = "at most 256 windows that are open at a time: a longer hop";
        check(self.window / self.hop <= 256.0, "hop", self.hop, expected)?;
        let threshold = "a probability above 0, 1 at most";
        let fits = self.threshold > 0.0 && self.threshold <= 1.0;
        check(fits, "threshold", self.threshold, threshold)?;
        match self.background.iter().find(|&&class| class >= classes) {
            Some(class) => check(false, "background", class, format!("a class below {classes}")),
            None => Ok(()),
        }
    }
}

impl Detector {
    /// Reads samples at the model's rate, from -1 to 1, and calls `each` for every detection.
    ///
    /// # Errors
    /// [`Error::Audio`] for a sample that is not finite; whatever `each` returns. Then it has read a part of the
    /// samples: [`reset`](Self::reset) it to go on.
    pub fn push(
        &mut self,
        samples: &[f32],
        each: &mut dyn FnMut(Detection) -> Result<()>,
    ) -> Result<()> {
        let windows = &mut self.windows;
        self.sound.push(samples, |_, features| windows.step(features, each))
    }

    /// Ends the sound. A window that is not at its end counts if it is at least half over: the oldest one.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self, each: &mut dyn FnMut(Detection) -> Result<()>) -> Result<()> {
        let windows = &mut self.windows;
        self.sound.finish(|_, features| windows.step(features, each))?;
        windows.finish(each)
    }

    /// Begins another sound.
    pub fn reset(&mut self) {
        self.sound.reset();
        // Every window begins with states of zeros.
        (self.windows.steps, self.windows.last) = (0, None);
    }
}

struct Windows {
    predictor: Predictor,
    options: DetectorOptions,
    /// The steps from the beginning of a window to that of the next.
    hop: u64,
    /// How many windows are open at a time; each lasts `open * hop` steps.
    open: u64,
    seconds: f64,
    steps: u64,
    /// The last detection: its class, and the step behind its window.
    last: Option<(usize, u64)>,
}

impl Windows {
    /// The window that begins or ends before the step that comes, as the index of its sequence.
    fn due(&self) -> Option<usize> {
        let is_due = self.steps.is_multiple_of(self.hop);
        is_due.then(|| (self.steps / self.hop % self.open) as usize)
    }

    fn step(
        &mut self,
        features: &[f32],
        each: &mut dyn FnMut(Detection) -> Result<()>,
    ) -> Result<()> {
        if let Some(begins) = self.due() {
            self.predictor.reset(begins)?;
        }
        self.predictor.step(features)?;
        self.steps += 1;
        match self.due().filter(|_| self.steps >= self.open * self.hop) {
            Some(ends) => self.detect(ends, self.open * self.hop, each),
            None => Ok(()),
        }
    }

    fn finish(&mut self, each: &mut dyn FnMut(Detection) -> Result<()>) -> Result<()> {
        let length = self.open * self.hop;
        // Where a window has just ended, the oldest open one began a hop later.
        let begun = (self.steps / self.hop + 1).saturating_sub(self.open) * self.hop;
        let (sequence, age) = ((begun / self.hop % self.open) as usize, self.steps - begun);
        match age * 2 >= length && age < length {
            true => self.detect(sequence, age, each),
            false => Ok(()),
        }
    }

    /// Looks at the window of a sequence that ends here after `age` steps.
    fn detect(
        &mut self,
        sequence: usize,
        age: u64,
        each: &mut dyn FnMut(Detection) -> Result<()>,
    ) -> Result<()> {
        let size = self.predictor.outputs();
        let logits = &self.predictor.logits()[sequence * size..][..size];
        let class = argmax(logits);
        let probability = probability(logits, class);
        let (start, end) = (self.steps - age, self.steps);
        let is_same = self.last.is_some_and(|(last, behind)| last == class && start < behind);
        let is_found = f64::from(probability) >= self.options.threshold
            && !self.options.background.contains(&class);
        if !is_found {
            return Ok(());
        }
        self.last = Some((class, end));
        if is_same {
            return Ok(());
        }
        let seconds = |step: u64| step as f64 * self.seconds;
        each(Detection { class, probability, start: seconds(start), end: seconds(end) })
    }
}

/// The softmax of one class.
fn probability(logits: &[f32], class: usize) -> f32 {
    let exps = logits.iter().map(|logit| (logit - logits[class]).exp());
    1.0 / exps.sum::<f32>()
}
