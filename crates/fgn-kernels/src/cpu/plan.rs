use fgn_core::oracle::Shape;
use fgn_core::{Form, Spec};

use super::rules::Rules;
use super::schedule::Schedule;
use crate::Emit;

/// What a run does beside the cell's equations: its options, checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) form: Form,
    pub(crate) emit: Emit,
    pub(crate) schedule: Schedule,
    pub(crate) rules: Rules,
    /// Whether to count what the gates do.
    pub(crate) telemetry: bool,
}

impl Plan {
    /// Nothing beside.
    pub(crate) fn plain(shape: Shape) -> Self {
        Self {
            form: Form::new(shape.input, shape.hidden),
            emit: Emit::All,
            schedule: Schedule::new(shape, None, false, None),
            rules: Rules::default(),
            telemetry: false,
        }
    }

    /// Whether a step hands the states on as they are, and emits the output alone: most runs do.
    pub(super) fn is_plain(&self, spec: &Spec) -> bool {
        let keep = (0..spec.states.len()).all(|s| self.rules.keep(s)) && !self.rules.drop_hidden();
        keep && !self.takes_whole_rows() && self.emit != Emit::States
    }

    /// Whether a step needs all units of a sequence together, beside the recurrent product.
    pub(super) fn takes_whole_rows(&self) -> bool {
        let Form { projection, norm, .. } = self.form;
        projection.is_some() || norm.pre || norm.memory
    }

    /// Whether a step keeps for the backward pass what blocks' squash functions gave, instead of their
    /// pre-activations: unless these are normalised, or read twice.
    #[inline(always)]
    pub(super) fn squashes(&self) -> bool {
        !self.takes_whole_rows()
    }

    /// The shape of the emitted outputs.
    pub(crate) fn output_shape(&self, spec: &Spec, shape: Shape) -> Vec<usize> {
        let Shape { steps, batch, hidden, .. } = shape;
        match self.emit {
            Emit::All => vec![steps, batch, self.form.output()],
            Emit::Last => vec![batch, self.form.output()],
            Emit::States => vec![steps, batch, 1 + spec.states.len(), hidden],
        }
    }

    /// How many numbers a step emits.
    #[inline(always)]
    pub(crate) fn emitted_row(&self, spec: &Spec, hidden: usize) -> usize {
        match self.emit {
            Emit::States => (1 + spec.states.len()) * hidden,
            _ => self.form.output(),
        }
    }

    /// Whether some of the emitted numbers are of no step, and so zero.
    pub(super) fn leaves_gaps(&self) -> bool {
        let narrow = self.emit == Emit::States && self.form.projection.is_some();
        narrow || (self.schedule.has_gaps() && self.emit != Emit::Last)
    }

    /// Where the output of step `k` of sequence `b` begins among those emitted, if it is.
    #[inline(always)]
    pub(super) fn emitted(&self, k: usize, b: usize, row: usize) -> Option<usize> {
        match self.emit {
            Emit::Last => (k + 1 == self.schedule.len(b)).then_some(b * row),
            _ => Some(self.schedule.place(k, b) * row),
        }
    }
}
