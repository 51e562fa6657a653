//! Which sound files there are, and what is known of each.

use std::path::{Path, PathBuf};

use fgn_audio::files::{COMPRESSED_ENDINGS, ENDINGS};

use super::options::{AudioOptions, AudioTask};
use super::pattern::Pattern;
use crate::error::{Error, Result};
use crate::folders::{class_folders, entries, wrong};
use crate::names::shortened;
use crate::reader::{ReadProgress, has_ending};
use crate::table;
use crate::table::row::Field;

/// How many entries of a folder are looked at to see whether it holds sounds.
const LOOKED_AT: usize = 100;

/// A sound file, and what is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) file: PathBuf,
    /// The row that names it, where one does.
    pub(super) row: Option<String>,
    /// Its class or its text.
    pub(super) target: Option<String>,
    pub(super) group: Option<String>,
    pub(super) is_test: bool,
}

impl Entry {
    /// Where an error about it is.
    pub(super) fn at(&self) -> String {
        self.row.clone().unwrap_or_else(|| self.file.display().to_string())
    }
}

/// Whether a folder holds sound files, or folders with some.
pub(super) fn holds_sounds(folder: &Path) -> bool {
    let here = || std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_sound = |path: &Path| is_sound(path) && path.is_file();
    here().any(|entry| is_sound(&entry.path()))
        || here().any(|entry| {
            let within = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            within.take(LOOKED_AT).any(|entry| is_sound(&entry.path()))
        })
}

/// Whether a file is called like a sound. Without the feature `symphonia` not all of them are read; an error names it.
pub(super) fn is_sound(path: &Path) -> bool {
    has_ending(path, ENDINGS) || has_ending(path, COMPRESSED_ENDINGS)
}

/// The sounds at a path. With `is_labelled` each has what the options name: its target, its group, and whether it is
/// for the test. `is_open` says that a class without sounds is an error.
///
/// # Errors
/// Files that are no sounds, names that do not fit the pattern, fields that are missing or empty.
pub(super) fn list(
    path: &Path,
    options: &AudioOptions,
    (is_labelled, is_open): (bool, bool),
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Vec<Entry>> {
    if has_ending(path, table::ENDINGS) && !path.is_dir() {
        return of_table(path, options, is_labelled, progress);
    }
    if is_labelled {
        return of_folder(path, options, is_open);
    }
    let bare = |file| Entry { file, row: None, target: None, group: None, is_test: false };
    Ok(unlabelled(path)?.into_iter().map(bare).collect())
}

/// Which fields hold what the options name.
struct Wanted {
    target: usize,
    group: Option<usize>,
    test: Option<usize>,
}

impl Wanted {
    /// `find` gives the index of a field, or the error for an option that names none.
    fn new(
        options: &AudioOptions,
        find: impl Fn(&'static str, &str) -> Result<usize>,
    ) -> Result<Wanted> {
        let group = options.group.as_ref();
        let test = options.test.as_ref();
        Ok(Wanted {
            target: find("data.audio.target", options.target())?,
            group: group.map(|group| find("data.audio.group", group)).transpose()?,
            test: test.map(|test| find("data.audio.test.field", &test.field)).transpose()?,
        })
    }

    /// The sound at `file`, whose fields `field` gives.
    fn entry(
        &self,
        (file, row): (PathBuf, Option<String>),
        options: &AudioOptions,
        field: impl Fn(usize) -> Result<String>,
    ) -> Result<Entry> {
        let test = self.test.map(&field).transpose()?;
        let is_test = options.test.as_ref().zip(test);
        Ok(Entry {
            file,
            row,
            target: Some(field(self.target)?),
            group: self.group.map(&field).transpose()?,
            is_test: is_test.is_some_and(|(test, value)| test.values.contains(&value)),
        })
    }
}

/// The sounds that the rows of a table name.
fn of_table(
    path: &Path,
    options: &AudioOptions,
    is_labelled: bool,
    progress: &mut dyn FnMut(ReadProgress<'_>),
) -> Result<Vec<Entry>> {
    let name = path.display().to_string();
    let mut table = table::open(path, options.format())?;
    let find = |column: &str| table::column(&name, table.columns(), column);
    let paths = find(&options.path)?;
    let wanted = match is_labelled {
        true => Some(Wanted::new(options, |_, column| find(column))?),
        false => None,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut all = Vec::new();
    table::each_row(&name, &mut *table, progress, |table| {
        let text = |column: usize, as_text: bool| {
            let field = table.field(column)?;
            let text = if as_text { Field::text(field) } else { Field::name(field) };
            text.ok_or_else(|| Error::Table {
                at: format!("{name}, {}, column {:?}", table.position(), table.columns()[column]),
                found: "an empty field".into(),
                expected: "a path, a class or a text".into(),
            })
        };
        let file = folder.join(text(paths, true)?);
        let row = Some(format!("{name}, {}", table.position()));
        let is_transcription = options.task == AudioTask::Transcription;
        all.push(match &wanted {
            Some(wanted) => wanted.entry((file, row), options, |column| {
                text(column, is_transcription && column == wanted.target)
            })?,
            None => Entry { file, row, target: None, group: None, is_test: false },
        });
        Ok(())
    })?;
    Ok(all)
}

/// The sounds in folders of classes, or in one folder where their names say everything.
fn of_folder(path: &Path, options: &AudioOptions, is_open: bool) -> Result<Vec<Entry>> {
    let pattern = options.names.as_deref().map(Pattern::new).transpose()?;
    let (files, has_classes) = labelled(path, is_open)?;
    let mut fields: Vec<&str> = if has_classes { vec!["class"] } else { Vec::new() };
    fields.extend(pattern.iter().flat_map(Pattern::fields));
    match &pattern {
        None if !has_classes => {
            return Err(Error::Folder {
                path: path.to_owned(),
                found: "sounds whose targets are not known".into(),
                expected: "a folder for each class, a table of the sounds, or data.audio.names, which says what \
                           their names mean, as \"{class}_{index}\""
                    .into(),
            });
        }
        Some(pattern) if has_classes && pattern.fields().any(|field| field == "class") => {
            return Err(Error::Option {
                option: "data.audio.names",
                found: format!("{:?}", pattern.text()),
                expected: "fields beside {class}: the folders are the classes".into(),
            });
        }
        _ => {}
    }
    let wanted = Wanted::new(options, |option, name| {
        let index = fields.iter().position(|field| *field == name);
        index.ok_or_else(|| Error::Option {
            option,
            found: format!("{name:?}"),
            expected: format!("one of the fields: {}", fields.join(", ")),
        })
    })?;
    let entry = |(file, class): (PathBuf, Option<String>)| {
        let mut values: Vec<String> = class.into_iter().collect();
        if let Some(pattern) = &pattern {
            values.extend(read_name(pattern, &file)?);
        }
        wanted.entry((file, None), options, |field| Ok(values[field].clone()))
    };
    files.into_iter().map(entry).collect()
}

/// What a file's name says.
fn read_name(pattern: &Pattern, file: &Path) -> Result<Vec<String>> {
    let stem = file.file_stem().unwrap_or_default();
    let values = stem.to_str().and_then(|stem| pattern.read(stem));
    values.ok_or_else(|| Error::Table {
        at: file.display().to_string(),
        found: format!("the name {}", shortened(&stem.to_string_lossy())),
        expected: format!("one like {} (data.audio.names)", pattern.text()),
    })
}

/// Files with the folder of each, which is its class, and whether there are such folders.
type Labelled = (Vec<(PathBuf, Option<String>)>, bool);

fn labelled(path: &Path, is_open: bool) -> Result<Labelled> {
    if path.is_file() {
        return Ok((vec![(path.to_owned(), None)], false));
    }
    let here = entries(path)?;
    if here.iter().any(|entry| !entry.is_dir()) {
        check_sounds(&here)?;
        return Ok((here.into_iter().map(|file| (file, None)).collect(), false));
    }
    let expected = format!("a folder for each class, with {} in it", sounds());
    let mut all = Vec::new();
    for (class, folder) in class_folders(path, &expected)? {
        let here = entries(&folder)?;
        if is_open && here.is_empty() {
            let expected = "some of this class: add them, or remove the folder";
            return Err(wrong(&folder, "no sound", expected));
        }
        check_sounds(&here)?;
        all.extend(here.into_iter().map(|file| (file, Some(class.clone()))));
    }
    Ok((all, true))
}

/// The sounds at a path, whatever their classes: of a file the file, of a folder those in it and in the folders in it.
fn unlabelled(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in entries(path)? {
        let here = if entry.is_dir() { entries(&entry)? } else { vec![entry] };
        check_sounds(&here)?;
        files.extend(here);
    }
    Ok(files)
}

/// # Errors
/// A folder, or a file that is not called like a sound that this build reads.
fn check_sounds(files: &[PathBuf]) -> Result<()> {
    let Some(other) = files.iter().find(|file| file.is_dir() || !has_ending(file, ENDINGS)) else {
        return Ok(());
    };
    let ending = other.extension().map(|ending| ending.to_string_lossy());
    let found = match ending {
        _ if other.is_dir() => "a folder beside sounds".into(),
        Some(ending) => format!("a file (.{ending})"),
        None => "a file".into(),
    };
    let or_build = match has_ending(other, COMPRESSED_ENDINGS) {
        true => ", or a build with the feature `symphonia`",
        false => "",
    };
    let expected = format!(
        "{} only{or_build}: convert it, move it away, or put a dot before its name",
        sounds()
    );
    Err(wrong(other, &found, &expected))
}

/// Sounds, with the endings of those that this build reads.
fn sounds() -> String {
    format!("sounds (.{})", ENDINGS.join(", ."))
}
