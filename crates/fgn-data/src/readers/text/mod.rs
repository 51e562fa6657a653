//! Texts to continue: files of text, for language models.

mod corpus;
mod options;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fgn_schema::{Schema, TargetSchema, Tokenizer};

use self::corpus::Corpus;
pub use self::options::TextOptions;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::reader::{Like, ReadProgress, Reader, has_ending};
use crate::samples::Samples;
use crate::text::pieces::Source;
use crate::text::samples::END;

/// Reads a text file, or all text files in a folder, as one long sequence of tokens, of which each is to be predicted
/// from those before it. The files of a folder follow each other in the order of their names.
///
/// A sample is a window of the sequence; the next sample continues it. Texts are read twice, piece by piece: for the
/// vocabulary, and for the tokens. These are in memory as long as they fit ([`TextOptions::memory`]), else in a
/// temporary file. Lines longer than a mebibyte are cut, so that no token reaches across.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Corpora, Reader, Samples, TextOptions};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("poem.txt");
/// std::fs::write(&file, "abracadabra")?;
/// let options = TextOptions { window: 4, ..TextOptions::default() };
/// let text = Corpora::read(&file, &options, None, &mut |_| ())?;
/// assert_eq!(text.len(), 3); // 10 characters are predicted: 4 + 4 + 2.
/// let batch = text.batch(&[0], &Device::Cpu)?;
/// assert_eq!(batch.input().tensor().to_vec2::<u32>()?, [[0, 1, 4, 0]]); // a b r a
/// assert_eq!(batch.target().tensor().to_vec2::<u32>()?, [[1, 4, 0, 2]]); // b r a c
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Corpora;

impl Reader for Corpora {
    type Options = TextOptions;

    const READS: &str = "a text (.txt or .text), or a folder of texts";

    const ENDINGS: &[&str] = &["txt", "text"];

    fn accepts(path: &Path) -> bool {
        match path.is_dir() {
            true => files(path).is_ok_and(|files| !files.is_empty()) && !has_folders(path),
            false => has_ending(path, Self::ENDINGS),
        }
    }

    fn suits(schema: &Schema) -> bool {
        let is_corpus = |tokenizer: &Tokenizer| tokenizer.special(END).is_none();
        let is_next = matches!(schema.target, TargetSchema::NextToken { .. });
        is_next && schema.input.tokenizer().is_some_and(is_corpus)
    }

    fn read(
        path: &Path,
        options: &TextOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let files = match path.is_dir() {
            true => files(path)?,
            false => vec![path.to_owned()],
        };
        let sources: Vec<Source> = files.into_iter().map(Source::File).collect();
        read(&path.display().to_string(), &sources, options, like, progress)
    }

    /// The vocabulary, where it was trained.
    fn settle(options: &mut TextOptions, dataset: &Dataset) {
        options.tokenizer.settle(dataset.train.schema().input.tokenizer());
    }
}

/// Reads these texts, one after the other.
pub(crate) fn read(
    name: &str,
    sources: &[Source],
    options: &TextOptions,
    like: Option<&Like>,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Arc<dyn Samples>> {
    like.map_or(Ok(()), |like| like.check_reader::<Corpora>(name))?;
    options.check()?;
    let window = if like.is_some() { options.evaluation_window } else { options.window };
    let tokenizer = match like.and_then(|like| like.schema.input.tokenizer()) {
        Some(tokenizer) => tokenizer.clone(),
        None => {
            let pieces = sources.iter().map(Source::pieces).collect::<Result<Vec<_>>>()?;
            options.tokenizer.tokenizer(name, pieces.into_iter().flatten(), &[])?
        }
    };
    Ok(Arc::new(Corpus::read(name, sources, options, tokenizer, window, progress)?))
}

/// Whether there are folders in a folder: those of images have a text beside them often.
fn has_folders(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.is_dir())
}

/// The text files in a folder, by name; a `README` describes them.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| Error::Read { file: folder.display().to_string(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let stem = path.file_stem().unwrap_or_default();
        let is_about = stem.eq_ignore_ascii_case("readme");
        if has_ending(&path, Corpora::ENDINGS) && path.is_file() && !is_about {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
