//! Sound files: in a folder for each class, in one folder with names that say everything, or listed in a table.

mod files;
mod listing;
pub(crate) mod options;
mod pattern;
pub(crate) mod samples;
mod store;
mod strings;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema};

use self::files::Files;
use self::listing::{holds_sounds, is_sound};
pub use self::options::{AudioOptions, AudioTask, StringOptions, TestFiles};
use self::samples::{SoundSamples, Source};
use self::strings::{Part, Strings};
use crate::dataset::{Dataset, TestSplit};
use crate::error::{Error, Result};
use crate::reader::{Like, Parts, ReadProgress, Reader, has_ending, part};
use crate::samples::Samples;
use crate::subset::Subset;

/// Reads sound files, in WAV, and with the feature `symphonia` in FLAC, MP3 and Ogg Vorbis: any number of channels, of
/// which the mean is taken.
///
/// - A folder with a folder for each class: `words/yes/1.wav`.
/// - A folder of files whose names say everything: `7_jackson_32.wav`, with [`AudioOptions::names`].
/// - A table with a column of paths ([`AudioOptions::path`]) and a column of targets.
/// - Without targets, a single file, or a folder of files: a sample is called like its file.
///
/// Every file is read once and resampled to one rate. The samples are in memory as long as they fit
/// ([`AudioOptions::memory`]), else in a temporary file, from which a batch is read when it is asked for.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{AudioOptions, Reader, Samples, Sounds};
///
/// let folder = tempfile::tempdir()?;
/// let spec = hound::WavSpec {
///     channels: 1,
///     sample_rate: 8_000,
///     bits_per_sample: 16,
///     sample_format: hound::SampleFormat::Int,
/// };
/// for (name, values) in [("no_ada", &[0, 16_384][..]), ("yes_ada", &[-32_768, 0, 8_192])] {
///     let mut file = hound::WavWriter::create(folder.path().join(name).with_extension("wav"), spec)?;
///     values.iter().try_for_each(|&value| file.write_sample(value))?;
///     file.finalize()?;
/// }
/// let options = AudioOptions { names: Some("{class}_{speaker}".into()), ..AudioOptions::default() };
/// let sounds = Sounds::read(folder.path(), &options, None, &mut |_| ())?;
/// assert_eq!(sounds.schema().to_string(), "sounds at 8000 Hz, 2 classes");
/// let batch = sounds.batch(&[0, 1], &Device::Cpu)?;
/// assert_eq!(batch.input().tensor().to_vec2::<f32>()?, [[0.0, 0.5, 0.0], [-1.0, 0.0, 0.25]]);
/// assert_eq!(batch.input().lengths(), Some(&[2, 3][..]));
/// assert_eq!(batch.target().tensor().to_vec1::<u32>()?, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sounds;

impl Reader for Sounds {
    type Options = AudioOptions;

    const READS: &str =
        "a folder of sound files (.wav), or a table (.csv, .tsv or .parquet) of their paths";

    const ENDINGS: &[&str] = &["wav", "flac", "mp3", "ogg", "csv", "tsv", "parquet"];

    /// A folder only if it holds sounds.
    fn accepts(path: &Path) -> bool {
        match path.is_dir() {
            true => holds_sounds(path),
            false => has_ending(path, Self::ENDINGS),
        }
    }

    fn suits(schema: &Schema) -> bool {
        matches!(schema.input, InputSchema::Audio { .. })
    }

    /// Of data whose test part is chosen by the options, the test part is read, if `like` is labelled and any file
    /// belongs to it.
    fn read(
        path: &Path,
        options: &AudioOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let files = load(path, options, like, progress)?;
        match like.is_some_and(|like| like.labelled) {
            true if !files.test.is_empty() => samples(&files, &files.test, Part::Test, options),
            true => samples(&files, &all(&files), Part::Test, options),
            false => samples(&files, &all(&files), Part::Train, options),
        }
    }

    /// A part is a folder or a table: `train.wav` is the sound of a train.
    fn parts(path: &Path) -> Result<Option<Parts>> {
        let find = |names: &[&str]| -> Result<_> {
            Ok(part::<Self>(path, names)?.filter(|part| !is_sound(part)))
        };
        let Some(train) = find(&["train"])? else { return Ok(None) };
        let valid = find(&["valid", "val", "validation"])?;
        Ok(Some(Parts { train, valid, test: find(&["test"])? }))
    }

    /// Strings are joined of the sounds of one part.
    fn open(
        path: &Path,
        options: &AudioOptions,
        split: TestSplit,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Dataset> {
        let parts = Self::parts(path)?;
        let train = parts.as_ref().map_or(path, |parts| &parts.train);
        let files = load(train, options, None, progress)?;
        let like = Like::new(files.schema.clone(), Vec::new());
        let mut of = |path: &Path, part: Part| {
            let files = load(path, options, Some(&like), progress)?;
            samples(&files, &all(&files), part, options)
        };
        let valid = parts.as_ref().and_then(|parts| parts.valid.as_deref());
        let valid = valid.map(|path| of(path, Part::Valid)).transpose()?;
        if let Some(test) = parts.as_ref().and_then(|parts| parts.test.as_deref()) {
            let test = of(test, Part::Test)?;
            let train = samples(&files, &all(&files), Part::Train, options)?;
            return Ok(Dataset { train, valid, test });
        }
        let (train, test) = divide(&files, options, split)?;
        let train = samples(&files, &train, Part::Train, options)?;
        Ok(Dataset { train, valid, test: samples(&files, &test, Part::Test, options)? })
    }

    /// The sample rate, and the vocabulary where it was trained.
    fn settle(options: &mut AudioOptions, dataset: &Dataset) {
        let schema = dataset.train.schema();
        if let InputSchema::Audio { sample_rate } = schema.input {
            options.sample_rate = Some(sample_rate);
        }
        if let Some(tokenizer) = schema.target.tokenizer() {
            options.tokenizer.settle(Some(tokenizer));
        }
    }
}

fn load(
    path: &Path,
    options: &AudioOptions,
    like: Option<&Like>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Arc<Files>> {
    like.map_or(Ok(()), |like| like.check_reader::<Sounds>(&path.display().to_string()))?;
    options.check()?;
    Ok(Arc::new(Files::load(path, options, like, progress)?))
}

fn all(files: &Files) -> Vec<u32> {
    (0..files.len() as u32).collect()
}

/// The sounds at `indices` as samples; or strings of them, where there are texts to join.
fn samples(
    files: &Arc<Files>,
    indices: &[u32],
    part: Part,
    options: &AudioOptions,
) -> Result<Arc<dyn Samples>> {
    let sounds = |source: Arc<dyn Source>| {
        Arc::new(SoundSamples::new(&files.name, files.schema.clone(), source))
    };
    match options.strings.as_ref().filter(|_| files.schema.target.tokenizer().is_some()) {
        Some(strings) => Ok(sounds(Arc::new(Strings::new(files.clone(), indices, part, strings)?))),
        None if indices.len() == files.len() => Ok(sounds(files.clone())),
        None => Ok(Arc::new(Subset::new(sounds(files.clone()), indices.to_vec())?)),
    }
}

/// Which sounds are for training and which for the test: as the options say, or else drawn.
fn divide(
    files: &Arc<Files>,
    options: &AudioOptions,
    split: TestSplit,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let Some(test) = &options.test else {
        return split.indices(&SoundSamples::new(&files.name, files.schema.clone(), files.clone()));
    };
    let train: Vec<u32> =
        all(files).into_iter().filter(|index| files.test.binary_search(index).is_err()).collect();
    let wrong = |found: &str| Error::Table {
        at: files.name.clone(),
        found: found.to_owned(),
        expected: format!(
            "sounds whose {:?} is one of {}, and others (data.audio.test)",
            test.field,
            test.values.join(", ")
        ),
    };
    match (train.len(), files.test.len()) {
        (_, 0) => Err(wrong("no sound for the test")),
        (0, _) => Err(wrong("no sound to train on")),
        _ => Ok((train, files.test.clone())),
    }
}
