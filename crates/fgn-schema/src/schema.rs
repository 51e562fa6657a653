//! What samples and targets are.

use std::fmt;

use crate::catalogue::Catalogue;
use crate::tokenizer::Tokenizer;

/// A target that does not count: neither the loss nor a metric sees its step. PyTorch's `ignore_index`.
pub const IGNORED: u32 = u32::MAX;

/// What one sample of a data set is, and what is to be predicted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// What a sample is.
    pub input: InputSchema,
    /// What is to be predicted.
    pub target: TargetSchema,
}

impl Schema {
    /// Samples of that kind with targets of that kind.
    pub fn new(input: InputSchema, target: TargetSchema) -> Schema {
        Schema { input, target }
    }
}

/// What a sample is, and what the input of a [`Batch`](crate::Batch) holds for `B` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputSchema {
    /// An image: `[B, height, width]` of 1 channel, `[B, height, width, channels]` of several, in `F32` from 0
    /// (black) to 1 (white).
    Image {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// 1 for grey, 3 for red, green and blue.
        channels: usize,
    },
    /// A sequence of steps of several numbers: `[B, T, features]`, padded with zeros. A data set gives them in
    /// `F64`, so that large offsets, as those of time stamps, keep the digits behind them until a model has
    /// scaled them. `F32` is read too, for numbers that need no more.
    Series {
        /// Numbers a step.
        features: usize,
    },
    /// A sound: `[B, N]` in `F32`, one channel of samples from -1 to 1, padded with zeros. Lengths are in samples.
    Audio {
        /// Samples a second.
        sample_rate: u32,
    },
    /// A sequence of tokens: `[B, T]` in `U32`, each less than `vocabulary`, padded with zeros.
    Tokens {
        /// How many different tokens there are.
        vocabulary: usize,
        /// What makes tokens of texts; `None` for tokens that are no text.
        tokenizer: Option<Tokenizer>,
    },
}

impl InputSchema {
    /// Sequences of tokens that are no text, each less than `vocabulary`.
    pub fn tokens(vocabulary: usize) -> InputSchema {
        InputSchema::Tokens { vocabulary, tokenizer: None }
    }

    /// Sequences of tokens that `tokenizer` makes of texts.
    pub fn text(tokenizer: Tokenizer) -> InputSchema {
        InputSchema::Tokens { vocabulary: tokenizer.vocabulary(), tokenizer: Some(tokenizer) }
    }

    /// What makes tokens of texts, where samples are texts.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match self {
            InputSchema::Tokens { tokenizer, .. } => tokenizer.as_ref(),
            _ => None,
        }
    }
}

/// What is to be predicted of a sample, and what the target of a [`Batch`](crate::Batch) holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetSchema {
    /// One of these classes: `[B]`, or `[B, T]` with one for each step, in `U32`: an index into `names`. A step without a
    /// target has [`IGNORED`].
    Class {
        /// What the classes are called.
        names: Vec<String>,
        /// Whether each step has a target, rather than each sample.
        per_step: bool,
    },
    /// These numbers: `[B, V]`, or `[B, T, V]` with some for each step, in `F64`; or in `F32`, for numbers that
    /// need no more.
    Value {
        /// What the numbers are called.
        names: Vec<String>,
        /// Whether each step has a target, rather than each sample.
        per_step: bool,
    },
    /// The token that follows each step of a sequence of tokens: `[B, T]` in `U32`, each less than `vocabulary`, or
    /// [`IGNORED`].
    NextToken {
        /// How many different tokens there are: as many as in the input.
        vocabulary: usize,
    },
    /// The item that follows each step of a sequence of items: `[B, T]` in `U32`, an index into the catalogue, or
    /// [`IGNORED`]. The input holds the same items as tokens.
    NextItem {
        /// The items.
        catalogue: Catalogue,
    },
    /// The pixels of the image that is the input, in the order of rows: `[B, height · width]` in `U32`, each less than
    /// `levels`. A pixel of level `l` is `l / (levels - 1)` in the input: 0 is black, the last level white.
    Pixels {
        /// How many levels of grey there are, at least 2.
        levels: usize,
    },
    /// A sequence of tokens with a length of its own, at least 1: `[B, U]` in `U32`, each less than `vocabulary`. The
    /// last token of the vocabulary is the end token: it ends every sequence, and is part of it and of its length.
    Sequence {
        /// How many different tokens there are.
        vocabulary: usize,
        /// What makes tokens of texts; `None` for tokens that are no text.
        tokenizer: Option<Tokenizer>,
    },
    /// Nothing is known of the samples: they are there to be predicted. The target is `[B]`, zeros in `U32`.
    None,
}

impl TargetSchema {
    /// The sequences of tokens that `tokenizer` makes of texts.
    pub fn text(tokenizer: Tokenizer) -> TargetSchema {
        TargetSchema::Sequence { vocabulary: tokenizer.vocabulary(), tokenizer: Some(tokenizer) }
    }

    /// What makes tokens of texts, where targets are texts.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match self {
            TargetSchema::Sequence { tokenizer, .. } => tokenizer.as_ref(),
            _ => None,
        }
    }

    /// What the classes or numbers are called.
    pub fn names(&self) -> &[String] {
        match self {
            TargetSchema::Class { names, .. } | TargetSchema::Value { names, .. } => names,
            _ => &[],
        }
    }

    /// Whether each step has a target, rather than each sample.
    pub fn is_per_step(&self) -> bool {
        match *self {
            TargetSchema::Class { per_step, .. } | TargetSchema::Value { per_step, .. } => per_step,
            TargetSchema::NextToken { .. }
            | TargetSchema::NextItem { .. }
            | TargetSchema::Pixels { .. } => true,
            TargetSchema::Sequence { .. } | TargetSchema::None => false,
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.input, self.target)
    }
}

impl fmt::Display for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputSchema::Image { height, width, channels: 1 } => {
                write!(f, "images of {height} x {width} pixels")
            }
            InputSchema::Image { height, width, channels } => {
                write!(f, "images of {height} x {width} pixels in {channels} channels")
            }
            InputSchema::Series { features } => write!(f, "series of {features} features"),
            InputSchema::Audio { sample_rate } => write!(f, "sounds at {sample_rate} Hz"),
            InputSchema::Tokens { vocabulary, tokenizer: None } => {
                write!(f, "sequences over a vocabulary of {vocabulary} tokens")
            }
            InputSchema::Tokens { tokenizer: Some(tokenizer), .. } => {
                write!(f, "texts over a vocabulary of {tokenizer}")
            }
        }
    }
}

impl fmt::Display for TargetSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetSchema::Class { names, .. } => write!(f, "{} classes", names.len())?,
            TargetSchema::Value { names, .. } if names.len() == 1 => write!(f, "1 value")?,
            TargetSchema::Value { names, .. } => write!(f, "{} values", names.len())?,
            TargetSchema::NextToken { vocabulary } => {
                return write!(f, "the next of {vocabulary} tokens");
            }
            TargetSchema::NextItem { catalogue } => {
                return write!(f, "the next of {} items", catalogue.len());
            }
            TargetSchema::Pixels { levels } => {
                return write!(f, "the pixels themselves in {levels} levels of grey");
            }
            TargetSchema::Sequence { vocabulary, tokenizer: None } => {
                write!(f, "a sequence over a vocabulary of {vocabulary} tokens")?;
            }
            TargetSchema::Sequence { tokenizer: Some(tokenizer), .. } => {
                write!(f, "a text over a vocabulary of {tokenizer}")?;
            }
            TargetSchema::None => write!(f, "no target")?,
        }
        if self.is_per_step() { write!(f, " per step") } else { Ok(()) }
    }
}
