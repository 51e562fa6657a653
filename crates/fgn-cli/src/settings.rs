//! The values of `--set`.

use fgn_train::Override;

use crate::error::Result;

/// `KEY=VALUE` each, in their order.
pub(crate) fn parsed(texts: &[String]) -> Result<Vec<Override>> {
    Ok(texts.iter().map(|text| text.parse()).collect::<fgn_train::Result<_>>()?)
}
