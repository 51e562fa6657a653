//! What all readers of text share: texts piece by piece, line by line and in lists, tokenizers of every kind, and
//! samples that are texts.

pub(crate) mod lines;
pub(crate) mod lists;
pub(crate) mod pieces;
pub(crate) mod samples;
pub(crate) mod tokenizers;
pub(crate) mod tokens;
