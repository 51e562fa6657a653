//! The classes of tables.

use std::sync::Arc;

use candle_core::Device;
use fgn_data::{Reader as _, Samples, SeriesOptions, Tables, TargetSchema};

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
