//! The classes of a table, as they are found or as they are known.

use std::collections::HashMap;

use fgn_schema::MAX_SIZE;

use crate::names::sorted_classes;

/// Names of classes, and the index of each.
pub(super) struct Classes {
    names: Vec<String>,
    indices: HashMap<String, u32>,
    are_known: bool,
}

impl Classes {
    /// Those `known`, or those that will be found.
    pub(super) fn new(known: Option<&[String]>) -> Classes {
        let names = known.unwrap_or_default().to_vec();
        let indices = names.iter().cloned().zip(0..).collect();
        Classes { names, indices, are_known: known.is_some() }
    }

    /// The names, in the order of the indices.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether no other classes may be found.
    pub(super) fn are_known(&self) -> bool {
        self.are_known
    }

    /// The index of a class, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    /// Adds a class that is not there, unless there are [`MAX_SIZE`].
    pub(super) fn add(&mut self, name: String) -> Option<u32> {
        let is_room = self.names.len() < MAX_SIZE;
        let index = u32::try_from(self.names.len()).ok().filter(|_| is_room)?;
        self.names.push(name.clone());
        self.indices.insert(name, index);
        Some(index)
    }

    /// The names, sorted if they were found; `labels` are changed to fit.
    pub(super) fn sorted(self, labels: &mut [u32]) -> Vec<String> {
        if self.are_known { self.names } else { sorted_classes(self.names, labels) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::Device;
    use fgn_schema::TargetSchema;

    use crate::reader::Reader as _;
    use crate::readers::series::Tables;
    use crate::readers::series::options::SeriesOptions;
    use crate::samples::Samples;

    /// As many as a language model has tokens.
    #[test]
    fn a_table_may_have_fifty_thousand_classes() {
        const CLASSES: usize = 50_257;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words.csv");
        // From the last class to the first, which is the order of their names in the schema.
        let rows: String =
            (0..CLASSES).map(|id| format!("{id},0.5,w{:05}\n", CLASSES - 1 - id)).collect();
        std::fs::write(&file, format!("id,x,word\n{rows}")).unwrap();
        let options = SeriesOptions {
            id: Some("id".into()),
            target: vec!["word".into()],
            ..SeriesOptions::default()
        };
        let words: Arc<dyn Samples> = Tables::read(&file, &options, None, &mut |_| ()).unwrap();
        let TargetSchema::Class { names, .. } = &words.schema().target else { panic!("classes") };
        assert_eq!(
            (names.len(), names[0].as_str(), names[50_256].as_str()),
            (CLASSES, "w00000", "w50256")
        );
        let batch = words.batch(&[0, 50_256], &Device::Cpu).unwrap();
        assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [50_256, 0]);
    }
}
