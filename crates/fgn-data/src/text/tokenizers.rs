//! Tokenizers: their options, and how they are trained on a text.

use std::collections::BTreeSet;
use std::path::PathBuf;

use fgn_schema::Tokenizer;
use fgn_schema::tokenizers::models::TrainerWrapper;
use fgn_schema::tokenizers::models::bpe::{BPE, BpeTrainer};
use fgn_schema::tokenizers::models::unigram::{Unigram, UnigramTrainer};
use fgn_schema::tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use fgn_schema::tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use fgn_schema::tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use fgn_schema::tokenizers::pre_tokenizers::byte_level::ByteLevel;
use fgn_schema::tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use fgn_schema::tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use fgn_schema::tokenizers::{AddedToken, ModelWrapper, Tokenizer as Pieces, decoders::wordpiece};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What stands for words that a vocabulary lacks.
const UNKNOWN: &str = "<unk>";

/// How texts become tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerOptions {
    /// What a token is. Where the whole table is left out, the reader decides.
    pub kind: TokenizerKind,
    /// How many tokens a vocabulary that is trained has at most: of `words`, `bpe`, `word-piece` and `unigram`; 8,000
    /// if left out.
    #[serde(default = "vocabulary_size", skip_serializing_if = "is_vocabulary_size")]
    pub vocabulary_size: usize,
    /// How often a word or a piece must be in the text to become a token of `words`, `bpe` or `word-piece`, at least
    /// 1; 1 if left out.
    #[serde(default = "min_frequency", skip_serializing_if = "is_min_frequency")]
    pub min_frequency: u64,
    /// The `tokenizer.json` of the kind `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A vocabulary that was trained: it is used in place of training another. A run writes it here, because two
    /// trainings can differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<Tokenizer>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TokenizerKind {
    /// A character. The vocabulary is those of the training text, in their order in Unicode.
    #[default]
    Characters,
    /// A byte of the text in UTF-8.
    Bytes,
    /// A word: what is between white space. A word that the vocabulary lacks is unknown: `<unk>`.
    Words,
    /// A piece of a word, by byte pair encoding of bytes (Sennrich, Haddow & Birch 2016), as GPT-2's.
    Bpe,
    /// A piece of a word, as BERT's (Schuster & Nakajima 2012).
    WordPiece,
    /// A piece of a word, by a unigram language model (Kudo 2018), as SentencePiece's.
    Unigram,
    /// What a `tokenizer.json` says, as the crate and Python package `tokenizers` write it.
    File,
}

impl Default for TokenizerOptions {
    fn default() -> Self {
        TokenizerOptions {
            kind: TokenizerKind::default(),
            vocabulary_size: vocabulary_size(),
            min_frequency: min_frequency(),
            file: None,
            trained: None,
        }
    }
}

fn vocabulary_size() -> usize {
    8_000
}

fn is_vocabulary_size(size: &usize) -> bool {
    *size == vocabulary_size()
}

fn min_frequency() -> u64 {
    1
}

fn is_min_frequency(frequency: &u64) -> bool {
    *frequency == min_frequency()
}

impl TokenizerOptions {
    /// Tokens of this kind, all else as if left out.
    pub fn new(kind: TokenizerKind) -> TokenizerOptions {
        TokenizerOptions { kind, ..TokenizerOptions::default() }
    }

    /// The tokenizer for `texts`, trained on them if it is of a kind that is; with special tokens of those names.
    /// `texts` are called `origin` in errors.
    ///
    /// # Errors
    /// Options that fit nothing, texts that cannot be read or hold nothing, and whatever training says.
    pub(crate) fn tokenizer(
        &self,
        origin: &str,
        texts: impl Iterator<Item = Result<String>> + Send,
        special: &[&str],
    ) -> Result<Tokenizer> {
        self.check()?;
        if let Some(trained) = &self.trained {
            return Ok(trained.with_special(special)?);
        }
        match self.kind {
            TokenizerKind::Bytes => Ok(Tokenizer::bytes(special)?),
            TokenizerKind::Characters => {
                let mut symbols = BTreeSet::new();
                for text in texts {
                    symbols.extend(text?.chars());
                }
                match symbols.is_empty() {
                    true => Err(Error::Empty { origin: origin.to_owned() }),
                    false => Ok(Tokenizer::characters(&String::from_iter(symbols), special)?),
                }
            }
            TokenizerKind::File => self.of_file(special),
            _ => {
                let json = self.trained(texts)?;
                let tokenizer = Tokenizer::pieces(&json, special);
                tokenizer.map_err(|_| Error::Empty { origin: origin.to_owned() })
            }
        }
    }

    /// Writes down what was trained.
    pub(crate) fn settle(&mut self, trained: Option<&Tokenizer>) {
        let is_trained = !matches!(self.kind, TokenizerKind::Bytes | TokenizerKind::File);
        self.trained = trained.cloned().filter(|_| is_trained);
    }

    fn check(&self) -> Result<()> {
        let wrong = |option, found: String, expected: &str| {
            Err(Error::Option { option, found, expected: expected.to_owned() })
        };
        if self.vocabulary_size < 2 || self.vocabulary_size > fgn_schema::MAX_SIZE {
            let expected = format!("2 to {}", fgn_schema::MAX_SIZE);
            return wrong("tokenizer.vocabulary_size", self.vocabulary_size.to_string(), &expected);
        }
        if self.min_frequency < 1 {
            return wrong("tokenizer.min_frequency", self.min_frequency.to_string(), "at least 1");
        }
        match (self.kind, &self.file) {
            (TokenizerKind::File, None) => {
                wrong("tokenizer.file", "not given".into(), "the path of a tokenizer.json")
            }
            (TokenizerKind::File, Some(_)) | (_, None) => Ok(()),
            (_, Some(file)) => {
                let expected = "tokenizer.kind = \"file\" beside it";
                wrong("tokenizer.file", format!("{:?}", file.display().to_string()), expected)
            }
        }
    }

    fn of_file(&self, special: &[&str]) -> Result<Tokenizer> {
        let file = self.file.clone().unwrap_or_default();
        let name = file.display().to_string();
        let json = std::fs::read_to_string(&file);
        let json = json.map_err(|source| Error::Read { file: name.clone(), source })?;
        Tokenizer::pieces(&json, special).map_err(|error| Error::Table {
            at: name,
            found: error.to_string(),
            expected: "a tokenizer.json of the package tokenizers".into(),
        })
    }

    /// The `tokenizer.json` of a tokenizer that is trained on these texts.
    fn trained(&self, texts: impl Iterator<Item = Result<String>> + Send) -> Result<String> {
        let (mut pieces, mut trainer) = self.untrained()?;
        let mut unread = None;
        // The trainer takes texts alone, so an error ends them.
        let texts = texts.map_while(|text| text.map_err(|error| unread = Some(error)).ok());
        let trained = pieces.train(&mut trainer, texts).map(drop);
        if let Some(error) = unread {
            return Err(error);
        }
        trained.and_then(|()| pieces.to_string(false)).map_err(failed)
    }

    fn untrained(&self) -> Result<(Pieces, TrainerWrapper)> {
        let unknown = || vec![AddedToken::from(UNKNOWN, true)];
        let Self { vocabulary_size, min_frequency, .. } = *self;
        Ok(match self.kind {
            TokenizerKind::Bpe => {
                let mut pieces = Pieces::new(ModelWrapper::BPE(BPE::default()));
                let bytes = ByteLevel::new(false, true, true);
                pieces.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
                let trainer = BpeTrainer::builder()
                    .vocab_size(vocabulary_size)
                    .min_frequency(min_frequency)
                    .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
                    .show_progress(false);
                (pieces, trainer.build().into())
            }
            TokenizerKind::WordPiece => {
                let model = WordPiece::builder().unk_token(UNKNOWN.into()).build();
                let mut pieces = Pieces::new(ModelWrapper::WordPiece(model.map_err(failed)?));
                pieces
                    .with_pre_tokenizer(Some(BertPreTokenizer))
                    .with_decoder(Some(wordpiece::WordPiece::default()));
                let trainer = WordPieceTrainer::builder()
                    .vocab_size(vocabulary_size)
                    .min_frequency(min_frequency)
                    .special_tokens(unknown())
                    .show_progress(false);
                (pieces, trainer.build().into())
            }
            TokenizerKind::Unigram => {
                let mut pieces = Pieces::new(ModelWrapper::Unigram(Unigram::default()));
                let spaces = Metaspace::new('▁', PrependScheme::First, true);
                pieces.with_pre_tokenizer(Some(spaces.clone())).with_decoder(Some(spaces));
                let trainer = UnigramTrainer::builder()
                    .vocab_size(u32::try_from(vocabulary_size).unwrap_or(u32::MAX))
                    .special_tokens(unknown())
                    .unk_token(Some(UNKNOWN.into()))
                    .show_progress(false)
                    .build();
                (pieces, trainer.map_err(|error| failed(error.to_string().into()))?.into())
            }
            _ => {
                let model = WordLevel::builder().unk_token(UNKNOWN.into()).build();
                let mut pieces = Pieces::new(ModelWrapper::WordLevel(model.map_err(failed)?));
                pieces.with_pre_tokenizer(Some(WhitespaceSplit));
                let trainer = WordLevelTrainer::builder()
                    .vocab_size(vocabulary_size)
                    .min_frequency(min_frequency)
                    .special_tokens(unknown())
                    .show_progress(false)
                    .build();
                (pieces, trainer.map_err(|error| failed(error.to_string().into()))?.into())
            }
        })
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Batch(fgn_schema::Error::Tokenizer(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "the cat sat on the mat and the cat ran\nthe dog sat on the cat\n";

    fn trained(kind: TokenizerKind, size: usize) -> Tokenizer {
        let options = TokenizerOptions { vocabulary_size: size, ..TokenizerOptions::new(kind) };
        let texts = (0..40).map(|_| Ok(TEXT.to_owned()));
        options.tokenizer("a text", texts, &["<end>"]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_kind_reads_its_own_text() {
        for (kind, size) in [
            (TokenizerKind::Characters, 0),
            (TokenizerKind::Bytes, 0),
            (TokenizerKind::Words, 30),
            (TokenizerKind::Bpe, 300),
            (TokenizerKind::WordPiece, 60),
            (TokenizerKind::Unigram, 40),
        ] {
            let size = size.max(2);
            let tokenizer = trained(kind, size);
            let tokens = tokenizer.encode("the cat sat").unwrap();
            assert_eq!(tokenizer.decode(&tokens), "the cat sat", "{kind:?}: {tokens:?}");
            let end = tokenizer.special("<end>").unwrap();
            assert_eq!(end as usize + 1, tokenizer.vocabulary(), "{kind:?}");
            let text = serde_json::to_string(&tokenizer).unwrap();
            assert_eq!(serde_json::from_str::<Tokenizer>(&text).unwrap(), tokenizer);
        }
    }

    #[test]
    fn unknown_words_are_unknown_and_rare_ones_can_be_left_out() {
        let words = trained(TokenizerKind::Words, 5);
        assert_eq!(words.decode(&words.encode("the zebra sat").unwrap()), "the sat");
        assert_eq!(words.encode("zebra").unwrap(), words.encode("giraffe").unwrap());
        let options =
            TokenizerOptions { min_frequency: 2, ..TokenizerOptions::new(TokenizerKind::Words) };
        let tokenizer = options.tokenizer("a text", [Ok(TEXT.to_owned())].into_iter(), &[]);
        let words = tokenizer.unwrap();
        assert_eq!(words.encode("dog").unwrap(), words.encode("zebra").unwrap());
        assert_ne!(words.encode("cat").unwrap(), words.encode("zebra").unwrap());
    }

    #[test]
    fn options_that_fit_nothing_are_refused() {
        let file = Some(PathBuf::from("no/tokenizer.json"));
        for (options, expected) in [
            (TokenizerOptions::new(TokenizerKind::File), "tokenizer.file is not given"),
            (TokenizerOptions { file: file.clone(), ..Default::default() }, "tokenizer.kind = "),
            (TokenizerOptions { vocabulary_size: 1, ..Default::default() }, "vocabulary_size is 1"),
            (TokenizerOptions { min_frequency: 0, ..Default::default() }, "min_frequency is 0"),
            (
                TokenizerOptions { file, ..TokenizerOptions::new(TokenizerKind::File) },
                "cannot read no/tokenizer.json",
            ),
            (TokenizerOptions::default(), "an empty set"),
        ] {
            let error = options.tokenizer("a text", [].into_iter(), &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
