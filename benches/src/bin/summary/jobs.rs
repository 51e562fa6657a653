//! What is measured: shapes, cells, options and contestants.

use anyhow::{Context as _, Result};
use fgn_benches::protocol::Work;
use fgn_core::AnyCell;

use crate::contestant::{BF16_PEERS, PYTHON_PEERS};

/// The shapes, as T, B, I, H: an image row by row, an image pixel by pixel, a text, a large layer.
const SHAPES: [(&str, [usize; 4]); 4] = [
    ("row", [28, 100, 28, 128]),
    ("pixel", [784, 100, 1, 128]),
    ("text", [128, 32, 128, 512]),
    ("large", [64, 64, 1024, 1024]),
];
/// Single steps of one sequence.
const STREAMS: [(&str, [usize; 4]); 2] =
    [("stream128", [1, 1, 128, 128]), ("stream512", [1, 1, 512, 512])];
/// One long sequence, for cells without a recurrent product.
const LONG: (&str, [usize; 4]) = ("long", [10_000, 1, 128, 128]);
/// The cells that are measured on every shape. On the first shape, all cells are measured.
const CELLS: [AnyCell; 3] = [AnyCell::LSTM, AnyCell::FGN, AnyCell::FGN_SCAN];
/// The shapes on which an LSTM is trained with each of [`OPTIONS`].
const WITH_OPTIONS: [&str; 2] = ["row", "text"];
/// The options of a run, by their names in a request: see `serve.rs`.
const OPTIONS: [&str; 8] =
    ["", "lengths", "half-lengths", "resets", "zoneout", "dropout", "norm-pre", "norm"];

/// A name, and the sizes T, B, I, H.
pub(crate) type Shape = (String, [usize; 4]);

/// The work on one shape, and the entrants that are measured on it.
pub(crate) struct Job {
    pub(crate) shape: String,
    pub(crate) sizes: [usize; 4],
    pub(crate) work: Work,
    pub(crate) entrants: Vec<Entrant>,
}

/// A contestant, with the cell, the type of the weights, the number of threads and the option to measure.
#[derive(Clone)]
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) cell: AnyCell,
    pub(crate) dtype: &'static str,
    pub(crate) threads: usize,
    pub(crate) option: &'static str,
}

impl Entrant {
    fn ours(cell: AnyCell, threads: usize) -> Self {
        Self { name: "fgn", cell, dtype: "f32", threads, option: "" }
    }
}

/// The shapes in `wanted`, or all named shapes if it is empty.
pub(crate) fn shapes(wanted: &[String]) -> Result<Vec<Shape>> {
    let all: Vec<Shape> =
        SHAPES.into_iter().chain(STREAMS).chain([LONG]).map(|(n, s)| (n.into(), s)).collect();
    if wanted.is_empty() {
        return Ok(all);
    }
    let shape = |name: &String| {
        let sizes = || name.split('x').map(|size| size.parse().ok().filter(|&size| size > 0));
        let sizes = || sizes().collect::<Option<Vec<usize>>>()?.try_into().ok();
        let known = all.iter().find(|(of, _)| of == name).cloned();
        known.or_else(|| Some((name.clone(), sizes()?))).with_context(|| {
            let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
            format!("unknown shape `{name}`: expected {}, or sizes as TxBxIxH", names.join(", "))
        })
    };
    wanted.iter().map(shape).collect()
}

/// All measurements on the shapes.
pub(crate) fn jobs(shapes: &[Shape], threads: usize, peers: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (shape, sizes) in shapes {
        let mut job = |work, entrants| {
            jobs.push(Job { shape: shape.clone(), sizes: *sizes, work, entrants });
        };
        if sizes[..2] == [1, 1] {
            let mut all = Vec::new();
            for threads in if threads > 1 { vec![1, threads] } else { vec![1] } {
                all.extend(CELLS.into_iter().flat_map(|cell| {
                    let ours = Entrant::ours(cell, threads);
                    ["f32", "bf16", "int8"].map(|dtype| Entrant { dtype, ..ours.clone() })
                }));
                all.extend(others(Work::Stream, threads, peers));
            }
            job(Work::Stream, all);
        } else if shape == LONG.0 {
            let scans = family().into_iter().filter(|cell| !cell.spec().is_recurrent());
            let on = |cell| [1, threads].map(|threads| Entrant::ours(cell, threads));
            let all: Vec<_> = scans.flat_map(on).collect();
            job(Work::Infer, all.clone());
            job(Work::Train, all);
        } else {
            let cells = if shape == SHAPES[0].0 { family() } else { CELLS.to_vec() };
            for work in [Work::Infer, Work::Train] {
                let ours = cells.iter().map(|&cell| Entrant::ours(cell, threads));
                let ours: Vec<_> = ours.chain(others(work, threads, peers)).collect();
                job(work, ours);
                // A table of their own: their results differ from those of f32 by more than a rounding.
                let bf16 = |entrant| Entrant { dtype: "bf16", ..entrant };
                let mut all: Vec<_> = CELLS.map(|cell| bf16(Entrant::ours(cell, threads))).into();
                let names = BF16_PEERS.iter().filter(|(_, works)| peers && works.contains(&work));
                all.extend(names.map(|&(name, _)| {
                    bf16(Entrant { name, ..Entrant::ours(AnyCell::LSTM, threads) })
                }));
                job(work, all);
            }
            if WITH_OPTIONS.contains(&shape.as_str()) {
                let ours = Entrant::ours(AnyCell::LSTM, threads);
                let with = |option| Entrant { option, ..ours.clone() };
                job(Work::Train, OPTIONS.map(with).to_vec());
            }
        }
    }
    jobs
}

/// Every cell, with its default options.
fn family() -> Vec<AnyCell> {
    let mut all = vec![AnyCell::LSTM, AnyCell::FGN];
    for cell in AnyCell::all() {
        if all.iter().all(|other| other.name() != cell.name()) {
            all.push(cell);
        }
    }
    all
}

/// The other libraries, with an LSTM.
fn others(work: Work, threads: usize, peers: bool) -> Vec<Entrant> {
    let names = ["candle-nn", "burn"].into_iter().chain(PYTHON_PEERS);
    let able = names.filter(|&name| peers && !(work == Work::Train && name == "onnxruntime"));
    able.map(|name| Entrant { name, ..Entrant::ours(AnyCell::LSTM, threads) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_go_by_name_or_by_their_sizes() {
        let named = |names: &[&str]| shapes(&names.iter().map(|&n| n.into()).collect::<Vec<_>>());
        assert_eq!(named(&[]).unwrap().len(), SHAPES.len() + STREAMS.len() + 1);
        let found = named(&["text", "1x2x3x4"]).unwrap();
        assert_eq!(found[0].1, [128, 32, 128, 512]);
        assert_eq!(found[1], ("1x2x3x4".into(), [1, 2, 3, 4]));
        for wrong in ["tex", "1x2x3", "1x2x3x0"] {
            let error = named(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("stream512"), "{error}");
        }
    }

    #[test]
    fn every_cell_is_measured_once() {
        let names: Vec<_> = family().iter().map(AnyCell::name).collect();
        for cell in AnyCell::all() {
            assert_eq!(names.iter().filter(|&&name| name == cell.name()).count(), 1, "{cell}");
        }
    }
}
