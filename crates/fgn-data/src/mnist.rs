//! MNIST, embedded whole: see `assets/mnist/README.md` for its authors and licence.

use lzma_rust2::XzReader;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::images::Images;
use crate::readers::idx::format::decode;
use crate::readers::idx::source::Source;

/// MNIST (Y. LeCun, C. Cortes; CC BY-SA 3.0): 60,000 + 10,000 handwritten digits of 28 x 28 pixels
/// in 10 classes, white on black. Embedded in the crate and unpacked anew by each call, which takes
/// most of a second.
///
/// # Errors
/// None, unless the program file itself is damaged.
pub fn mnist() -> Result<Dataset<Images>> {
    Ok(Dataset {
        train: decode(
            embedded("train images", include_bytes!("../assets/mnist/train-images-idx3-ubyte.xz")),
            embedded("train labels", include_bytes!("../assets/mnist/train-labels-idx1-ubyte.xz")),
        )?,
        valid: None,
        test: decode(
            embedded("test images", include_bytes!("../assets/mnist/t10k-images-idx3-ubyte.xz")),
            embedded("test labels", include_bytes!("../assets/mnist/t10k-labels-idx1-ubyte.xz")),
        )?,
    })
}

fn embedded(name: &str, xz: &'static [u8]) -> Source {
    Source { name: format!("embedded MNIST {name}"), bytes: Box::new(XzReader::new(xz, false)) }
}
