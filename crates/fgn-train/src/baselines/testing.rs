//! Sessions of items for the tests of baselines.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use fgn_data::{Samples, Windows};
use fgn_nn::Generator;
use fgn_schema::{Batch, Catalogue, IGNORED, InputSchema, Padded, Schema, TargetSchema};

/// [`IGNORED`].
pub(super) const IGN: u32 = IGNORED;

fn schema(items: usize) -> Schema {
    let names = (0..items).map(|item| format!("item {item}")).collect();
    let catalogue = Catalogue::new(names, vec![1; items]).unwrap();
    Schema::new(InputSchema::tokens(items), TargetSchema::NextItem { catalogue })
}

/// Items and targets of a session.
type Pair = (Vec<u32>, Vec<u32>);

fn pair(session: &[u32]) -> Pair {
    let last = session.len() - 1;
    (session[..last].to_vec(), session[1..].to_vec())
}

/// Sessions of two items or more, one a row.
#[derive(Debug)]
pub(super) struct Rows {
    schema: Schema,
    rows: Vec<Pair>,
}

impl Rows {
    pub(super) fn new(items: usize, sessions: &[Vec<u32>]) -> Rows {
        Rows::with_targets(items, sessions.iter().map(|session| pair(session)).collect())
    }

    pub(super) fn with_targets(items: usize, rows: Vec<Pair>) -> Rows {
        Rows { schema: schema(items), rows }
    }
}

impl Samples for Rows {
    fn name(&self) -> &str {
        "rows"
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let rows: Vec<&Pair> = indices.iter().map(|&index| &self.rows[index as usize]).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.0.len()).collect();
        let longest = lengths.iter().copied().max().unwrap();
        let padded = |part: fn(&Pair) -> &Vec<u32>| {
            let row = |row: &&Pair| {
                let mut items = part(row).clone();
                // The padding looks like an item and like a target.
                items.resize(longest, 0);
                items
            };
            let all: Vec<u32> = rows.iter().flat_map(row).collect();
            let tensor = Tensor::from_vec(all, (rows.len(), longest), device)?;
            Padded::with_lengths(tensor, lengths.clone())
        };
        Ok(Batch::new(padded(|row| &row.0)?, padded(|row| &row.1)?))
    }
}

/// The same sessions as one stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    schema: Schema,
    /// Items, targets, and whether a session begins.
    steps: Vec<(u32, u32, u8)>,
    window: usize,
}

impl Stream {
    pub(super) fn new(items: usize, sessions: &[Vec<u32>], window: usize) -> Stream {
        let steps = sessions.iter().flat_map(|session| {
            let (items, targets) = pair(session);
            let pairs = items.into_iter().zip(targets).enumerate();
            pairs.map(|(at, (item, target))| (item, target, u8::from(at == 0))).collect::<Vec<_>>()
        });
        Stream { schema: schema(items), steps: steps.collect(), window }
    }
}

impl Samples for Stream {
    fn name(&self) -> &str {
        "stream"
    }

    fn len(&self) -> usize {
        self.steps.len().div_ceil(self.window)
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn windows(&self) -> Option<&dyn Windows> {
        Some(self)
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let windows: Vec<_> = self.steps.chunks(self.window).collect();
        let rows: Vec<_> = indices.iter().map(|&index| windows[index as usize]).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let longest = lengths.iter().copied().max().unwrap();
        let all = rows
            .iter()
            .flat_map(|row| (0..longest).map(|at| row.get(at).copied().unwrap_or((0, 0, 0))));
        let all: Vec<_> = all.collect();
        let shape = (rows.len(), longest);
        let tensor = |part: fn(&(u32, u32, u8)) -> u32| {
            Tensor::from_vec(all.iter().map(part).collect::<Vec<_>>(), shape, device)
        };
        let resets: Vec<u8> = all.iter().map(|step| step.2).collect();
        let padded = |tensor| Padded::with_lengths(tensor, lengths.clone());
        let input = padded(tensor(|step| step.0)?)?;
        let target = padded(tensor(|step| step.1)?)?;
        Ok(Batch::new(input, target).with_resets(Tensor::from_vec(resets, shape, device)?)?)
    }
}

impl Windows for Stream {
    fn steps(&self) -> u64 {
        self.steps.len() as u64
    }

    fn window(&self) -> usize {
        self.window
    }

    fn evaluation_window(&self) -> usize {
        self.window
    }

    fn cut(&self, range: Range<u64>, window: usize) -> fgn_data::Result<Arc<dyn Samples>> {
        let steps = self.steps[range.start as usize..range.end as usize].to_vec();
        Ok(Arc::new(Stream { schema: self.schema.clone(), steps, window }))
    }
}

/// Random sessions of two to nine items.
pub(super) fn drawn(seed: u64, items: usize, count: usize) -> Vec<Vec<u32>> {
    let mut generator = Generator::seed_from_u64(seed);
    let mut below = move |end: usize| (generator.next_f64() * end as f64) as usize;
    let mut session = || {
        let length = 2 + below(8);
        // The first items are the more popular ones.
        (0..length)
            .map(|_| {
                let end = 1 + below(items);
                below(end) as u32
            })
            .collect()
    };
    (0..count).map(|_| session()).collect()
}
