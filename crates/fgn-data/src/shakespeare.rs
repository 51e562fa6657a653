//! Shakespeare, embedded: see `assets/shakespeare/README.md`.

use crate::dataset::{Dataset, TestSplit};
use crate::error::Result;
use crate::reader::Like;
use crate::readers::text::{self, TextOptions};
use crate::text::pieces::Source;

const TEXT: Source = Source::Embedded {
    name: "embedded Shakespeare",
    xz: include_bytes!("../assets/shakespeare/tinyshakespeare.txt.xz"),
};

/// The 1,115,394 characters of plays that char-rnn made known (Karpathy 2015), in the public domain.
pub(crate) fn shakespeare(
    options: &TextOptions,
    split: TestSplit,
    like: Option<&Like>,
) -> Result<Dataset> {
    split.hold_out(&text::read("shakespeare", &[TEXT], options, like, &mut |_| ())?)
}
