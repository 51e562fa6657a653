//! Threads: work dealt out to a pool, and teams that meet after every step.

pub(crate) mod claims;
pub(crate) mod pool;
pub(crate) mod team;
