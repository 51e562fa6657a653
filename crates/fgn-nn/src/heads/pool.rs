//! One vector for a whole sequence, from the outputs of all its steps.

use candle_core::Tensor;
use fgn_kernels::{Emit, pool_max, pool_mean};
use serde::{Deserialize, Serialize};

use super::kind::Encoded;
use super::outputs;
use crate::attention_pool::AttentionPool;
use crate::check::check;
use crate::error::Result;
use crate::parameters::{Parameters, joined};

/// What a head that predicts for a whole sample reads of the recurrent layer's outputs `h_1, …, h_T`. Steps that are
/// padding do not count.
///
/// ```
/// use fgn_nn::{Classification, Pool};
///
/// let head = Classification { pool: Pool::Mean, ..Classification::new(10) };
/// let text = r#"{ "classes": 10, "pool": "mean" }"#;
/// assert_eq!(head, serde_json::from_str(text)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pool {
    /// The output after the last step.
    #[default]
    Last,
    /// The mean of the outputs.
    Mean,
    /// The largest value of each feature.
    Max,
    /// A weighted mean, `Σ_t α_t h_t` with `α = softmax_t(q · h_t)`. The query `q: [H]` is a parameter, `attention.query`,
    /// which is zero at first: all steps count alike. It is the context vector of Yang et al. (2016), compared with the
    /// outputs themselves rather than with a hidden layer over them (Raffel & Ellis 2015; Lin et al. 2017).
    Attention,
}

impl Pool {
    /// Whether it need not be written to a configuration.
    pub(crate) fn is_last(&self) -> bool {
        *self == Self::Last
    }

    /// As in configurations.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Attention => "attention",
        }
    }

    /// Checks that it suits a head.
    pub(super) fn validate(self, per_step: bool) -> Result<()> {
        let expected = "\"last\" with head.per_step: each step has an output of its own";
        check(self.is_last() || !per_step, "head.pool", self.name(), expected)
    }
}

/// A [`Pool`] with its parameters.
#[derive(Debug)]
pub(super) struct Pooled {
    pool: Pool,
    attention: Option<AttentionPool>,
}

impl Pooled {
    pub(super) fn new(
        pool: Pool,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Self> {
        let attention = match pool {
            Pool::Attention => {
                let name = joined(name, "attention");
                Some(AttentionPool::new(parameters, &name, inputs)?)
            }
            _ => None,
        };
        Ok(Self { pool, attention })
    }

    /// Whether a head reads the output of a single step.
    pub(super) fn is_of_one_step(&self) -> bool {
        self.pool.is_last()
    }

    /// The recurrent outputs that a head needs.
    pub(super) fn emit(&self, per_step: bool) -> Emit {
        if self.pool.is_last() { outputs::emit(per_step) } else { Emit::All }
    }

    /// What the head reads: `[B, H]`, or the outputs as they are.
    pub(super) fn forward(&self, encoded: &Encoded<'_>) -> Result<Tensor> {
        let (x, lengths) = (encoded.output, encoded.lengths);
        Ok(match (self.pool, &self.attention) {
            (Pool::Mean, _) => pool_mean(x, lengths)?,
            (Pool::Max, _) => pool_max(x, lengths)?,
            (Pool::Attention, Some(attention)) => attention.forward(x, lengths)?,
            _ => x.clone(),
        })
    }
}
