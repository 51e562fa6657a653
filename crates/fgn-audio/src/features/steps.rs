//! From the features of frames to steps: deltas, running normalisation, stacking.

use super::config::Normalization;
use super::deltas::Deltas;
use super::normalization::Running;
use super::plan::Plan;
use super::stacking::Stack;

/// What is done with the rows of one signal.
#[derive(Debug)]
pub(super) struct Steps {
    deltas: Deltas,
    rest: Rest,
}

/// What is done after the deltas.
#[derive(Debug)]
struct Rest {
    running: Option<Running>,
    stack: Stack,
}

impl Steps {
    pub(super) fn new(plan: &Plan) -> Self {
        let config = &plan.config;
        let columns = config.frame_size();
        let running = match config.normalization {
            Normalization::Running { time_constant } => {
                Some(Running::new(time_constant, plan.frames_per_second(), columns))
            }
            Normalization::None | Normalization::Utterance => None,
        };
        Self {
            deltas: Deltas::new(config.bins(), config.deltas),
            rest: Rest { running, stack: Stack::new(columns, config.stack) },
        }
    }

    /// Takes the features of the next frame, and gives `each` the step that they complete, if they do.
    pub(super) fn push<E>(
        &mut self,
        row: &[f32],
        each: &mut impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.deltas.push(row).map_or(Ok(()), |row| self.rest.push(row, each))
    }

    /// Gives `each` the steps that wait for later frames, after the last frame.
    pub(super) fn finish<E>(
        &mut self,
        each: &mut impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.deltas.finish(|row| self.rest.push(row, each))?;
        self.rest.stack.finish().map_or(Ok(()), each)
    }

    pub(super) fn reset(&mut self) {
        self.deltas.reset();
        self.rest.stack.reset();
        if let Some(running) = &mut self.rest.running {
            running.reset();
        }
    }
}

impl Rest {
    fn push<E>(
        &mut self,
        row: &[f32],
        each: &mut impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let row = self.running.as_mut().map_or(row, |running| running.normalize(row));
        self.stack.push(row).map_or(Ok(()), each)
    }
}
