//! What is measured in each step.

/// One step of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Counted from 1, within the epoch.
    pub step: usize,
    /// Counted from 1, over all epochs.
    pub total: usize,
    /// The mean loss of this step's targets; not finite where the step was skipped.
    pub loss: f64,
    /// Samples trained on in this epoch up to here.
    pub samples: usize,
    /// The step size, for parameters in no group.
    pub learning_rate: f64,
    /// The norm of all gradients together, ahead of clipping; not finite where the step was skipped.
    pub gradient_norm: f64,
}
