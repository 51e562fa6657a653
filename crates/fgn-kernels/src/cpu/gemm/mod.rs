//! Matrix products: weights packed into panels, and tiles of sums that stay in vector registers.

pub(crate) mod packing;
pub(crate) mod panels;
pub(crate) mod tile;
pub(crate) mod tile_size;
pub(crate) mod transposed;
