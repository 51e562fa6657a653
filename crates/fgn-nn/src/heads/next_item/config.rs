//! The configuration of the head for the next item.

use fgn_kernels::SampledLoss;
use fgn_schema::Catalogue;
use serde::{Deserialize, Serialize};

/// Predicts the next item after each step: a recommender (GRU4Rec: Hidasi et al. 2016). The score of an item is the
/// product of its vector and the output of the recurrent layer, plus its bias.
///
/// The parameters are `weight [V, E]` and `bias [V]`. With `tied`, the vectors are those of the input layer's
/// `embedding.weight`, and where the outputs have another size, `projection.weight [E, H]` brings them there.
///
/// In training, all items are scored where the loss is `cross-entropy`; the other losses score the target, and of the
/// rest a sample. Evaluations always rank all items, and their loss is the cross entropy over all.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct NextItem {
    /// The items, at least 2.
    pub catalogue: Catalogue,
    /// What training minimises; `cross-entropy` if left out.
    #[serde(default)]
    pub loss: ItemLoss,
    /// With a loss that samples, how many items are drawn for each batch, at least 1; 2,048 if left out.
    #[serde(default = "samples", skip_serializing_if = "is_samples")]
    pub samples: usize,
    /// Items are drawn with probabilities in proportion to `count^alpha`, where `count` is how often an item was taken
    /// in training: 0 draws all alike, 1 by popularity; 0.75 if left out.
    #[serde(default = "alpha", skip_serializing_if = "is_alpha")]
    pub alpha: f64,
    /// Whether the targets of the other sequences of a batch, at the same step, are negatives beside those drawn; true
    /// if left out.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub in_batch: bool,
    /// With `bpr-max`, the factor of the penalty on the scores of negatives, at least 0; 1 if left out.
    #[serde(default = "regularization", skip_serializing_if = "is_regularization")]
    pub regularization: f64,
    /// The size of the embedding whose vectors are shared; not shared if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied: Option<usize>,
    /// Whether each item has a bias; true if left out.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
    /// In training, the probability with which an output of the recurrent layer is zero, the same ones at all steps of
    /// a sequence (Gal & Ghahramani 2016).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// With a loss that samples, whether only the vectors of the items that are scored have a gradient, and are
    /// updated: the time of a step does not depend on the number of items then. True if left out.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub sparse: bool,
}

/// What the training of a [`NextItem`] head minimises.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ItemLoss {
    /// The cross entropy over all items.
    #[default]
    CrossEntropy,
    /// The cross entropy over the target and the negatives, whose scores are corrected by how often each is expected
    /// among them (logQ correction: Bengio & Senécal 2008). It estimates the cross entropy over all items.
    SampledSoftmax,
    /// [`SampledLoss::BprMax`].
    BprMax,
    /// [`SampledLoss::Top1Max`].
    Top1Max,
}

fn samples() -> usize {
    2048
}

fn is_samples(value: &usize) -> bool {
    *value == samples()
}

fn alpha() -> f64 {
    0.75
}

fn is_alpha(value: &f64) -> bool {
    *value == alpha()
}

fn regularization() -> f64 {
    1.0
}

fn is_regularization(value: &f64) -> bool {
    *value == regularization()
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl NextItem {
    /// A softmax over these items, without any option.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            loss: ItemLoss::default(),
            samples: samples(),
            alpha: alpha(),
            in_batch: true,
            regularization: regularization(),
            tied: None,
            bias: true,
            dropout: 0.0,
            sparse: true,
        }
    }

    /// How targets are compared with samples; `None` where all items are scored.
    pub(super) fn sampled_loss(&self) -> Option<SampledLoss> {
        match self.loss {
            ItemLoss::CrossEntropy => None,
            ItemLoss::SampledSoftmax => Some(SampledLoss::CrossEntropy),
            ItemLoss::BprMax => Some(SampledLoss::BprMax { regularization: self.regularization }),
            ItemLoss::Top1Max => Some(SampledLoss::Top1Max),
        }
    }
}
