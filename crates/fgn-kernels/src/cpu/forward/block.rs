//! Several steps in a row, and the address of every row in them.

use std::ops::Range;

use crate::cpu::cell::forward_rows::{ForwardRow, ForwardRows};
use crate::cpu::forward::run::ForwardRun;
use crate::simd::vector::Element;

/// Some steps in a row of all sequences of a run.
pub(crate) struct ForwardBlock<'a, E: Element> {
    pub(crate) run: &'a ForwardRun<'a, E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
    /// For each step, a row of each of these.
    pub(crate) rows: Vec<ForwardRow<E>>,
}

/// One step of the sequences that still run.
#[derive(Clone, Copy)]
pub(crate) struct ForwardStep<'a, E: Element> {
    pub(crate) run: &'a ForwardRun<'a, E>,
    pub(crate) view: ForwardRows<'a, E>,
}

impl<'a, E: Element> ForwardBlock<'a, E> {
    /// A block without steps.
    pub(crate) fn new(run: &'a ForwardRun<'a, E>) -> Self {
        Self { run, first: 0, active: 0, rows: Vec::new() }
    }

    /// Finds the rows of the steps `times`.
    pub(crate) fn find_rows(&mut self, times: Range<usize>) {
        let ForwardRun { g, plan, arguments, zeros, .. } = *self.run;
        let run = self.run;
        (self.first, self.active) = (times.start, run.active(times.start));
        self.rows.clear();
        let emitted_row = plan.emitted_row(g.spec, g.shape.hidden);
        for k in times {
            // SAFETY: each has a row for each sequence, at the step and after it.
            let (pre, scales) = unsafe { (run.pre.at(k), run.scales.at(k)) };
            // SAFETY: there is one more row of states than steps, so step `k + 1` has one.
            let (prev, next) = unsafe { (run.states.at(k), run.states.at(k + 1)) };
            for (&b, &slot) in run.members.iter().zip(&run.slots).take(self.active) {
                let place = plan.schedule.place(k, b);
                let resets = plan.schedule.resets(k, b);
                // SAFETY: `slot` is one of the rows of each step, and `output` has a row for what the step emits.
                self.rows.push(unsafe {
                    ForwardRow {
                        b,
                        x: arguments.x[place * g.shape.input..].as_ptr(),
                        pre: pre.row(slot),
                        prev: if resets { zeros.as_ptr() } else { prev.row(slot) },
                        next: next.row(slot),
                        scales: scales.row(slot),
                        emitted: match plan.emitted(k, b, emitted_row) {
                            Some(place) => run.output.at(place),
                            None => std::ptr::null_mut(),
                        },
                    }
                });
            }
        }
    }

    /// The rows of step `k`: of the sequences that still run.
    #[inline(always)]
    pub(crate) fn step(&self, k: usize) -> ForwardStep<'_, E> {
        let first = (k - self.first) * self.active;
        let rows = &self.rows[first..][..self.run.active(k)];
        ForwardStep { run: self.run, view: ForwardRows { context: &self.run.context, k, rows } }
    }
}
