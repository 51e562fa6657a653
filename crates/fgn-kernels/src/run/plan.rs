use fgn_core::{LayerShape, SequenceShape, Spec};

use crate::run::options::Emit;
use crate::run::rules::Rules;
use crate::run::schedule::Schedule;
use crate::simd::bf16::engine::Bf16Engine;

/// Added to the variance of a normalised row, so that units which are all equal stay zero.
pub(crate) const NORM_EPSILON: f64 = 1e-5;

/// The checked options of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) layer: LayerShape,
    pub(crate) emit: Emit,
    pub(crate) schedule: Schedule,
    pub(crate) rules: Rules,
    /// Whether to count what the gates do.
    pub(crate) telemetry: bool,
    /// What multiplies, if operands of products are rounded to bf16.
    pub(crate) bf16: Option<Bf16Engine>,
}

impl Plan {
    /// No option set.
    pub(crate) fn plain(shape: SequenceShape) -> Self {
        Self {
            layer: LayerShape::new(shape.input, shape.hidden),
            emit: Emit::All,
            schedule: Schedule::new(shape, None, false, None),
            rules: Rules::default(),
            telemetry: false,
            bf16: None,
        }
    }

    /// Whether a step hands the states on as they are, and emits the output alone: most runs do.
    pub(crate) fn is_plain(&self, spec: &Spec) -> bool {
        let keep = (0..spec.states.len()).all(|s| self.rules.keep(s)) && !self.rules.drop_hidden();
        keep && !self.takes_whole_rows() && self.emit != Emit::States
    }

    /// Whether a step needs all units of a sequence together, beside the recurrent product.
    pub(crate) fn takes_whole_rows(&self) -> bool {
        let LayerShape { projection, norm, .. } = self.layer;
        projection.is_some() || norm.pre || norm.memory
    }

    /// Whether a step keeps for the backward pass what blocks' activations gave, instead of their
    /// pre-activations: unless these are normalised, or read twice.
    #[inline(always)]
    pub(crate) fn activates(&self) -> bool {
        !self.takes_whole_rows()
    }

    /// The shape of the emitted outputs.
    pub(crate) fn output_shape(&self, spec: &Spec, shape: SequenceShape) -> Vec<usize> {
        let SequenceShape { steps, batch, hidden, .. } = shape;
        match self.emit {
            Emit::All => vec![steps, batch, self.layer.output()],
            Emit::Last => vec![batch, self.layer.output()],
            Emit::States => vec![steps, batch, 1 + spec.states.len(), hidden],
        }
    }

    /// How many numbers a step emits.
    #[inline(always)]
    pub(crate) fn emitted_row(&self, spec: &Spec, hidden: usize) -> usize {
        match self.emit {
            Emit::States => (1 + spec.states.len()) * hidden,
            _ => self.layer.output(),
        }
    }

    /// Whether some of the emitted numbers are of no step, and so zero.
    pub(crate) fn leaves_gaps(&self) -> bool {
        let narrow = self.emit == Emit::States && self.layer.projection.is_some();
        narrow || (self.schedule.has_gaps() && self.emit != Emit::Last)
    }

    /// Where the output of step `k` of sequence `b` begins among those emitted, if it is.
    #[inline(always)]
    pub(crate) fn emitted(&self, k: usize, b: usize, row: usize) -> Option<usize> {
        match self.emit {
            Emit::Last => (k + 1 == self.schedule.len(b)).then_some(b * row),
            _ => Some(self.schedule.place(k, b) * row),
        }
    }
}
