//! Which columns of a table are what.

use super::options::{SeriesOptions, Task};
use crate::error::{Error, Result};
use crate::reader::Like;
use crate::table::column;

/// A column's index in the table, and its name.
pub(super) type Column = (usize, String);

/// Which columns of a table are what.
pub(super) struct Columns {
    pub(super) id: Option<usize>,
    pub(super) features: Vec<Column>,
    /// None where no targets are read.
    pub(super) target: Vec<Column>,
}

impl Columns {
    /// Finds the columns that `options` name among `all` of a file.
    ///
    /// # Errors
    /// [`Error::Column`] for one that is missing, [`Error::Table`] for no features.
    pub(super) fn find(
        file: &str,
        all: &[String],
        options: &SeriesOptions,
        like: Option<&Like>,
    ) -> Result<Columns> {
        let find = |name: &String| column(file, all, name);
        let find_all = |names: &[String]| -> Result<Vec<Column>> {
            names.iter().map(|name| Ok((find(name)?, name.clone()))).collect()
        };
        let id = options.id.as_ref().map(find).transpose()?;
        let is_labelled = like.is_none_or(|like| like.labelled);
        let target = if is_labelled { find_all(&options.target)? } else { Vec::new() };
        let is_forecast = matches!(options.task, Task::Forecast { .. });
        let has = |columns: &[Column], index: usize| columns.iter().any(|&(it, _)| it == index);

        let known = like.map(|like| &like.features[..]).unwrap_or_default();
        let named = if known.is_empty() { &options.features } else { known };
        let mut features = find_all(named)?;
        if named.is_empty() {
            let ignored = find_all(&options.ignore)?;
            let is_free = |&(index, name): &(usize, &String)| {
                let is_target = options.target.contains(name) && !is_forecast;
                id != Some(index) && !has(&ignored, index) && !is_target
            };
            let free = all.iter().enumerate().filter(is_free);
            features.extend(free.map(|(index, name)| (index, name.clone())));
        }
        if is_forecast {
            let targets = find_all(&options.target)?;
            let new: Vec<_> =
                targets.into_iter().filter(|&(index, _)| !has(&features, index)).collect();
            features.extend(new);
        }
        match features.is_empty() {
            true => Err(Error::Table {
                at: file.to_owned(),
                found: "no column of features".into(),
                expected: "one or more beside id and target".into(),
            }),
            false => Ok(Columns { id, features, target }),
        }
    }
}

/// Their names.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|(_, name)| name.clone()).collect()
}
