//! Reports of tiny recommenders.

use std::collections::BTreeMap;

use fgn_nn::{Model, NextItem};
use fgn_schema::{Catalogue, IGNORED};
use fgn_train::Metrics;

use super::super::recommended::{Next, Shown};
use super::*;

const ITEMS: usize = 7;

/// Sessions that count on from an item to the next.
#[derive(Debug)]
struct Counting {
    schema: Schema,
    lengths: Vec<usize>,
}

fn catalogue() -> Catalogue {
    let names = (0..ITEMS).map(|item| format!("<b>{item}</b> & more"));
    Catalogue::new(names.collect(), vec![3; ITEMS]).unwrap()
}

impl Counting {
    fn dataset(lengths: &[usize]) -> Dataset {
        let target = TargetSchema::NextItem { catalogue: catalogue() };
        let schema = Schema::new(InputSchema::tokens(ITEMS), target);
        let part = || Counting { schema: schema.clone(), lengths: lengths.to_vec() };
        Dataset { train: part(), valid: None, test: part() }.shared()
    }
}

impl Samples for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn len(&self) -> usize {
        self.lengths.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn title(&self, index: u32) -> String {
        format!("<i>{index}</i>")
    }

    /// The target of the third event does not count.
    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let lengths: Vec<usize> =
            indices.iter().map(|&index| self.lengths[index as usize]).collect();
        let steps = lengths.iter().max().copied().unwrap_or(0);
        let rows = |ahead: u32| {
            let row = |index: u32| {
                (0..steps as u32).map(move |step| match (ahead, step) {
                    (1, 2) => IGNORED,
                    _ => (index + step + ahead) % ITEMS as u32,
                })
            };
            let rows: Vec<u32> = indices.iter().flat_map(|&index| row(index)).collect();
            let rows = Tensor::from_vec(rows, (indices.len(), steps), device)?;
            Padded::with_lengths(rows, lengths.clone())
        };
        Ok(Batch::new(rows(0)?, rows(1)?))
    }
}

fn model() -> (Config, Model) {
    let items = Embedding::new(ITEMS, 4);
    let config = config(items, |model| model.head = NextItem::new(catalogue()).into());
    let model = Model::new(&config.model, 5, DType::F32, &Device::Cpu).unwrap();
    (config, model)
}

#[test]
fn a_report_of_sessions_shows_what_is_recommended() {
    let (config, model) = model();
    let dataset = Counting::dataset(&[4, 2, 20]);
    let of = Subject {
        training: &Training::of(&config).unwrap(),
        model: &model,
        dataset: &dataset,
        history: Vec::new(),
        epoch: None,
        streaming: None,
        gates: Vec::new(),
        roles: BTreeMap::new(),
        outcomes: outcomes::measure(&model, &dataset.test, Metrics::none()).unwrap(),
    };
    // Of three sessions, the third target of two does not count.
    assert_eq!(of.outcomes.targets, 3 + 2 + 19);
    let sections = sections(&of, &Written::default()).unwrap();
    let html = page::page("sessions", &of.subtitle(), &sections);
    check_parts(&html, &["summary", "curves", "gates", "memory", "maps", "configuration"]);
    assert!(!html.contains("Worst mistakes") && !html.contains("<b>0") && !html.contains("<i>0"));
    let sessions = html.split("<section id=\"sessions\">").nth(1).unwrap();
    let sessions = sessions.split("</section>").next().unwrap();
    assert_eq!(sessions.matches("<figure>").count(), 3);
    assert_eq!(sessions.matches("<tr>").count(), 3 + 4 + 2 + 12);
    for part in [
        "among all 7 items",
        "&lt;i&gt;2&lt;/i&gt;; 8 more events are not shown",
        "<th scope=\"row\">&lt;b&gt;1&lt;/b&gt; &amp; more</th>",
    ] {
        assert!(sessions.contains(part), "no {part:?} in {sessions}");
    }
}

#[test]
fn ranks_are_those_of_all_scores() {
    let (_, model) = model();
    let dataset = Counting::dataset(&[4, 2]);
    let shown = Shown::read(&model, &*dataset.test, 0).unwrap().unwrap();
    assert_eq!((shown.events.len(), shown.more), (4, 0));
    for (step, event) in shown.events.iter().enumerate() {
        assert_eq!(event.item, step as u32);
        if step == 2 {
            assert_eq!(event.next, None);
            continue;
        }
        // Without targets, all items are ranked after the last one.
        let items: Vec<u32> = (0..=step as u32).collect();
        let items = Tensor::from_vec(items, (1, step + 1), &Device::Cpu).unwrap();
        let found = model.forward(&items, fgn_nn::Mode::Eval).unwrap().prediction;
        let all = found.output().tensor().to_vec2::<u32>().unwrap().remove(0);
        let item = step as u32 + 1;
        let rank = all.iter().position(|&other| other == item).unwrap() as u32 + 1;
        let expected = Next { item, rank, best: all[..5].to_vec() };
        assert_eq!(event.next.as_ref(), Some(&expected));
    }
}
