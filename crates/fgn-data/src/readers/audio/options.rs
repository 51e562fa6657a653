//! How sound files become samples.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{self, TextFormat};
use crate::text::tokenizers::{TokenizerKind, TokenizerOptions};

/// How sound files become samples: `[data.audio]` of a recipe.
///
/// ```
/// use fgn_data::{AudioOptions, TestFiles};
///
/// // Files that are called like `7_jackson_32.wav`; the first two of each are for the test.
/// let options = AudioOptions {
///     names: Some("{class}_{speaker}_{index}".into()),
///     group: Some("speaker".into()),
///     test: Some(TestFiles { field: "index".into(), values: vec!["0".into(), "1".into()] }),
///     ..AudioOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioOptions {
    /// What is to be predicted.
    pub task: AudioTask,
    /// The sample rate, in Hz, to which every file is resampled; that of the first file if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// What the names of files say, without their endings: `{class}_{speaker}_{index}`. What is in braces is a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// The column of a table that holds the paths of the files, relative to the table's folder.
    pub path: String,
    /// The field or column that holds the class or the text; `class` if not given. The folders of classes are the field
    /// `class`. Of a table it must be given, as it says that the table lists sounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The field or column of a group, such as the speaker. The samples of a group are never split between training,
    /// validation and test where these are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which files are the test part; a share of all is drawn if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestFiles>,
    /// How texts become tokens; by characters if left out.
    #[serde(skip_serializing_if = "is_characters")]
    pub tokenizer: TokenizerOptions,
    /// Joins sounds to strings, whose texts are those of the sounds, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strings: Option<StringOptions>,
    /// The character between the fields of a table in text: a comma if not given, in a `.tsv` file a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a table in text names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// Whether a field of a table in text may be in double quotes, as in CSV; if not, quotes are part of the texts.
    pub quotes: bool,
    /// How many seconds a file may last, at most 3600. A longer one is an error.
    pub max_seconds: f64,
    /// How many bytes of samples, 4 each, may be in memory. More are in a temporary file, in the system's folder for
    /// such files (`TMPDIR`). The same number bounds the texts.
    pub memory: u64,
}

/// What is to be predicted of a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AudioTask {
    /// Its class: the target names it.
    #[default]
    Classification,
    /// Its text: the target holds it.
    Transcription,
}

/// Which files are the test part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFiles {
    /// A field or column.
    pub field: String,
    /// The values of the field that make a file one of the test part.
    pub values: Vec<String>,
}

/// How sounds are joined to strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StringOptions {
    /// The fewest and the most sounds of a string. They are of one group, if there are groups, and all different.
    pub count: [u32; 2],
    /// The shortest and the longest silence between two sounds, in seconds.
    pub gap: [f64; 2],
    /// How many strings the training part has.
    pub samples: u32,
    /// How many strings the test part has, and a validation part that is in files of its own.
    pub test_samples: u32,
    /// Draws the strings.
    pub seed: u64,
}

impl Default for StringOptions {
    fn default() -> Self {
        StringOptions {
            count: [1, 7],
            gap: [0.0, 0.3],
            samples: 10_000,
            test_samples: 1_000,
            seed: 1,
        }
    }
}

impl Default for AudioOptions {
    fn default() -> Self {
        AudioOptions {
            task: AudioTask::default(),
            sample_rate: None,
            names: None,
            path: "path".into(),
            target: None,
            group: None,
            test: None,
            tokenizer: TokenizerOptions::default(),
            strings: None,
            delimiter: None,
            header: true,
            quotes: true,
            max_seconds: 60.0,
            memory: 256 << 20,
        }
    }
}

/// The most seconds that [`AudioOptions::max_seconds`] may be.
const LONGEST: f64 = 3600.0;

/// The most sounds of a string.
const MOST: u32 = 1000;

/// The longest silence between two sounds of a string, in seconds.
const LONGEST_GAP: f64 = 60.0;

impl AudioOptions {
    /// The field or column that holds the class or the text.
    pub(super) fn target(&self) -> &str {
        self.target.as_deref().unwrap_or("class")
    }

    pub(super) fn format(&self) -> TextFormat {
        TextFormat { delimiter: self.delimiter, header: self.header, quotes: self.quotes }
    }

    /// Checks what can be checked without a file.
    ///
    /// # Errors
    /// [`Error::Option`] for the first option that is missing or out of range.
    pub(super) fn check(&self) -> Result<()> {
        self.format().check("data.audio.delimiter")?;
        table::check_given(&[
            ("data.audio.path", &self.path[..], "the column of the paths"),
            ("data.audio.target", self.target(), "the field or column of the targets"),
        ])?;
        if let Some(rate) = self.sample_rate {
            check_rate(rate)?;
        }
        if !(self.max_seconds > 0.0 && self.max_seconds <= LONGEST) {
            let expected = format!("above 0 and at most {LONGEST}");
            return wrong("data.audio.max_seconds", self.max_seconds.to_string(), &expected);
        }
        self.strings.as_ref().map_or(Ok(()), |strings| self.check_strings(strings))
    }

    fn check_strings(&self, strings: &StringOptions) -> Result<()> {
        let StringOptions { count: [fewest, most], gap: [shortest, longest], .. } = *strings;
        if self.task != AudioTask::Transcription {
            return wrong(
                "data.audio.strings",
                "given".into(),
                "task = \"transcription\" beside it: what is predicted is the text of a string",
            );
        }
        if !matches!(self.tokenizer.kind, TokenizerKind::Characters | TokenizerKind::Bytes) {
            let expected =
                "\"characters\" or \"bytes\": the texts of a string have no space between";
            return wrong(
                "data.audio.tokenizer.kind",
                format!("{:?}", self.tokenizer.kind),
                expected,
            );
        }
        if !(1 <= fewest && fewest <= most && most <= MOST) {
            let expected = format!("the fewest and the most sounds, 1 to {MOST}");
            return wrong("data.audio.strings.count", format!("[{fewest}, {most}]"), &expected);
        }
        if !(0.0 <= shortest && shortest <= longest && longest <= LONGEST_GAP) {
            let expected = format!("the shortest and the longest gap, 0 to {LONGEST_GAP} seconds");
            return wrong("data.audio.strings.gap", format!("[{shortest}, {longest}]"), &expected);
        }
        for (option, samples) in [
            ("data.audio.strings.samples", strings.samples),
            ("data.audio.strings.test_samples", strings.test_samples),
        ] {
            if samples == 0 {
                return wrong(option, "0".into(), "one or more");
            }
        }
        Ok(())
    }
}

/// # Errors
/// [`Error::Option`] for a sample rate that no sound may have.
pub(crate) fn check_rate(rate: u32) -> Result<()> {
    let rates = fgn_audio::SAMPLE_RATES;
    match rates.contains(&rate) {
        true => Ok(()),
        false => wrong(
            "data.audio.sample_rate",
            rate.to_string(),
            &format!("{} to {} Hz", rates.start(), rates.end()),
        ),
    }
}

fn wrong<T>(option: &'static str, found: String, expected: &str) -> Result<T> {
    Err(Error::Option { option, found, expected: expected.to_owned() })
}

fn is_characters(tokenizer: &TokenizerOptions) -> bool {
    *tokenizer == TokenizerOptions::default()
}
