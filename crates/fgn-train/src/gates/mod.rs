//! What the gates of a model do, epoch by epoch: the lines of `gates.jsonl`.

pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod recorder;
mod tally;
