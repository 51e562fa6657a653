//! Folders with MNIST's four files.

pub(crate) mod format;
mod names;
pub(crate) mod source;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};
use serde::{Deserialize, Serialize};

use self::format::{check_sizes, read_folder, read_images, read_test};
use self::names::{TEST, TRAIN, any_images};
use crate::dataset::{Dataset, TestSplit};
use crate::error::Result;
use crate::grey_levels::{GreyLevels, Rounding};
use crate::reader::{Like, Parts, ReadProgress, Reader};
use crate::samples::Samples;

/// Reads a folder with MNIST's four files, as [`read_idx_folder`](crate::read_idx_folder) does: Fashion-MNIST or
/// EMNIST, say.
///
/// The folder always has a test part; it is what [`read`](Reader::read) reads. Without labels it reads only the
/// file of that part's images.
///
/// ```no_run
/// use fgn_data::{Idx, IdxOptions, Reader, TestSplit};
///
/// let path = "fashion-mnist".as_ref();
/// let garments = Idx::open(path, &IdxOptions::default(), TestSplit::default(), &mut |_| ())?;
/// # let _ = garments;
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Idx;

/// The options of [`Idx`]: `[data.idx]` of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IdxOptions {
    /// Whether rows and columns of every image are exchanged. EMNIST's files need it: their images lie on their
    /// side.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transpose: bool,
    /// For models that generate images: how many levels of grey images are read in, 2 to 256. The target of an image are
    /// its pixels then, and labels are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<usize>,
    /// With `levels`: how a pixel between two levels becomes one of them.
    #[serde(skip_serializing_if = "is_nearest")]
    pub rounding: Rounding,
}

impl Reader for Idx {
    type Options = IdxOptions;

    const READS: &str = "a folder with MNIST's four files (train-images-idx3-ubyte, …)";

    const ENDINGS: &[&str] = &[];

    fn accepts(path: &Path) -> bool {
        any_images(path)
    }

    fn suits(schema: &Schema) -> bool {
        matches!(schema.input, InputSchema::Image { .. })
    }

    fn read(
        path: &Path,
        options: &IdxOptions,
        like: Option<&Like>,
        _: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let is_labelled = like.is_none_or(|like| like.labelled);
        if let Some(grey) = grey(options, like)? {
            let images = read_images(path, TEST, options.transpose)?;
            return grey.samples(Arc::new(images), is_labelled);
        }
        if !is_labelled {
            return Ok(Arc::new(read_images(path, TEST, options.transpose)?));
        }
        let known = like.and_then(|like| labels(&like.schema.target));
        Ok(Arc::new(read_test(path, known.as_deref(), options.transpose)?))
    }

    fn parts(_: &Path) -> Result<Option<Parts>> {
        Ok(None)
    }

    fn open(
        path: &Path,
        options: &IdxOptions,
        _: TestSplit,
        _: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Dataset> {
        let Some(grey) = grey(options, None)? else {
            return Ok(read_folder(path, options.transpose)?.shared());
        };
        let images = |part: &[&'static str]| read_images(path, part, options.transpose);
        let (train, test) = (images(TRAIN)?, images(TEST)?);
        check_sizes(path, &train, &test)?;
        grey.dataset(Dataset { train, valid: None, test }.shared())
    }
}

/// The levels of grey that images are read in, where their pixels are the target.
fn grey(options: &IdxOptions, like: Option<&Like>) -> Result<Option<GreyLevels>> {
    GreyLevels::of(("data.idx.levels", options.levels), options.rounding, like)
}

fn is_nearest(rounding: &Rounding) -> bool {
    *rounding == Rounding::Nearest
}

/// The label of each class, if all are called like labels: a model may have more than there are labels.
fn labels(target: &TargetSchema) -> Option<Vec<u8>> {
    let label = |name: &String| name.parse().ok().filter(|label: &u8| label.to_string() == *name);
    match target {
        TargetSchema::Class { names, per_step: false } => names.iter().map(label).collect(),
        _ => None,
    }
}
