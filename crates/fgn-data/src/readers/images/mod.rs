//! Image files: in a folder for each class, or, without classes, in any folder or alone.

mod background;
mod decode;
mod files;
mod jpeg;
mod listing;
mod options;
mod picture;
mod png;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fgn_schema::{InputSchema, Schema, TargetSchema};

pub use self::background::Background;
use self::decode::dimensions;
use self::files::ImageFiles;
pub use self::options::ImageOptions;
use self::picture::Picture;
use crate::error::{Error, Result};
use crate::grey_levels::GreyLevels;
use crate::reader::{Like, ReadProgress, Reader, has_ending};
use crate::samples::{Samples, check_count};

/// Reads images: PNG, JPEG, BMP and PNM, recognised by their content.
///
/// - A folder with a folder for each class: `photos/cat/1.png`.
/// - Without targets, a single file or a folder of files: a sample is called like its file.
/// - For models that generate images ([`levels`](ImageOptions::levels)), any of these: the target of an image are its own
///   pixels.
///
/// Reading looks at the header of every file; pixels are decoded when a batch asks for them, upright (as EXIF
/// says) and on the [background](ImageOptions::background). Hidden files are ignored, and those that systems
/// and archives leave behind: `Thumbs.db`, `desktop.ini`, `README`, `__MACOSX`.
///
/// ```
/// use fgn_data::{ImageFolders, ImageOptions, Reader};
///
/// let folder = tempfile::tempdir()?;
/// for class in ["cat", "dog"] {
///     std::fs::create_dir(folder.path().join(class))?;
///     image::GrayImage::new(20, 10).save(folder.path().join(class).join("1.png"))?;
/// }
/// let options = ImageOptions { size: Some([32, 32]), ..ImageOptions::default() };
/// let photos = ImageFolders::read(folder.path(), &options, None, &mut |_| ())?;
/// assert_eq!(photos.schema().to_string(), "images of 32 x 32 pixels, 2 classes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ImageFolders;

impl Reader for ImageFolders {
    type Options = ImageOptions;

    const READS: &str = "images (PNG, JPEG, BMP or PNM), in a folder for each class";

    const ENDINGS: &[&str] = &["png", "jpg", "jpeg", "bmp", "pgm", "ppm", "pbm", "pnm"];

    /// Any folder, too: images need no ending.
    fn accepts(path: &Path) -> bool {
        path.is_dir() || has_ending(path, Self::ENDINGS)
    }

    fn suits(schema: &Schema) -> bool {
        matches!(schema.input, InputSchema::Image { .. })
    }

    fn read(
        path: &Path,
        options: &ImageOptions,
        like: Option<&Like>,
        progress: &mut dyn FnMut(ReadProgress<'_>),
    ) -> Result<Arc<dyn Samples>> {
        let name = path.display().to_string();
        like.map_or(Ok(()), |like| like.check_reader::<ImageFolders>(&name))?;
        let is_labelled = like.is_none_or(|like| like.labelled);
        let option = ("data.images.levels", options.levels);
        let grey = GreyLevels::of(option, options.rounding, like)?;
        let has_classes = is_labelled && grey.is_none();
        let listing = match has_classes {
            true => {
                let target = like.map(|like| &like.schema.target);
                let is_class =
                    |target: &&TargetSchema| matches!(target, TargetSchema::Class { .. });
                listing::labelled(path, target.filter(is_class).map(TargetSchema::names))?
            }
            false => listing::unlabelled(path)?,
        };
        check_count(&name, listing.files.len())?;

        let known = like.and_then(|like| match like.schema.input {
            InputSchema::Image { height, width, channels } => Some(([height, width], channels)),
            _ => None,
        });
        let mut size = known.map(|(size, _)| size).or(options.size);
        let total = listing.files.len() as u64;
        for (done, file) in listing.files.iter().enumerate() {
            if done.is_multiple_of(256) {
                progress(ReadProgress::new(&name, done as u64, total));
            }
            let found = dimensions(file)?;
            let expected = *size.get_or_insert(found);
            if found != expected && options.size.is_none() {
                return Err(Error::PictureSize { file: file.clone(), found, expected });
            }
        }
        progress(ReadProgress::new(&name, total, total));

        let picture = Picture {
            size: size.unwrap_or_default(),
            colour: known.map_or(options.colour, |(_, channels)| channels == 3),
            resize: options.size.is_some(),
            background: options.background,
            invert: options.invert,
        };
        picture.check()?;
        let bytes = total.saturating_mul(picture.len() as u64);
        let kept = if bytes <= options.memory { listing.files.len() } else { 0 };
        let target = match has_classes {
            true => TargetSchema::Class { names: listing.classes, per_step: false },
            false => TargetSchema::None,
        };
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let title =
            |file: &PathBuf| file.strip_prefix(folder).unwrap_or(file).display().to_string();
        let images = Arc::new(ImageFiles {
            name,
            schema: Schema::new(picture.schema(), target),
            picture,
            titles: listing.files.iter().map(title).collect(),
            files: listing.files,
            labels: listing.labels,
            decoded: (0..kept).map(|_| OnceLock::new()).collect(),
            fingerprint: OnceLock::new(),
        });
        match grey {
            Some(grey) => grey.samples(images, is_labelled),
            None => Ok(images),
        }
    }
}
