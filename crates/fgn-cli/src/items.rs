//! What a data set of sessions holds: items, and events.

use std::cmp::Reverse;

use candle_core::Device;
use fgn_data::{Batches, Order, Samples, TargetSchema};
use fgn_report::grouped;
use fgn_schema::{Batch, Catalogue, IGNORED};
use serde_json::{Value, json};

use crate::error::Result;
use crate::output::in_line;

/// Items of the catalogue that are shown, and those of an example.
const SHOWN: usize = 10;

/// The items, where the next one is to be predicted.
fn catalogue(samples: &dyn Samples) -> Option<&Catalogue> {
    match &samples.schema().target {
        TargetSchema::NextItem { catalogue } => Some(catalogue),
        _ => None,
    }
}

/// The items of the sample at `index`: of a row of several sessions, those of the first. The last one is not among them
/// where it is only a target.
pub(crate) fn session(samples: &dyn Samples, index: u32) -> Result<Vec<u32>> {
    items(&samples.batch(&[index], &Device::Cpu)?)
}

/// Those of the first sample of a batch.
fn items(batch: &Batch) -> Result<Vec<u32>> {
    let mut items: Vec<u32> = batch.input().tensor().get(0)?.to_vec1()?;
    if let Some(length) = batch.input().lengths().and_then(|lengths| lengths.first()) {
        items.truncate(*length);
    }
    if let Some(resets) = batch.resets() {
        let resets: Vec<u8> = resets.get(0)?.to_vec1()?;
        let next = resets.iter().skip(1).position(|&reset| reset != 0);
        items.truncate(next.map_or(items.len(), |next| next + 1));
    }
    Ok(items)
}

/// The events that are to be predicted; `None` where the next item is not the target.
pub(crate) fn events(samples: &dyn Samples) -> Result<Option<u64>> {
    if catalogue(samples).is_none() {
        return Ok(None);
    }
    let mut count = 0;
    let size = samples.len().min(1000);
    for batch in Batches::new(samples, Order::AsGiven, size, &Device::Cpu)? {
        let targets = batch?.target().steps().map_err(fgn_train::Error::from)?;
        let targets = targets.to_vec1::<u32>()?;
        count += targets.iter().filter(|&&target| target != IGNORED).count() as u64;
    }
    Ok(Some(count))
}

/// The most frequent items, the most frequent first.
fn frequent(catalogue: &Catalogue) -> Vec<u32> {
    let mut all: Vec<u32> = (0..catalogue.len() as u32).collect();
    all.sort_by_key(|&item| Reverse(catalogue.count(item)));
    all.truncate(SHOWN);
    all
}

/// The items and an example, as lines of text; nothing for samples of another kind.
pub(crate) fn described(samples: &dyn Samples) -> Result<String> {
    let Some(catalogue) = catalogue(samples) else { return Ok(String::new()) };
    let counted = |&item: &u32| {
        let count = usize::try_from(catalogue.count(item)).unwrap_or(usize::MAX);
        format!("{} ({})", in_line(catalogue.name(item)), grouped(count))
    };
    let frequent: Vec<String> = frequent(catalogue).iter().map(counted).collect();
    let mut text = format!(
        "items     {}, most frequent in training: {}\n",
        grouped(catalogue.len()),
        frequent.join(", ")
    );
    let batch = samples.batch(&[0], &Device::Cpu)?;
    let mut items = items(&batch)?;
    let targets: Vec<u32> = batch.target().tensor().get(0)?.to_vec1()?;
    let last = items.len().checked_sub(1).and_then(|last| targets.get(last));
    items.extend(last.filter(|&&item| item != IGNORED));
    let shown = items.iter().take(SHOWN).map(|&item| in_line(catalogue.name(item)));
    let mut shown: Vec<_> = shown.collect();
    if items.len() > SHOWN {
        shown.push("…".into());
    }
    text += &format!("example   {}\n", shown.join(", "));
    Ok(text)
}

/// As JSON.
pub(crate) fn json(samples: &dyn Samples) -> Value {
    let Some(catalogue) = catalogue(samples) else { return Value::Null };
    let counted =
        |&item: &u32| json!({ "item": catalogue.name(item), "count": catalogue.count(item) });
    let frequent: Vec<Value> = frequent(catalogue).iter().map(counted).collect();
    json!({ "count": catalogue.len(), "most_frequent": frequent })
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;
    use fgn_schema::{InputSchema, Padded, Schema};

    use super::*;

    /// Two rows: a session of three events, of which the second does not count; and two sessions, of two events and of
    /// one.
    #[derive(Debug)]
    struct Rows(Schema);

    fn rows() -> Rows {
        let names = ["tea", "milk", "a\nb", "cup"].map(str::to_owned).to_vec();
        let catalogue = Catalogue::new(names, vec![5, 9, 1234, 9]).unwrap();
        Rows(Schema::new(InputSchema::tokens(4), TargetSchema::NextItem { catalogue }))
    }

    impl Samples for Rows {
        fn name(&self) -> &str {
            "rows"
        }

        fn len(&self) -> usize {
            2
        }

        fn schema(&self) -> &Schema {
            &self.0
        }

        fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
            let of = |rows: [[u32; 4]; 2]| {
                let rows: Vec<_> = indices.iter().map(|&at| rows[at as usize].to_vec()).collect();
                let lengths = indices.iter().map(|&at| [3, 4][at as usize]).collect();
                Padded::with_lengths(Tensor::new(rows, device)?, lengths)
            };
            let input = of([[0, 2, 2, 0], [3, 1, 0, 3]])?;
            let batch = Batch::new(input, of([[2, IGNORED, 1, 0], [1, 0, 3, 2]])?);
            let resets: Vec<_> = indices
                .iter()
                .map(|&at| [[1u8, 0, 0, 0], [1, 0, 1, 0]][at as usize].to_vec())
                .collect();
            Ok(batch.with_resets(Tensor::new(resets, device)?)?)
        }
    }

    #[test]
    fn sessions_are_described_by_their_items() {
        let rows = rows();
        assert_eq!(session(&rows, 0).unwrap(), [0, 2, 2]);
        assert_eq!(session(&rows, 1).unwrap(), [3, 1], "the first session of a row");
        assert_eq!(events(&rows).unwrap(), Some(2 + 4));
        let text = described(&rows).unwrap();
        let expected = "\
items     4, most frequent in training: a\\nb (1,234), milk (9), cup (9), tea (5)
example   tea, a\\nb, a\\nb, milk
";
        assert_eq!(text, expected);
        let found = json(&rows);
        assert_eq!(found["count"], 4);
        assert_eq!(found["most_frequent"][1], json!({ "item": "milk", "count": 9 }));
    }
}
