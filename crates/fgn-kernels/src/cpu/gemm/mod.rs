//! Matrix products: weights packed into panels, and tiles of sums that stay in vector registers. Or, of numbers rounded
//! to bf16, blocks of sums by an engine.

pub(crate) mod left_rows;
pub(crate) mod packing;
pub(crate) mod pairs;
pub(crate) mod panels;
pub(crate) mod product;
pub(crate) mod rounded;
pub(crate) mod tile;
pub(crate) mod tile_size;
pub(crate) mod transposed;
pub(crate) mod transposed_pairs;
