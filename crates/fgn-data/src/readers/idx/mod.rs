//! Folders with MNIST's four files.

pub(crate) mod format;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fgn_schema::{InputSchema, TargetSchema};
use serde::{Deserialize, Serialize};

use self::format::{CLASSES, TEST, TRAIN, read_idx_folder, read_images, read_part};
use crate::dataset::{Dataset, TestSplit};
use crate::error::Result;
use crate::names::are_indices;
use crate::reader::{Like, Parts, ReadProgress, Reader};
use crate::samples::Samples;

/// Reads a folder with MNIST's four files, as [`read_idx_folder`] does: Fashion-MNIST, say.
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

/// The options of [`Idx`]: none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IdxOptions {}

impl Reader for Idx {
    type Options = IdxOptions;

    const READS: &str = "a folder with MNIST's four files (train-images-idx3-ubyte, …)";

    const ENDINGS: &[&str] = &[];

    fn accepts(path: &Path) -> bool {
        let is_images = |name: &str| {
            [TRAIN, TEST].iter().any(|part| name.starts_with(&format!("{part}-images")))
                && name.contains("idx3")
        };
        let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.any(|entry| entry.file_name().to_str().is_some_and(is_images))
    }

    fn suits(input: InputSchema) -> bool {
        matches!(input, InputSchema::Image { .. })
    }

    fn read(
        path: &Path,
        _: &IdxOptions,
        like: Option<&Like>,
        _: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        if like.is_some_and(|like| !like.labelled) {
            return Ok(Arc::new(read_images(path, TEST)?));
        }
        let classes = like.and_then(|like| counted(&like.schema.target)).unwrap_or(CLASSES);
        Ok(Arc::new(read_part(path, TEST, classes)?))
    }

    fn parts(_: &Path) -> Option<Parts> {
        None
    }

    fn open(
        path: &Path,
        _: &IdxOptions,
        _: TestSplit,
        _: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Dataset> {
        Ok(read_idx_folder(path)?.shared())
    }
}

/// How many classes there are, if they are called `0`, `1`, …: a model may have more than the labels need.
fn counted(target: &TargetSchema) -> Option<usize> {
    match target {
        TargetSchema::Class { names, per_step: false } if are_indices(names) => Some(names.len()),
        _ => None,
    }
}
