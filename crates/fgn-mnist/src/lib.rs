//! MNIST as bytes in the program: 60,000 images for training and 10,000 for testing, with their labels.
//!
//! The four files are MNIST's own IDX files, compressed with xz. This crate only holds them, so that whoever needs no MNIST
//! can leave 9 MB out; `fgn-data` unpacks them and makes a data set of them.
//!
//! ```
//! // An xz file begins with these bytes.
//! assert_eq!(fgn_mnist::TRAIN_IMAGES[..6], *b"\xfd7zXZ\0");
//! ```
//!
//! MNIST is by Yann LeCun and Corinna Cortes, under CC BY-SA 3.0. `assets/README.md` has the checksums of the files.
#![forbid(unsafe_code)]

/// 60,000 images of 28 x 28 pixels, a byte each, white on black: an IDX file of 47,040,016 bytes when unpacked.
pub const TRAIN_IMAGES: &[u8] = include_bytes!("../assets/train-images-idx3-ubyte.xz");

/// The digit of each training image, 0 to 9: an IDX file of 60,008 bytes when unpacked.
pub const TRAIN_LABELS: &[u8] = include_bytes!("../assets/train-labels-idx1-ubyte.xz");

/// 10,000 images as those of [`TRAIN_IMAGES`], by other writers: an IDX file of 7,840,016 bytes when unpacked.
pub const TEST_IMAGES: &[u8] = include_bytes!("../assets/t10k-images-idx3-ubyte.xz");

/// The digit of each test image, 0 to 9: an IDX file of 10,008 bytes when unpacked.
pub const TEST_LABELS: &[u8] = include_bytes!("../assets/t10k-labels-idx1-ubyte.xz");
