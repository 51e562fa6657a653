//! MNIST, embedded whole by the crate `fgn-mnist`.

use std::ops::Range;
use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::grey_levels::GreyLevels;
use crate::images::Images;
use crate::readers::idx::format::decode;
use crate::readers::idx::source::Source;
use crate::samples::Samples;
use crate::subset::Subset;

/// MNIST (Y. LeCun, C. Cortes; CC BY-SA 3.0): 60,000 + 10,000 handwritten digits of 28 x 28 pixels
/// in 10 classes, white on black. Embedded in the program and unpacked anew by each call, which takes
/// most of a second.
///
/// # Errors
/// [`Error::NoMnist`](crate::Error::NoMnist) where the feature `mnist` is off. Otherwise none, unless the program file
/// itself is damaged.
pub fn mnist() -> Result<Dataset<Images>> {
    let [train, test] = embedded()?;
    let part = |[images, labels]: [Source; 2]| decode(images, labels);
    Ok(Dataset { train: part(train)?, valid: None, test: part(test)? })
}

/// MNIST in black and white, for models that generate images: 50,000 training, 10,000 validation and 10,000 test images
/// whose target are their own pixels. The validation part is the last 10,000 of MNIST's 60,000 training images.
///
/// Each pixel is drawn once, white with its brightness as the probability; the draw is fixed. Log-likelihoods are nearly
/// comparable with those on the fixed binarisation of Larochelle & Murray (2011), which is another draw of the same
/// distribution.
///
/// ```
/// use fgn_data::Samples as _;
///
/// let digits = fgn_data::mnist_binary()?;
/// assert_eq!(digits.train.len(), 50_000);
/// assert_eq!(digits.valid.map(|valid| valid.len()), Some(10_000));
/// let expected = "images of 28 x 28 pixels, the pixels themselves in 2 levels of grey";
/// assert_eq!(digits.test.schema().to_string(), expected);
/// # Ok::<(), fgn_data::Error>(())
/// ```
///
/// # Errors
/// As [`mnist`].
pub fn mnist_binary() -> Result<Dataset> {
    const TRAIN: u32 = 50_000;
    let Dataset { train: all, test, .. } = mnist()?.shared();
    let part = |indices: Range<u32>| -> Result<Arc<dyn Samples>> {
        Ok(Arc::new(Subset::new(all.clone(), indices.collect())?))
    };
    let (train, valid) = (part(0..TRAIN)?, Some(part(TRAIN..all.len() as u32)?));
    GreyLevels::binary().dataset(Dataset { train, valid, test })
}

/// Images and labels of the training part and of the test part.
#[cfg(feature = "mnist")]
fn embedded() -> Result<[[Source; 2]; 2]> {
    let file = |name: &str, xz: &'static [u8]| Source {
        name: format!("embedded MNIST {name}"),
        bytes: Box::new(lzma_rust2::XzReader::new(xz, false)),
    };
    Ok([
        [
            file("train images", fgn_mnist::TRAIN_IMAGES),
            file("train labels", fgn_mnist::TRAIN_LABELS),
        ],
        [file("test images", fgn_mnist::TEST_IMAGES), file("test labels", fgn_mnist::TEST_LABELS)],
    ])
}

#[cfg(not(feature = "mnist"))]
fn embedded() -> Result<[[Source; 2]; 2]> {
    Err(crate::error::Error::NoMnist)
}
