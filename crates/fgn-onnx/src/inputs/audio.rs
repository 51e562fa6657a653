//! Sounds: from samples to the spectral features that [`fgn_nn::fgn_audio::features`] computes.
//!
//! From the spectrum on, the numbers are `float64`, unless the graph is to do without: an error that is small beside the
//! loudest frequency is large beside a quiet one, whose logarithm the model reads too. ONNX Runtime's `STFT` in
//! `float32` is exact to 1e-4 only where `n_fft` is no power of two.

mod frames;
mod over_time;

use std::f64::consts::{PI, TAU};

use fgn_nn::Audio;
use fgn_nn::fgn_audio::features::{FeatureKind, Features, FeaturesConfig, Normalization};
use fgn_nn::fgn_schema::Moments;

use self::frames::Frames;
use super::lengths::lengths;
use crate::attribute;
use crate::context::{Context, Lengths, Sequences};
use crate::error::{Error, Result};
use crate::graph::{Dim, Graph, Value};
use crate::proto::DataType;
use crate::weights::transposed;

/// The window's length where a configuration leaves it out, in milliseconds.
const WINDOW_MILLISECONDS: u64 = 25;

/// The features `[T, B, I]` of the input `audio`, and an output `steps` with the number of steps of each sound.
pub(super) fn audio(context: &mut Context<'_>, config: &Audio) -> Result<Sequences> {
    let Audio { sample_rate, front_end: config, scale, augment: _ } = config;
    let features = Features::new(config, *sample_rate)
        .map_err(|error| Error::unsupported("model.input.front_end", error.to_string()))?;
    let front_end = FrontEnd::new(features, context.unscaled);
    let graph = &mut context.graph;
    let sounds = Sounds::given(graph, scale.as_ref(), front_end.n_fft);
    let mut frames = front_end.frames(graph, &sounds);
    frames.x = front_end.features(graph, &frames.x);
    frames.append_deltas(graph, config.deltas);
    frames.x = front_end.normalized(graph, &frames);
    frames.stack(graph, config.stack);
    if frames.dtype != DataType::Float {
        frames.x = graph.cast(&frames.x, DataType::Float);
    }
    frames.clear_padding(graph);
    graph.output("steps", &frames.lengths, DataType::Int64, &[Dim::Named("batch")]);
    let int32 = graph.cast(&frames.lengths, DataType::Int32);
    Ok(Sequences {
        x: graph.transpose(&frames.x, &[1, 0, 2]),
        size: frames.size,
        steps: None,
        lengths: Some(Lengths { int64: frames.lengths, int32 }),
    })
}

/// Sounds as the front end takes them.
struct Sounds {
    /// `float32 [B, N]`: scaled, zero past the length of each, and at least a frame long.
    x: Value,
    /// The number of samples of each, `int64 [B]`.
    lengths: Value,
}

impl Sounds {
    /// The input `audio`, with one for the lengths.
    fn given(graph: &mut Graph, scale: Option<&Moments>, n_fft: usize) -> Self {
        let shape = [Dim::Named("batch"), Dim::Named("samples")];
        let audio = graph.input("audio", DataType::Float, &shape);
        let lengths = lengths(graph, &audio);
        let attributes = vec![attribute::ints("axes", &[0]), attribute::int("keepdims", 1)];
        let longest = graph.node("ReduceMax", [&lengths], attributes);
        let (start, axis) = (graph.ints(&[0]), graph.ints(&[1]));
        let mut x = graph.node("Slice", [&audio, &start, &longest, &axis], vec![]);
        if let Some((&[mean], &[std])) = scale.map(|Moments { mean, std }| (&mean[..], &std[..])) {
            let [mean, factor] = [mean, 1.0 / std].map(|number| graph.float(number));
            let centred = graph.node("Sub", [&x, &mean], vec![]);
            x = graph.mul(&centred, &factor);
        }
        let is_within = frames::is_within(graph, &x, &lengths);
        let zero = graph.float(0.0);
        let x = graph.node("Where", [&is_within, &x, &zero], vec![]);
        Self { x: padded(graph, &x, &longest, n_fft), lengths }
    }
}

/// `x: [B, N]` with as many zeros at its end as `length: [1]` lacks to `least`.
fn padded(graph: &mut Graph, x: &Value, length: &Value, least: usize) -> Value {
    let [least, zero] = [least as i64, 0].map(|number| graph.ints(&[number]));
    let missing = graph.node("Sub", [&least, length], vec![]);
    let missing = graph.node("Max", [&missing, &zero], vec![]);
    let none = graph.ints(&[0, 0, 0]);
    let pads = graph.concat(&[none, missing], 0);
    graph.node("Pad", [x, &pads], vec![])
}

/// A front end with its sizes in samples.
struct FrontEnd {
    features: Features,
    win_length: usize,
    hop_length: usize,
    n_fft: usize,
    /// The type that it computes in.
    dtype: DataType,
}

impl FrontEnd {
    fn new(features: Features, dtype: DataType) -> Self {
        let config = features.config();
        let rate = u64::from(features.sample_rate());
        let window = ((rate * WINDOW_MILLISECONDS + 500) / 1000).max(2) as usize;
        let frequencies = features.filter_bank().len() / config.n_mels.max(1);
        Self {
            win_length: config.win_length.unwrap_or(window),
            hop_length: features.step_samples() / config.stack.max(1),
            n_fft: 2 * frequencies.saturating_sub(1),
            dtype,
            features,
        }
    }

    fn config(&self) -> &FeaturesConfig {
        self.features.config()
    }

    fn frames_per_second(&self) -> f64 {
        f64::from(self.features.sample_rate()) / self.hop_length as f64
    }

    /// The power spectrum of each frame, and how many frames each sound has.
    fn frames(&self, graph: &mut Graph, sounds: &Sounds) -> Frames {
        let Self { n_fft, hop_length, dtype, .. } = *self;
        let window = table(graph, dtype, "input.window", &[n_fft], &self.window());
        let signal = graph.unsqueeze(&sounds.x, 2);
        let signal = if dtype == DataType::Float { signal } else { graph.cast(&signal, dtype) };
        let [step, length] = [hop_length, n_fft].map(|size| graph.int(size as i64));
        let one_sided = vec![attribute::int("onesided", 1)];
        let spectrum = graph.node("STFT", [&signal, &step, &window, &length], one_sided);
        let squares = graph.mul(&spectrum, &spectrum);
        let parts = graph.ints(&[3]);
        let whole = vec![attribute::int("keepdims", 0)];
        let power = graph.node("ReduceSum", [&squares, &parts], whole);

        let [window, hop, zero, one] =
            [n_fft, hop_length, 0, 1].map(|size| graph.ints(&[size as i64]));
        let later = graph.node("Sub", [&sounds.lengths, &window], vec![]);
        let later = graph.node("Max", [&later, &zero], vec![]);
        let later = graph.node("Div", [&later, &hop], vec![]);
        let lengths = graph.add(&later, &one);
        Frames { x: power, size: self.config().bins(), lengths, dtype }
    }

    /// A periodic Hann window in the middle of a frame.
    fn window(&self) -> Vec<f32> {
        let Self { win_length, n_fft, .. } = *self;
        let start = (n_fft - win_length) / 2;
        let mut window = vec![0.0; n_fft];
        for (nth, weight) in window.iter_mut().skip(start).take(win_length).enumerate() {
            *weight = (0.5 - 0.5 * (TAU * nth as f64 / win_length as f64).cos()) as f32;
        }
        window
    }

    /// The features of each frame `[B, T, bins]` of its power spectrum `[B, T, n_fft / 2 + 1]`.
    fn features(&self, graph: &mut Graph, power: &Value) -> Value {
        let (config, dtype, frequencies) = (self.config(), self.dtype, self.n_fft / 2 + 1);
        let bank = transposed(&self.features.filter_bank(), frequencies);
        let bank = table(graph, dtype, "input.bands", &[frequencies, config.n_mels], &bank);
        let bands = graph.matmul(power, &bank);
        match config.features {
            FeatureKind::Mel => bands,
            FeatureKind::LogMel => self.logarithm(graph, &bands),
            FeatureKind::Mfcc => {
                let logarithm = self.logarithm(graph, &bands);
                let shape = [config.n_mels, config.n_mfcc];
                let dct = table(graph, dtype, "input.dct", &shape, &dct(shape));
                graph.matmul(&logarithm, &dct)
            }
            FeatureKind::Pcen => {
                over_time::pcen(graph, dtype, &config.pcen, self.frames_per_second(), &bands)
            }
        }
    }

    fn logarithm(&self, graph: &mut Graph, bands: &Value) -> Value {
        let offset = graph.number(f64::from(self.config().log_offset as f32), self.dtype);
        let sums = graph.add(bands, &offset);
        graph.node("Log", [&sums], vec![])
    }

    fn normalized(&self, graph: &mut Graph, frames: &Frames) -> Value {
        match self.config().normalization {
            Normalization::None => frames.x.clone(),
            Normalization::Utterance => over_time::by_utterance(graph, frames),
            Normalization::Running { time_constant } => {
                let decay = (-1.0 / (time_constant * self.frames_per_second())).exp();
                over_time::running(graph, frames, decay)
            }
        }
    }
}

/// The first rows of the orthonormal DCT-II, as columns.
fn dct([n_mels, n_mfcc]: [usize; 2]) -> Vec<f32> {
    let bands = n_mels as f64;
    let value = |band: usize, row: usize| {
        let scale = if row == 0 { 1.0 / bands } else { 2.0 / bands };
        (scale.sqrt() * (PI / bands * (band as f64 + 0.5) * row as f64).cos()) as f32
    };
    (0..n_mels).flat_map(|band| (0..n_mfcc).map(move |row| value(band, row))).collect()
}

/// A constant that takes as many bytes as in `float32`.
fn table(graph: &mut Graph, dtype: DataType, name: &str, shape: &[usize], values: &[f32]) -> Value {
    let narrow = graph.constant(name, shape, values);
    if dtype == DataType::Float { narrow } else { graph.cast(&narrow, dtype) }
}
