//! Texts with a class for each word: files in columns, as CoNLL's.

mod options;
mod sentences;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{Schema, TargetSchema};

pub use self::options::TagOptions;
use self::sentences::Sentences;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::{Like, ReadProgress, Reader};
use crate::samples::Samples;
use crate::text::lines::Lines;

/// Reads sentences word by word: a line has a word first and its tag last, between white space; what is between them
/// is not read. A blank line ends a sentence. Lines that begin with `-DOCSTART-` are left out.
///
/// A sample is a sentence; each of its words is a token, and has a class.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::{Reader, Samples, TagOptions, Tags};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("names.conll");
/// std::fs::write(&file, "Ada NAME\nsmiled O\n\nit O\nrained O\nin O\nParis PLACE\n")?;
/// let sentences = Tags::read(&file, &TagOptions::default(), None, &mut |_| ())?;
/// assert_eq!(sentences.len(), 2);
/// assert_eq!(sentences.schema().target.names(), ["NAME", "O", "PLACE"]);
/// let batch = sentences.batch(&[0, 1], &Device::Cpu)?;
/// assert_eq!(batch.target().tensor().to_vec2::<u32>()?, [[0, 1, 0, 0], [1, 1, 1, 2]]);
/// assert_eq!(batch.target().lengths(), Some(&[2, 4][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tags;

impl Reader for Tags {
    type Options = TagOptions;

    const READS: &str = "words and their tags (.conll or .bio)";

    const ENDINGS: &[&str] = &["conll", "bio"];

    fn suits(schema: &Schema) -> bool {
        let is_tag = matches!(schema.target, TargetSchema::Class { per_step: true, .. });
        schema.input.tokenizer().is_some() && is_tag
    }

    fn read(
        path: &Path,
        options: &TagOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<Tags>(&name))?;
        let mut sentences = Sentences::new(&name, options, like);
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.line()? {
            sentences.add(&line, lines.number())?;
            let (done, total) = lines.progress();
            progress(ReadProgress::new(&name, done, total));
        }
        sentences.finish()
    }

    /// The vocabulary, where it was trained.
    fn settle(options: &mut TagOptions, dataset: &Dataset) {
        options.tokenizer.settle(dataset.train.schema().input.tokenizer());
    }
}
