//! The gradients of a layer's parameters: products over rows of time and batch, column by column.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use fgn_core::TensorSlot;
use rayon::prelude::*;

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::run::BackwardRun;
use crate::cpu::gemm::tile_size::{PANEL_VECTORS, nearly_equal_parts};
use crate::cpu::gemm::transposed::{Strip, Strips, multiply_transposed};
use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::threads::pool::map_parallel;
use crate::cpu::threads::team::Team;
use crate::run::schedule::Schedule;
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
        let unprojected = g.states.unprojected.unwrap_or(0);
        let unprojected = |k, b| Some(row_of(unprojected, k + 1, b));
        let rows = [
            Left::new(&input, schedule, (&times, &members[..active]), shape.input, shape.input),
            Left::new(&hidden, schedule, (&fed, &members[..active]), g.output, g.state_stride()),
            match g.states.unprojected {
                Some(_) => Left::new(
                    &unprojected,
                    schedule,
                    (&times, &members[..active]),
                    shape.hidden,
                    g.state_stride(),
                ),
                None => Left::always(&one, &times),
            },
            Left::always(&one, &times),
        ];
        let strips = rows.each_ref().map(|left| -> Vec<Strip<E>> {
            let firsts = left.firsts.iter().zip(left.times.clone());
            // SAFETY: the caller's promise.
            firsts.map(|(&left, k)| Strip { left, right: unsafe { d_pre.row(k, 0) } }).collect()
        });
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
            AddPart { part, rows: &feeds[part.feed as usize], sums }
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

/// Rows that derivatives are multiplied by, as many for each step.
struct Left<E> {
    times: Range<usize>,
    /// The first row of each step, and how far the others lie behind it.
    firsts: Vec<*const E>,
    stride: usize,
    depth: usize,
    /// Where rows were gathered that lie elsewhere.
    _gathered: Option<Buffer<E>>,
}

impl<E: Element> Left<E> {
    /// The same number for all rows.
    fn always(one: &E, times: &Range<usize>) -> Self {
        let firsts = vec![&raw const *one; times.len()];
        Self { times: times.clone(), firsts, stride: 0, depth: 1, _gathered: None }
    }

    /// The rows of `depth` numbers that `of` gives for a step and a sequence, zero where it gives none or
    /// the sequence has ended. In a plain schedule they lie `stride` numbers apart.
    fn new(
        of: &dyn Fn(usize, usize) -> Option<*const E>,
        schedule: &Schedule,
        (times, members): (&Range<usize>, &[usize]),
        depth: usize,
        stride: usize,
    ) -> Self {
        if schedule.is_plain() {
            let firsts = times.clone().filter_map(|k| of(k, members[0])).collect();
            return Self { times: times.clone(), firsts, stride, depth, _gathered: None };
        }
        let mut gathered = Buffer::recycled(times.len() * members.len() * depth);
        let pairs = times.clone().flat_map(|k| members.iter().map(move |&b| (k, b)));
        for (row, (k, b)) in gathered.chunks_mut(depth).zip(pairs) {
            match of(k, b).filter(|_| k < schedule.len(b)) {
                Some(from) => {
                    // SAFETY: each row that a feed gives has `depth` numbers.
                    let from = unsafe { std::slice::from_raw_parts(from, depth) };
                    row.copy_from_slice(from);
                }
                None => row.fill(E::default()),
            }
        }
        let firsts = gathered.chunks(members.len() * depth).map(<[E]>::as_ptr).collect();
        let times = times.clone();
        Self { times, firsts, stride: depth, depth, _gathered: Some(gathered) }
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
    sums: &'a mut [E],
}

impl<E: Element> Task<E> for AddPart<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { part, rows, sums } = self;
        let offsets: Vec<usize> = (0..rows.depth).collect();
        let columns = (part.column, part.vectors);
        // SAFETY: each row has `depth` numbers, and as many derivatives as reach past the part's
        // columns.
        unsafe {
            multiply_transposed::<S>(rows.strips, &offsets, columns, sums);
        }
    }
}
