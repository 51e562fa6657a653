//! Dialogues for language models: JSON lines.

mod options;
mod rows;
mod turns;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{Schema, TargetSchema, Tokenizer};

pub use self::options::DialogueOptions;
pub(crate) use self::rows::Rows;
pub(crate) use self::turns::Turn;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::reader::{Like, ReadProgress, Reader};
use crate::samples::Samples;
use crate::text::lines::Lines;
use crate::text::samples::END;

/// Reads dialogues from JSON lines, one a line: an array of turns, or an object with that array under `turns` or
/// `messages`. A turn is an object with `speaker` and `text`, or with `role` and `content`.
///
/// A sample is a dialogue as one sequence of tokens: of each turn the token of its speaker, the tokens of its text,
/// and `<end>`. These speakers' tokens and `<end>` are special ones, which come from no text. The targets are the
/// next tokens in the turns of one speaker ([`DialogueOptions::replies`]), with their `<end>`; all others are
/// [`IGNORED`](fgn_schema::IGNORED).
///
/// ```
/// use candle_core::Device;
/// use fgn_data::fgn_schema::IGNORED;
/// use fgn_data::{DialogueOptions, Dialogues, Reader, Samples};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("chats.jsonl");
/// let line = r#"[{"speaker": "user", "text": "hi"}, {"speaker": "bot", "text": "hi hi"}]"#;
/// std::fs::write(&file, line)?;
/// let chats = Dialogues::read(&file, &DialogueOptions::default(), None, &mut |_| ())?;
/// let batch = chats.batch(&[0], &Device::Cpu)?;
/// // <unk> is 0, hi is 1, <end> is 2, <bot> is 3, and <user> is 4.
/// assert_eq!(batch.input().tensor().to_vec2::<u32>()?, [[4, 1, 2, 3, 1, 1]]);
/// let target = [[IGNORED, IGNORED, IGNORED, 1, 1, 2]];
/// assert_eq!(batch.target().tensor().to_vec2::<u32>()?, target);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dialogues;

impl Reader for Dialogues {
    type Options = DialogueOptions;

    const READS: &str = "dialogues in JSON lines (.jsonl)";

    const ENDINGS: &[&str] = &["jsonl"];

    fn suits(schema: &Schema) -> bool {
        let has_turns = |tokenizer: &Tokenizer| tokenizer.special(END).is_some();
        let is_next = matches!(schema.target, TargetSchema::NextToken { .. });
        is_next && schema.input.tokenizer().is_some_and(has_turns)
    }

    fn read(
        path: &Path,
        options: &DialogueOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<Dialogues>(&name))?;
        let mut rows = Rows::new(&name, options, like);
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.advance()? {
            let place = ("line", lines.number());
            let turns = turns::parse(&line);
            rows.add(&turns.map_err(|problem| problem.at(&name, place))?, place)?;
            let (done, total) = lines.progress();
            progress(ReadProgress::new(&name, done, total));
        }
        rows.finish()
    }

    /// The vocabulary, where it was trained.
    fn settle(options: &mut DialogueOptions, dataset: &Dataset) {
        options.tokenizer.settle(dataset.train.schema().input.tokenizer());
    }
}
