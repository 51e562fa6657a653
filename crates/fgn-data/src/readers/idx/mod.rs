//! Folders with MNIST's four files.

pub(crate) mod format;
mod names;
pub(crate) mod source;

use std::path::Path;
use std::sync::Arc;

use fgn_schema::{InputSchema, Schema, TargetSchema};
use serde::{Deserialize, Serialize};

use self::format::{read_folder, read_images, read_test};
use self::names::any_images;
use crate::dataset::{Dataset, TestSplit};
use crate::error::Result;
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
        if like.is_some_and(|like| !like.labelled) {
            return Ok(Arc::new(read_images(path, options.transpose)?));
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
        Ok(read_folder(path, options.transpose)?.shared())
    }
}

/// The label of each class, if all are called like labels: a model may have more than there are labels.
fn labels(target: &TargetSchema) -> Option<Vec<u8>> {
    let label = |name: &String| name.parse().ok().filter(|label: &u8| label.to_string() == *name);
    match target {
        TargetSchema::Class { names, per_step: false } => names.iter().map(label).collect(),
        _ => None,
    }
}
