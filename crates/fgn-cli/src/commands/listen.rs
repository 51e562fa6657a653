//! `fgn listen`.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::Device;
use clap::{Args, ValueEnum};
use fgn_audio::files::{RawFormat, SoundStream};
use fgn_audio::resampling::Resampler;
use fgn_nn::{Detection, Detector, DetectorOptions, InputConfig, Label, Model, Transcriber};
use fgn_schema::{TargetSchema, Tokenizer, text_of};
use fgn_train::TrainedModel;
use serde_json::json;

use crate::error::{Error, Result};
use crate::output::{in_line, milliseconds, note, print, print_json};
use crate::recommendations::refuse_recommender;
use crate::sampling::Weights;

pub(crate) const HELP: &str = "\
Examples:
  fgn listen runs/dtmf-1 call.wav
  fgn listen runs/keywords-1 long.wav --background background --threshold 0.9
  arecord -f S16_LE -r 16000 | fgn listen runs/keywords-1 -
  ffmpeg -i talk.mp3 -f wav - | fgn listen runs/digit-strings-1 -
  nc -l 9000 | fgn listen runs/dtmf-1 - --raw s16le --rate 8000

A model with a ctc head prints each label when it writes it: the time in seconds, and the text. A classifier looks at
overlapping windows and prints each class that it detects: the time at which the window ends, the class, and its
probability. How fast that was goes to standard error. A bidirectional model cannot listen: it would have to know the
end of the sound.

Sound at another rate than the model's is resampled; several channels are mixed into one.

With --json, each label or detection is an object on a line of its own:
  {\"text\":\"4\",\"time\":0.21}
  {\"class\":3,\"end\":1.2,\"name\":\"yes\",\"probability\":0.97,\"start\":0.2}";

#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// The run folder of a model that reads sounds, or a file that `fgn export` wrote
    run: PathBuf,
    /// A WAV file; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The file has samples without a header, of one channel, in this format
    #[arg(long, value_name = "FORMAT", value_enum, requires = "rate")]
    raw: Option<Raw>,
    /// With --raw: samples a second
    #[arg(long, value_name = "HZ", requires = "raw")]
    rate: Option<u32>,
    /// Classifiers only: the seconds that a window lasts, about as long as the sounds trained on [default: 1]
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,
    /// Classifiers only: the seconds from the beginning of a window to that of the next [default: 0.1]
    #[arg(long, value_name = "SECONDS")]
    hop: Option<f64>,
    /// Classifiers only: the minimum probability of a detection [default: 0.8]
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// Classifiers only: a class that is never reported, such as silence; may be repeated
    #[arg(long, value_name = "CLASS")]
    background: Vec<String>,
    /// The numbers that the recurrent weights are stored in: fewer bytes are read faster
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Weights::F32)]
    precision: Weights,
    /// Print one JSON object for each label or detection
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Raw {
    /// 16-bit integers, little-endian
    S16le,
    /// 32-bit floats from -1 to 1, little-endian
    F32le,
}

/// What is made of the samples.
enum Listener {
    Detector(Box<Detector>, Vec<String>),
    Transcriber(Box<Transcriber>, Option<Tokenizer>),
}

impl ListenArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let TrainedModel { model, .. } = TrainedModel::open(&self.run, device)?;
        refuse_recommender(&model, &self.run, "a model that reads sounds")?;
        let InputConfig::Audio(audio) = &model.config().input else {
            let found = model.config().input.samples().to_string();
            return Err(Error::NoSounds { run: self.run, found });
        };
        let (rate, delay) = (audio.sample_rate, audio.delay_seconds()?);
        let mut listener = self.listener(&model)?;
        let mut sound = self.open()?;
        let mut resampler = match sound.sample_rate() {
            found if found == rate => None,
            found => {
                note(&format!("resampled from {found} Hz to the model's {rate} Hz\n"));
                Some(Resampler::new(found, rate)?)
            }
        };
        // 10 ms: what comes in is looked at without delay.
        let piece = (sound.sample_rate() as usize / 100).max(1);
        let (mut samples, mut count, mut elapsed) = (Vec::new(), 0, Duration::ZERO);
        loop {
            samples.clear();
            let read = sound.read(&mut samples, piece)?;
            count += read;
            let begin = Instant::now();
            let heard = match &mut resampler {
                None => &samples,
                Some(resampler) if read > 0 => &resampler.push(&samples)?,
                Some(resampler) => &resampler.flush()?,
            };
            self.hear(&mut listener, heard, read == 0)?;
            elapsed += begin.elapsed();
            if read == 0 {
                break;
            }
        }
        if count == 0 {
            let name = self.file.display().to_string();
            let (found, expected) = ("no samples".into(), "one or more".into());
            return Err(fgn_audio::Error::Sound { name, found, expected }.into());
        }
        let seconds = count as f64 / f64::from(sound.sample_rate());
        let factor = elapsed.as_secs_f64() / seconds.max(1e-9);
        note(&format!(
            "{seconds:.2} s of sound in {:.3} s of computation (real-time factor {factor:.5}); a step is known {:.0} ms \
             after it begins\n",
            elapsed.as_secs_f64(),
            1000.0 * delay,
        ));
        Ok(())
    }

    fn listener(&self, model: &Model) -> Result<Listener> {
        let precision = self.precision.precision();
        match model.config().head.target() {
            TargetSchema::Class { names, .. } => {
                let find = |class: &String| {
                    let found = names.iter().position(|name| name == class);
                    found.ok_or_else(|| Error::Variable {
                        key: "--background",
                        found: format!("{class:?}"),
                        expected: "a class of the model: `fgn eval RUN` lists them",
                    })
                };
                let mut options = DetectorOptions::default();
                options.window = self.window.unwrap_or(options.window);
                options.hop = self.hop.unwrap_or(options.hop.min(options.window));
                options.threshold = self.threshold.unwrap_or(options.threshold);
                options.background = self.background.iter().map(find).collect::<Result<_>>()?;
                let detector = model.detector(&options, precision, 1)?;
                Ok(Listener::Detector(Box::new(detector), names))
            }
            target => {
                self.refuse_windows()?;
                let transcriber = model.transcriber(precision, 1)?;
                let tokenizer = target.tokenizer().cloned();
                Ok(Listener::Transcriber(Box::new(transcriber), tokenizer))
            }
        }
    }

    /// What is for classifiers has no effect on other models.
    fn refuse_windows(&self) -> Result<()> {
        let given = [
            ("--window", self.window.is_some()),
            ("--hop", self.hop.is_some()),
            ("--threshold", self.threshold.is_some()),
            ("--background", !self.background.is_empty()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => Err(Error::Variable {
                key,
                found: "given".into(),
                expected: "to be left out: it is for classifiers, and this model writes labels",
            }),
            None => Ok(()),
        }
    }

    fn open(&self) -> Result<SoundStream<Box<dyn Read>>> {
        let (name, bytes): (String, Box<dyn Read>) = match &*self.file {
            path if path == Path::new("-") => ("standard input".into(), Box::new(std::io::stdin())),
            path => {
                let unreadable = |source| Error::Read { path: path.to_owned(), source };
                let file = BufReader::new(File::open(path).map_err(unreadable)?);
                (path.display().to_string(), Box::new(file))
            }
        };
        let (Some(raw), Some(rate)) = (self.raw, self.rate) else {
            return Ok(SoundStream::wav(&name, bytes)?);
        };
        let format = match raw {
            Raw::S16le => RawFormat::S16Le,
            Raw::F32le => RawFormat::F32Le,
        };
        Ok(SoundStream::raw(&name, without_header(&name, bytes)?, format, rate)?)
    }

    /// Listens to samples, the last ones perhaps, and prints what was heard.
    fn hear(&self, listener: &mut Listener, samples: &[f32], is_end: bool) -> Result<()> {
        match listener {
            Listener::Detector(detector, names) => {
                let mut found = Vec::new();
                let each = &mut |detection| {
                    found.push(detection);
                    Ok(())
                };
                detector.push(samples, each)?;
                if is_end {
                    detector.finish(each)?;
                }
                found.iter().try_for_each(|detection| self.detected(detection, names))
            }
            Listener::Transcriber(transcriber, tokenizer) => {
                let mut found = Vec::new();
                let each = &mut |label| {
                    found.push(label);
                    Ok(())
                };
                transcriber.push(samples, each)?;
                if is_end {
                    transcriber.finish(each)?;
                }
                found.iter().try_for_each(|label| self.wrote(label, tokenizer.as_ref()))
            }
        }
    }

    fn detected(&self, found: &Detection, names: &[String]) -> Result<()> {
        let name = names.get(found.class).map_or("", String::as_str);
        let (start, end) = (milliseconds(found.start), milliseconds(found.end));
        match self.json {
            true => print_json(&json!({
                "class": found.class,
                "name": name,
                "probability": found.probability,
                "start": start,
                "end": end,
            })),
            false => {
                let percent = 100.0 * found.probability;
                print(&format!("{end:9.3}  {}  {percent:.1} %\n", in_line(name)))
            }
        }
    }

    fn wrote(&self, label: &Label, tokenizer: Option<&Tokenizer>) -> Result<()> {
        let text = text_of(tokenizer, &[label.token]);
        let time = milliseconds(label.time);
        match self.json {
            true => print_json(&json!({ "text": text, "time": time })),
            false => print(&format!("{time:9.3}  {}\n", in_line(&text))),
        }
    }
}

/// Samples, which a header of WAV would be read as.
fn without_header(name: &str, mut bytes: Box<dyn Read>) -> Result<Box<dyn Read>> {
    let mut first = Vec::new();
    let read = bytes.by_ref().take(4).read_to_end(&mut first);
    read.map_err(|source| Error::Read { path: name.into(), source })?;
    if first == b"RIFF" {
        return Err(fgn_audio::Error::Sound {
            name: name.to_owned(),
            found: "the header of a WAV file".into(),
            expected: "samples alone: leave out --raw and --rate".into(),
        }
        .into());
    }
    Ok(Box::new(Cursor::new(first).chain(bytes)))
}
