//! Several steps in a row, and the address of every row in them.

use std::ops::Range;

use crate::cpu::backward::run::BackwardRun;
use crate::cpu::cell::backward_rows::{BackwardRow, BackwardRows};
use crate::simd::vector::Element;

// Some steps in a row of all sequences of a run.
pub(crate) struct BackwardBlock<'a, E: Element> {
    pub(crate) run: &'a BackwardRun<'a, E>,
    first: usize,
    /// The sequences that run at the first step; some may have ended at a later one.
    active: usize,
    /// For each step, a row of each of these.
    rows: Vec<BackwardRow<E>>,
}

impl<'a, E: Element> BackwardBlock<'a, E> {
    /// No steps yet.
    pub(crate) fn new(run: &'a BackwardRun<'a, E>) -> Self {
        Self { run, first: 0, active: 0, rows: Vec::new() }
    }

    /// Finds the rows of the steps `times`.
    pub(crate) fn find_rows(&mut self, times: Range<usize>) {
        let BackwardRun { g, plan, saved, zeros, .. } = *self.run;
        let run = self.run;
        (self.first, self.active) = (times.start, run.active(times.start));
        self.rows.clear();
        let schedule = &plan.schedule;
        let emitted_row = plan.emitted_row(g.spec, g.shape.hidden);
        for k in times {
            // SAFETY: the memory is the run's.
            let (d_prev, d_pre) = unsafe { (run.d_prev.at(0), run.d_pre.at(k)) };
            for (row, &b) in run.members.iter().enumerate().take(self.active) {
                let place = k * g.shape.batch + b;
                let states = |place: usize| saved.states[place * g.state_stride()..].as_ptr();
                let ends = k + 1 >= schedule.len(b);
                // SAFETY: the group's own rows.
                let (d_prev, d_pre) = unsafe { (d_prev.row(row), d_pre.row(row)) };
                self.rows.push(BackwardRow {
                    b,
                    pre: saved.pre[place * g.pre_stride()..].as_ptr(),
                    prev: if schedule.resets(k, b) { zeros.as_ptr() } else { states(place) },
                    next: states(place + g.shape.batch),
                    scales: saved.scales[place * g.scales()..].as_ptr(),
                    d_emitted: match plan.emitted(k, b, emitted_row) {
                        Some(place) => run.d_output[place..].as_ptr(),
                        None => std::ptr::null(),
                    },
                    d_next: if !ends && schedule.resets(k + 1, b) {
                        zeros.as_ptr()
                    } else {
                        d_prev
                    },
                    d_prev,
                    d_pre,
                });
            }
        }
    }

    /// The rows of step `k`: of the sequences that still run.
    #[inline(always)]
    pub(crate) fn step(&self, k: usize) -> BackwardStep<'_, E> {
        let first = (k - self.first) * self.active;
        let rows = &self.rows[first..][..self.run.active(k)];
        BackwardStep { run: self.run, view: BackwardRows { context: &self.run.context, k, rows } }
    }
}

/// One step of the sequences that still run.
#[derive(Clone, Copy)]
pub(crate) struct BackwardStep<'a, E: Element> {
    pub(crate) run: &'a BackwardRun<'a, E>,
    pub(crate) view: BackwardRows<'a, E>,
}
