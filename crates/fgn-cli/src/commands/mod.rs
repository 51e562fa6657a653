//! The commands, one a file: their arguments, and what they do.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod listen;
pub(crate) mod predict;
pub(crate) mod recipes;
pub(crate) mod recommend;
pub(crate) mod report;
pub(crate) mod sweep;
pub(crate) mod train;
pub(crate) mod transcribe;
pub(crate) mod version;
