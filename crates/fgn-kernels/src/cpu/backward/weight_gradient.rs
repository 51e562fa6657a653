//! The gradients of a layer's parameters: products over rows of time and batch, column by column.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use fgn_core::TensorSlot;
use rayon::prelude::*;

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::left::Left;
use crate::cpu::backward::rounded::{PairedBlock, RoundedDerivatives};
use crate::cpu::backward::run::BackwardRun;
use crate::cpu::gemm::tile_size::{PANEL_VECTORS, nearly_equal_parts};
use crate::cpu::gemm::transposed::{Strip, Strips, multiply_transposed};
use crate::cpu::gemm::transposed_pairs::{LeftColumns, RightPairs, multiply_transposed_pairs};
use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::threads::pool::map_parallel;
use crate::cpu::threads::team::Team;
use crate::simd::bf16::engine::Bf16Engine;
use crate::simd::isa::Isa;
use crate::simd::vector::{COLUMNS, Element, Simd, Task};

/// About how many multiply-adds take as long as a number that is added to a sum and written.
const NUMBER_WORK: usize = 8;

/// The sums so far.
pub(crate) struct WeightGradient<E> {
    parts: Vec<Part>,
    /// Those of each part, one after the other: `[depth of the feed, vectors]`.
    sums: Buffer<E>,
}

/// A few vectors of one block's units, against all that the block is fed by.
struct Part {
    /// The tensors that have it as a part, and its rows there.
    tensors: Vec<&'static str>,
    first_row: usize,
    rows: usize,
    /// How many vectors they fill.
    vectors: usize,
    /// Where these lie in a row of gradients.
    column: usize,
    feed: Feed,
    /// Where its sums lie.
    range: Range<usize>,
}

/// What the derivatives of a part's pre-activations are multiplied by.
#[derive(Clone, Copy, PartialEq)]
enum Feed {
    Input,
    Hidden,
    Unprojected,
    One,
}

impl<E: Element> WeightGradient<E> {
    pub(crate) fn new(g: &Geometry) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut len = 0;
        for slot in g.layout.tensors() {
            let (feed, depth, rows) = match slot.name {
                "weight_ih" => (Feed::Input, g.shape.input, g.shape.hidden),
                "weight_hh" => (Feed::Hidden, g.output, g.shape.hidden),
                "weight_hr" => (Feed::Unprojected, g.shape.hidden, g.output),
                _ => (Feed::One, 1, g.shape.hidden),
            };
            for (place, column) in columns(g, slot).into_iter().enumerate() {
                for (first, vectors) in nearly_equal_parts(rows.div_ceil(g.width), PANEL_VECTORS) {
                    let unit = first * g.width;
                    let (first_row, column) = (place * rows + unit, column * g.padded + unit);
                    // Both biases have the same gradient.
                    let same = |part: &&mut Part| {
                        let here = (part.feed, part.first_row, part.column);
                        feed == Feed::One && here == (feed, first_row, column)
                    };
                    if let Some(part) = parts.iter_mut().find(same) {
                        part.tensors.push(slot.name);
                        continue;
                    }
                    let range = len..len + depth * vectors * g.width;
                    len = range.end;
                    parts.push(Part {
                        tensors: vec![slot.name],
                        first_row,
                        rows: (vectors * g.width).min(rows - unit),
                        vectors,
                        column,
                        feed,
                        range,
                    });
                }
            }
        }
        let mut sums = Buffer::recycled(len);
        sums.fill(E::default());
        Self { parts, sums }
    }

    /// Adds what a group's sequences contribute in the steps of a block, given the derivatives of their
    /// pre-activations. The team shares the columns; where it is one thread, others that have nothing else
    /// to do take some.
    ///
    /// # Safety
    /// The run's `d_pre` holds the rows of the sequences for these steps, and nobody writes them.
    pub(crate) unsafe fn add(
        &mut self,
        isa: Isa,
        arguments: &Arguments<'_, E>,
        run: &BackwardRun<'_, E>,
        times: Range<usize>,
        team: &mut Team,
        helped: bool,
    ) {
        let Arguments { shape, plan, x, .. } = *arguments;
        let &BackwardRun { g, saved, d_pre, ref members, .. } = run;
        let schedule = &plan.schedule;
        let active = schedule.active(members, times.start);
        let one = E::from_f64(1.0);
        let row_of = |state: usize, k: usize, b: usize| {
            saved.states[(k * shape.batch + b) * g.state_stride() + state * g.padded..].as_ptr()
        };
        let input = |k, b| Some(x[schedule.place(k, b) * shape.input..].as_ptr());
        let hidden =
            |k, b| (!schedule.resets(k, b)).then(|| row_of(g.states.recurrent_input, k, b));
        // Hidden states of zero add nothing.
        let from = if run.from_zero { times.start.max(1) } else { times.start };
        let fed = from..times.end;
        let column = g.states.unprojected.unwrap_or(0);
        let unprojected = |k, b| Some(row_of(column, k + 1, b));
        let some = &members[..active];
        // An engine that multiplies pairs has rows of its own.
        let engine = g.bf16.filter(|engine| engine.multiplies_pairs());
        let rounds = g.bf16.is_some() && engine.is_none();
        let rounded = rounds.then(|| {
            // SAFETY: the caller's promise.
            unsafe { RoundedDerivatives::new(d_pre, &times, active) }
        });
        let begun = |k, b| hidden(k, b).filter(|_| fed.contains(&k));
        let paired = engine.map(|engine| {
            let block = PairedBlock { engine, schedule, times: &times, members: some };
            // SAFETY: the caller's promise, and the feeds give rows of so many numbers.
            unsafe {
                let hidden = !g.hidden_blocks.is_empty();
                let feeds = [
                    Some(block.left(&input, shape.input)),
                    hidden.then(|| block.left(&begun, g.output)),
                    g.states.unprojected.map(|_| block.left(&unprojected, shape.hidden)),
                    None,
                ];
                (engine, block.right(d_pre), feeds)
            }
        });
        // Their rows are read where no engine has its own.
        let left = |of: &dyn Fn(usize, usize) -> Option<*const E>, times, sizes| match engine {
            Some(_) => Left::always(&one, times),
            None => Left::new(of, schedule, (times, some), sizes, rounds),
        };
        let rows = [
            left(&input, &times, [shape.input; 2]),
            left(&hidden, &fed, [g.output, g.state_stride()]),
            match g.states.unprojected {
                Some(_) => left(&unprojected, &times, [shape.hidden, g.state_stride()]),
                None => Left::always(&one, &times),
            },
            Left::always(&one, &times),
        ];
        let feeds = [Feed::Input, Feed::Hidden, Feed::Unprojected, Feed::One];
        let mut strips = rows.iter().zip(feeds).map(|(left, feed)| -> Vec<Strip<E>> {
            let firsts = left.firsts.iter().zip(left.times.clone());
            let rounded = rounded.as_ref().filter(|_| feed != Feed::One);
            firsts
                .map(|(&left, k)| Strip {
                    left,
                    right: match rounded {
                        Some(rounded) => rounded.step(k),
                        // SAFETY: the caller's promise.
                        None => unsafe { d_pre.row(k, 0) },
                    },
                })
                .collect()
        });
        let strips: [Vec<Strip<E>>; 4] = std::array::from_fn(|_| strips.next().unwrap_or_default());
        let feeds: Vec<_> = rows
            .iter()
            .zip(&strips)
            .map(|(left, strips)| Rows {
                strips: Strips {
                    strips,
                    first: 0,
                    count: active,
                    stride_left: left.stride,
                    stride_right: d_pre.stride(),
                },
                depth: left.depth,
            })
            .collect();
        let mut rest = &mut self.sums[..];
        let parts = self.parts.iter().map(|part| {
            let (sums, others) = std::mem::take(&mut rest).split_at_mut(part.range.len());
            rest = others;
            let feed = part.feed as usize;
            let pairs = paired.as_ref().and_then(|(engine, right, feeds)| {
                feeds[feed].as_ref().map(|left| (*engine, left, right))
            });
            AddPart { part, rows: &feeds[feed], pairs, sums }
        });
        let parts: Vec<_> = parts.collect();
        if team.threads() == 1 && helped {
            return parts.into_par_iter().for_each(|part| isa.run(part));
        }
        let parts = Mutex::new(parts);
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        team.run(&|_| {
            while let Some(part) = next() {
                isa.run(part);
            }
        });
    }

    /// Writes the gradient of the flat parameters: the sums of all groups, added in their order.
    pub(crate) fn write(isa: Isa, groups: &[Self], g: &Geometry, parameters: &mut [E]) {
        let Some((first, others)) = groups.split_first() else { return };
        let work = NUMBER_WORK * parameters.len() * groups.len();
        let parameters = Shared::of(parameters);
        map_parallel(first.parts.iter().collect(), work, |part| {
            let mut sums = first.sums[part.range.clone()].to_vec();
            for group in others {
                let of_group = &group.sums[part.range.clone()];
                sums.iter_mut().zip(of_group).for_each(|(sum, &more)| *sum += more);
            }
            for slot in part.tensors.iter().filter_map(|name| g.layout.tensor(name)) {
                isa.run(WritePart { part, sums: &sums, offset: slot.offset, parameters });
            }
        });
    }
}

/// Writes a part's sums as rows of a tensor that begins at `offset` among the parameters.
struct WritePart<'a, E> {
    part: &'a Part,
    sums: &'a [E],
    offset: usize,
    parameters: Shared<E>,
}

impl<E: Element> Task<E> for WritePart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { part, sums, offset, parameters } = self;
        let stride = part.vectors * S::WIDTH;
        let depth = sums.len() / stride;
        let place = |unit: usize, k: usize| offset + (part.first_row + unit) * depth + k;
        // As far as registers and columns are full.
        let (units, whole) = (part.rows - part.rows % COLUMNS, depth - depth % S::WIDTH);
        for unit in (0..units).step_by(COLUMNS) {
            for k in (0..whole).step_by(S::WIDTH) {
                // SAFETY: there are `WIDTH` rows of sums with `COLUMNS` from `unit` on, and the rows of a
                // tensor, `depth` numbers each, are dealt among its parts.
                unsafe {
                    let columns = S::load_columns(sums.as_ptr().add(k * stride + unit), stride);
                    for (c, column) in columns.into_iter().enumerate() {
                        column.store(parameters.at(place(unit + c, k)));
                    }
                }
            }
        }
        for unit in 0..part.rows {
            for k in if unit < units { whole } else { 0 }..depth {
                // SAFETY: the tensor has `part.rows` rows of `depth` numbers from the part's first row on, and no other
                // part has these.
                unsafe { parameters.at(place(unit, k)).write(sums[k * stride + unit]) };
            }
        }
    }
}

/// The columns of derivatives that are summed up for a tensor, one for each group of its rows.
fn columns(g: &Geometry, slot: &TensorSlot) -> Vec<usize> {
    let derivatives = &g.derivatives;
    let shifted = |by| slot.blocks.iter().map(|block| by + block).collect();
    match (slot.name, derivatives.norm, derivatives.norm_memory) {
        ("weight_hr", ..) => derivatives.projected.into_iter().collect(),
        ("norm_pre", Some([gain, _]), _) => shifted(gain),
        ("bias_ih" | "bias_hh", Some([_, bias]), _) => shifted(bias),
        ("norm_memory", _, Some([gain, _])) => vec![gain],
        ("norm_memory_bias", _, Some([_, bias])) => vec![bias],
        (name, ..) if slot.blocks.is_empty() => {
            let mut vectors = g.spec.vectors.iter();
            vectors
                .position(|vector| *vector == name)
                .map(|v| g.spec.blocks.len() + v)
                .into_iter()
                .collect()
        }
        _ => slot.blocks.clone(),
    }
}

/// The rows that a feed gives, `depth` numbers each, beside their derivatives.
struct Rows<'a, E> {
    strips: Strips<'a, E>,
    depth: usize,
}

struct AddPart<'a, E> {
    part: &'a Part,
    rows: &'a Rows<'a, E>,
    /// In place of the rows, where an engine multiplies pairs.
    pairs: Option<(Bf16Engine, &'a LeftColumns, &'a RightPairs)>,
    sums: &'a mut [E],
}

impl<E: Element> Task<E> for AddPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { part, rows, pairs, sums } = self;
        let columns = (part.column, part.vectors);
        if let Some((engine, left, right)) = pairs {
            return multiply_transposed_pairs::<S>(engine, (left, right), columns, sums);
        }
        let offsets: Vec<usize> = (0..rows.depth).collect();
        // SAFETY: each row has `depth` numbers, and as many derivatives as reach past the part's
        // columns.
        unsafe {
            multiply_transposed::<S>(rows.strips, &offsets, columns, sums);
        }
    }
}
