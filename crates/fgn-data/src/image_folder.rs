//! Images in a folder a class, decoded when they are asked for.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::picture::{Picture, dimensions};
use crate::samples::{check_places, class_key};
use crate::{Batch, Error, Form, Progress, Result, Samples, Target};

/// How image files become samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageOptions {
    /// `[height, width]` that every image is resized to, whatever its own shape. If not given, all
    /// images must be of one size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Whether red, green and blue are told apart; if not, colours become shades of grey.
    pub colour: bool,
    /// How many bytes of decoded images may be held in memory: if all fit, each file is decoded once,
    /// if not, anew for each batch.
    pub memory: u64,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions { size: None, colour: false, memory: 256 << 20 }
    }
}

/// Images in a folder a class, `class/name.png`: PNG, JPEG, BMP and PNM, told apart by content.
///
/// Reading looks at the head of every file; the pixels are decoded when a batch asks for them. Files
/// and folders whose names begin with a dot are passed over.
///
/// ```no_run
/// use fgn_data::{ImageFolder, ImageOptions, Samples};
///
/// let options = ImageOptions { size: Some([32, 32]), ..ImageOptions::default() };
/// let photos = ImageFolder::read("photos".as_ref(), &options, None, &mut |_| ())?;
/// println!("{} of {}", photos.len(), photos.form().target);
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageFolder {
    name: String,
    form: Form,
    picture: Picture,
    files: Vec<PathBuf>,
    classes: Vec<u32>,
    /// The decoded images, where all fit in memory.
    decoded: Vec<OnceLock<Box<[u8]>>>,
}

impl ImageFolder {
    /// Lists the folder and looks at every file, calling `progress` now and then. With `like`, the set
    /// that a model learned from, classes and size are those of that set.
    ///
    /// # Errors
    /// A folder that cannot be read or has no class folders in it, a file that is no image, an image of
    /// another size than the first where none is given.
    pub fn read(
        folder: &Path,
        options: &ImageOptions,
        like: Option<&ImageFolder>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<ImageFolder> {
        let name = folder.display().to_string();
        let mut size = like.map(|like| like.picture.size).or(options.size);
        let folders = class_folders(folder)?;
        let names = match like.map(|like| &like.form.target) {
            Some(Target::Classes(known)) => known.clone(),
            _ => folders.iter().map(|(class, _)| class.clone()).collect(),
        };
        let (mut files, mut classes) = (Vec::new(), Vec::new());
        for (class, folder) in folders {
            let Some(place) = names.iter().position(|name| *name == class) else {
                let expected = format!("a class that is known: {}", names.join(", "));
                return Err(Error::Folder { folder, found: "an unknown class".into(), expected });
            };
            let here = entries(&folder)?;
            classes.resize(classes.len() + here.len(), place as u32);
            files.extend(here);
        }
        if files.is_empty() {
            return Err(Error::Empty { origin: name });
        }
        if u32::try_from(files.len()).is_err() {
            return Err(Error::TooMany { count: files.len() });
        }

        let resizes = options.size.is_some();
        let total = files.len() as u64;
        for (done, file) in files.iter().enumerate() {
            if done.is_multiple_of(256) {
                progress(Progress { name: &name, done: done as u64, total });
            }
            let found = dimensions(file)?;
            let expected = *size.get_or_insert(found);
            if found != expected && !resizes {
                return Err(Error::PictureSize { file: file.clone(), found, expected });
            }
        }
        progress(Progress { name: &name, done: total, total });

        let size = size.unwrap_or_default();
        let picture = Picture { size, colour: options.colour, resize: resizes };
        picture.check()?;
        let all = (files.len() as u64).saturating_mul(picture.len() as u64);
        let kept = if all <= options.memory { files.len() } else { 0 };
        let form = Form { input: picture.form(), target: Target::Classes(names), each_step: false };
        let decoded = (0..kept).map(|_| OnceLock::new()).collect();
        Ok(ImageFolder { name, form, picture, files, classes, decoded })
    }

    fn pixels(&self, place: usize) -> Result<Cow<'_, [u8]>> {
        let decode = || self.picture.read(&self.files[place]);
        let Some(kept) = self.decoded.get(place) else {
            return Ok(Cow::Owned(decode()?));
        };
        if let Some(pixels) = kept.get() {
            return Ok(Cow::Borrowed(pixels));
        }
        let pixels = decode()?;
        Ok(Cow::Borrowed(kept.get_or_init(|| pixels.into())))
    }
}

impl Samples for ImageFolder {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn form(&self) -> &Form {
        &self.form
    }

    fn title(&self, place: u32) -> String {
        match self.files.get(place as usize) {
            Some(file) => file.display().to_string(),
            None => place.to_string(),
        }
    }

    fn batch(&self, places: &[u32], device: &Device) -> Result<Batch> {
        check_places(places, self.len())?;
        let all = places.par_iter().map(|&place| self.pixels(place as usize));
        let all = all.collect::<Result<Vec<_>>>()?;
        let target: Vec<u32> = places.iter().map(|&place| self.classes[place as usize]).collect();
        Ok(Batch {
            input: self.picture.input(&all, device)?,
            lengths: None,
            target: Tensor::from_vec(target, places.len(), device)?,
        })
    }
}

/// The folders in a folder, by name, in the order of classes.
fn class_folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let wrong = |folder: &Path, found: &str, expected: &str| Error::Folder {
        folder: folder.to_owned(),
        found: found.into(),
        expected: expected.into(),
    };
    let mut found = Vec::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            return Err(wrong(&path, "a file", "a folder a class, with images in it"));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| wrong(&path, "another name", "a class's name in UTF-8"))?;
        found.push((name.to_owned(), path));
    }
    if found.is_empty() {
        return Err(wrong(folder, "nothing in it", "a folder a class, with images in it"));
    }
    found.sort_by(|(one, _), (other, _)| class_key(one).cmp(&class_key(other)));
    Ok(found)
}

/// What is in a folder, by name; nothing whose name begins with a dot.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |source| Error::Read { file: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
