//! What a process computes in a step, and what it reports of it to the others.

use fgn_nn::Generator;
use fgn_schema::{Batch, Padded, Prediction};
use serde::{Deserialize, Serialize};

use super::finite::Trouble;
use super::randomness;
use crate::group::share::Share;
use crate::loss_sum::LossSum;
use crate::optimizer::gradients::Gradients;

/// This process's parts of a batch, one for each of its groups, and the indices of all samples of the batch where they are
/// known.
pub(super) type OwnParts = (Vec<Option<Batch>>, Vec<u32>);

/// What a process has computed in a step.
pub(super) struct Work {
    /// Whether the gradients are those of sums of losses, rather than of a mean.
    pub(super) is_sum: bool,
    /// Of each of its groups.
    pub(super) dropout: Vec<Generator>,
    pub(super) sums: Vec<Option<Gradients>>,
    /// Of each part with targets: its group, and its loss.
    pub(super) losses: Vec<(usize, LossSum)>,
    /// The group's index among those of the process, what was predicted, and the target.
    pub(super) predictions: Vec<(usize, Prediction, Padded)>,
    pub(super) samples: usize,
    pub(super) indices: Vec<u32>,
    pub(super) trouble: Option<Trouble>,
    pub(super) has_targets: bool,
}

/// What a process reports of a step. Losses are bits, because some may not be finite.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    losses: Vec<(usize, [u64; 3])>,
    samples: usize,
    trouble: Option<String>,
    /// Which parameters have had a gradient; empty without targets.
    reached: Vec<bool>,
}

/// What the processes have reported together.
pub(super) struct Reports {
    /// The losses of all parts, in the order of the groups.
    pub(super) each: Vec<LossSum>,
    /// Their sum.
    pub(super) step: LossSum,
    pub(super) samples: usize,
    /// The first process with trouble, and what it is.
    pub(super) trouble: Option<(usize, String)>,
    /// As in [`Report`], of all processes.
    pub(super) reached: Vec<bool>,
}

impl Work {
    pub(super) fn new(
        share: &Share,
        is_sum: bool,
        (seed, epoch, step): (u64, usize, usize),
    ) -> Work {
        let tag = |group| (share.groups > 1).then_some(group);
        let dropout = |group| randomness::dropout(seed, epoch, step, tag(group));
        Work {
            is_sum,
            dropout: share.own.clone().map(dropout).collect(),
            sums: vec![None; share.own.len()],
            losses: Vec::new(),
            predictions: Vec::new(),
            samples: 0,
            indices: Vec::new(),
            trouble: None,
            has_targets: false,
        }
    }

    /// With which parameters have had a gradient in this process.
    pub(super) fn report(&self, is_reached: &[bool]) -> Report {
        let losses = self.losses.iter().map(|(group, sum)| (*group, sum.to_bits()));
        Report {
            losses: losses.collect(),
            samples: self.samples,
            trouble: self.trouble.as_ref().map(|trouble| trouble.what().to_owned()),
            reached: if self.has_targets { is_reached.to_vec() } else { Vec::new() },
        }
    }
}

impl Reports {
    pub(super) fn new(reports: &[Report]) -> Reports {
        let mut losses: Vec<_> = reports.iter().flat_map(|report| &report.losses).collect();
        // The parts of one group stay in the order of the batches.
        losses.sort_by_key(|(group, _)| *group);
        let each: Vec<_> = losses.into_iter().map(|(_, bits)| LossSum::from_bits(*bits)).collect();
        let mut step = LossSum::default();
        each.iter().for_each(|sum| step.merge(sum));
        let troubles = reports.iter().enumerate();
        let mut troubles =
            troubles.filter_map(|(rank, report)| Some((rank, report.trouble.clone()?)));
        let mut reached = Vec::new();
        for report in reports {
            reached.resize(report.reached.len().max(reached.len()), false);
            reached.iter_mut().zip(&report.reached).for_each(|(all, one)| *all |= one);
        }
        Reports {
            each,
            step,
            samples: reports.iter().map(|report| report.samples).sum(),
            trouble: troubles.next(),
            reached,
        }
    }
}
