//! What a step gives.

use fgn_nn::{
    Classification, Ctc, HeadConfig, NextItem, NextToken, Pool as PoolConfig, Regression,
};

use crate::error::{Error, Result};
use crate::known::{self, kind_names};
use crate::linear::matrix;
use crate::matrix::{Format, Matrix};
use crate::parameters::{Parameters, floats, spreads};

/// What a step gives: outputs, by the map of what the pool makes of the recurrent layer's.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) pool: Pool,
    pub(crate) map: Map,
    /// Added to the outputs of the map, if there is one.
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) kind: Kind,
}

/// What a head reads of the outputs of the steps so far.
#[derive(Debug)]
pub(crate) enum Pool {
    Last,
    Mean,
    Max,
    /// With the query.
    Attention(Vec<f32>),
}

/// The map from the recurrent layer's outputs to those of the head.
#[derive(Debug)]
pub(crate) enum Map {
    Linear(Matrix),
    /// Products with the `count` vectors of the embedding, after what brings outputs to their size.
    Tied {
        projection: Option<Matrix>,
        count: usize,
    },
    Clusters {
        head: Matrix,
        clusters: Vec<Cluster>,
    },
}

/// Rare tokens, from vectors of fewer features.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) projection: Matrix,
    pub(crate) weight: Matrix,
}

/// What the outputs are.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A logit for each class.
    Classes { names: Vec<String>, per_step: bool },
    /// Values, with mean and standard deviation of each.
    Values { names: Vec<String>, per_step: bool, scale: Option<[Vec<f32>; 2]> },
    /// A logit for each token.
    Tokens,
    /// A logit for each label of an alignment, the last one the blank's.
    Labels,
    /// A score for each item.
    Items { names: Vec<String> },
}

impl Head {
    pub(crate) fn new(
        parameters: &mut Parameters<'_>,
        config: &HeadConfig,
        inputs: usize,
        format: Format,
    ) -> Result<Self> {
        let mut reader = Reader { parameters, inputs, format };
        match config {
            HeadConfig::Classification(head) => reader.classification(head),
            HeadConfig::Regression(head) => reader.regression(head),
            HeadConfig::NextToken(head) => reader.next_token(head),
            HeadConfig::NextItem(head) => reader.next_item(head),
            HeadConfig::Ctc(head) => reader.ctc(head),
            other => Err(Error::unsupported("head.kind", other.kind(), kind_names(known::HEADS))),
        }
    }

    /// The number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        match &self.map {
            Map::Linear(weight) => weight.rows,
            Map::Tied { count, .. } => *count,
            Map::Clusters { head, clusters } => {
                let rare: usize = clusters.iter().map(|cluster| cluster.weight.rows).sum();
                head.rows - clusters.len() + rare
            }
        }
    }

    /// Whether each step has an answer, rather than the sample after its last one.
    pub(crate) fn is_per_step(&self) -> bool {
        match self.kind {
            Kind::Classes { per_step, .. } | Kind::Values { per_step, .. } => per_step,
            Kind::Tokens | Kind::Labels | Kind::Items { .. } => true,
        }
    }

    /// Whether the outputs are logits.
    pub(crate) fn gives_logits(&self) -> bool {
        !matches!(self.kind, Kind::Values { .. })
    }
}

/// Reads the parameters of a head.
struct Reader<'r, 'p> {
    parameters: &'r mut Parameters<'p>,
    inputs: usize,
    format: Format,
}

impl Reader<'_, '_> {
    fn classification(&mut self, config: &Classification) -> Result<Head> {
        let Classification { classes, names, per_step, pool } = config;
        Ok(Head {
            pool: self.pool(*pool)?,
            map: self.linear(*classes)?,
            bias: self.bias(*classes)?,
            kind: Kind::Classes { names: counted(names, *classes), per_step: *per_step },
        })
    }

    fn regression(&mut self, config: &Regression) -> Result<Head> {
        let Regression { values, names, per_step, pool, scale } = config;
        let scale = scale.as_ref().map(|scale| -> Result<_> {
            let mean = floats("the means of `head.scale`", &scale.mean)?;
            Ok([mean, spreads("`head.scale`", &scale.std)?])
        });
        let (names, scale) = (counted(names, *values), scale.transpose()?);
        Ok(Head {
            pool: self.pool(*pool)?,
            map: self.linear(*values)?,
            bias: self.bias(*values)?,
            kind: Kind::Values { names, per_step: *per_step, scale },
        })
    }

    fn next_token(&mut self, config: &NextToken) -> Result<Head> {
        // The rest is for training alone, here and in the next one.
        let NextToken {
            vocabulary,
            tied,
            cutoffs,
            dropout: _,
            activation_regularization: _,
            temporal_activation_regularization: _,
        } = config;
        let (map, bias) = match tied {
            None if !cutoffs.is_empty() => (self.clusters(*vocabulary, cutoffs)?, None),
            None => (self.linear(*vocabulary)?, self.bias(*vocabulary)?),
            Some(size) => (self.tied(*vocabulary, *size)?, self.bias(*vocabulary)?),
        };
        Ok(Head { pool: Pool::Last, map, bias, kind: Kind::Tokens })
    }

    fn next_item(&mut self, config: &NextItem) -> Result<Head> {
        let NextItem {
            catalogue,
            tied,
            bias,
            loss: _,
            samples: _,
            alpha: _,
            in_batch: _,
            regularization: _,
            dropout: _,
            sparse: _,
        } = config;
        let count = catalogue.len();
        let map = match tied {
            None => self.linear(count)?,
            Some(size) => self.tied(count, *size)?,
        };
        let bias = if *bias { self.bias(count)? } else { None };
        let names = (0..count).map(|item| catalogue.name(item as u32).to_owned()).collect();
        Ok(Head { pool: Pool::Last, map, bias, kind: Kind::Items { names } })
    }

    fn ctc(&mut self, config: &Ctc) -> Result<Head> {
        // A step gives logits: how an answer is found among them is left to the program.
        let Ctc { vocabulary, tokenizer: _, dropout: _, beam_size: _, zero_infinity: _ } = config;
        Ok(Head {
            pool: Pool::Last,
            map: self.linear(*vocabulary)?,
            bias: self.bias(*vocabulary)?,
            kind: Kind::Labels,
        })
    }

    fn pool(&mut self, pool: PoolConfig) -> Result<Pool> {
        match pool {
            PoolConfig::Last => Ok(Pool::Last),
            PoolConfig::Mean => Ok(Pool::Mean),
            PoolConfig::Max => Ok(Pool::Max),
            PoolConfig::Attention => {
                let query = self.parameters.take("head.attention.query", &[self.inputs])?;
                Ok(Pool::Attention(query))
            }
            other => {
                let expected = "last, mean, max, attention";
                Err(Error::unsupported("head.pool", format!("{other:?}"), expected))
            }
        }
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Matrix> {
        matrix(self.parameters, &format!("head.{name}.weight"), shape, self.format)
    }

    fn linear(&mut self, outputs: usize) -> Result<Map> {
        let shape = [outputs, self.inputs];
        Ok(Map::Linear(matrix(self.parameters, "head.weight", shape, self.format)?))
    }

    fn bias(&mut self, outputs: usize) -> Result<Option<Vec<f32>>> {
        self.parameters.take("head.bias", &[outputs]).map(Some)
    }

    fn tied(&mut self, count: usize, size: usize) -> Result<Map> {
        let projection = match size == self.inputs {
            true => None,
            false => Some(self.matrix("projection", [size, self.inputs])?),
        };
        Ok(Map::Tied { projection, count })
    }

    fn clusters(&mut self, vocabulary: usize, cutoffs: &[usize]) -> Result<Map> {
        let frequent = cutoffs.first().copied().unwrap_or(vocabulary);
        let head = self.matrix("head", [frequent + cutoffs.len(), self.inputs])?;
        let ends = cutoffs.iter().skip(1).chain([&vocabulary]);
        let clusters = cutoffs.iter().zip(ends).enumerate().map(|(index, (start, end))| {
            // Each has half as many features as the one before.
            let size = (self.inputs >> (index + 1)).max(1);
            let projection = self.matrix(&format!("tail.{index}.0"), [size, self.inputs])?;
            let weight = self.matrix(&format!("tail.{index}.1"), [end - start, size])?;
            Ok(Cluster { projection, weight })
        });
        Ok(Map::Clusters { clusters: clusters.collect::<Result<_>>()?, head })
    }
}

/// The names of `count` outputs: those given, or their indices.
fn counted(given: &[String], count: usize) -> Vec<String> {
    match given.is_empty() {
        true => (0..count).map(|index| index.to_string()).collect(),
        false => given.to_vec(),
    }
}
