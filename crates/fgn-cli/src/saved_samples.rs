//! Samples of a data set as files.

use std::path::Path;

use fgn_data::{Samples, save_sample, saved_ending};

use crate::classes::classes;
use crate::error::Result;

/// Saves `count` of the samples, of each class in turn, to files `NAME-INDEX-CLASS.png` or `.wav` in the
/// current folder, and gives their names. Nothing is overwritten: if one of the files is there, none is written.
pub(crate) fn save(samples: &dyn Samples, name: &str, count: u32) -> Result<Vec<String>> {
    if count as usize > samples.len() {
        let expected = format!("1 to {}, the samples of the test part", samples.len());
        let found = count.to_string();
        return Err(fgn_data::Error::Option { option: "--save", found, expected }.into());
    }
    let names = samples.schema().target.names();
    let mut counts = vec![0; names.len()];
    let rank = |(index, class): (u32, u32)| {
        let of_class = counts.get_mut(class as usize).map_or(index, |count| {
            *count += 1;
            *count
        });
        (of_class, class, index)
    };
    let mut all: Vec<_> = (0..).zip(classes(samples)?).map(rank).collect();
    all.sort_unstable();
    all.truncate(count as usize);
    // Samples without files are refused when the first is saved.
    let ending = saved_ending(&samples.schema().input).unwrap_or_default();
    let file = |(_, class, index): (u32, u32, u32)| {
        let class = names.get(class as usize).map_or(String::new(), |class| format!("-{class}"));
        (index, format!("{name}-{index}{class}.{ending}"))
    };
    let files: Vec<_> = all.into_iter().map(file).collect();
    if let Some((_, file)) = files.iter().find(|(_, file)| Path::new(file).exists()) {
        let found = std::io::Error::other("it is there already; move it away");
        return Err(fgn_data::Error::Write { file: file.clone(), source: found }.into());
    }
    for (index, file) in &files {
        save_sample(samples, *index, Path::new(file))?;
    }
    Ok(files.into_iter().map(|(_, file)| file).collect())
}
