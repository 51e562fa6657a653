//! The next item of a session, among very many.
//!
//! `sampled` compares the targets of training with few of all items, `whole` with all; `ranks` ranks all of them in an
//! evaluation.

mod accumulate;
mod config;
mod head;
mod negatives;
mod ranks;
mod sampled;
mod whole;

pub use config::{ItemLoss, NextItem};
use fgn_schema::{Catalogue, Statistics, TargetSchema};
use serde_json::{Map, Value, json};

use self::head::NextItemHead;
use super::kind::{Head, HeadKind};
use crate::check::{self, check};
use crate::error::{Error, Result};
use crate::parameters::Parameters;

impl HeadKind for NextItem {
    fn stand_in() -> TargetSchema {
        let names = vec!["0".to_owned(), "1".to_owned()];
        match Catalogue::new(names, vec![1, 1]) {
            Ok(catalogue) => TargetSchema::NextItem { catalogue },
            Err(_) => unreachable!("two items of two names"),
        }
    }

    fn complete(
        _: &Map<String, Value>,
        targets: &TargetSchema,
        _: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::NextItem { catalogue } = targets else { return None };
        Some(Map::from_iter([("catalogue".into(), json!(catalogue))]))
    }

    fn validate(&self) -> Result<()> {
        let enough = self.catalogue.len() >= 2;
        check(enough, "head.catalogue", "1 item".to_owned(), "2 items or more")?;
        check::size("head.samples", self.samples, 1)?;
        check::probability("head.dropout", self.dropout)?;
        self.tied.map_or(Ok(()), |size| check::size("head.tied", size, 1))?;
        for (field, value) in
            [("head.alpha", self.alpha), ("head.regularization", self.regularization)]
        {
            check(value >= 0.0 && value.is_finite(), field, value, "a number of at least 0")?;
        }
        Ok(())
    }

    fn target(&self) -> TargetSchema {
        TargetSchema::NextItem { catalogue: self.catalogue.clone() }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["recall@20", "mrr@20", "ndcg@20", "coverage@20", "popularity_bias@20"]
    }

    /// Ranks among all items are for evaluations.
    fn measures_training(&self) -> bool {
        false
    }

    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match targets {
            TargetSchema::NextItem { catalogue } if catalogue.names() == self.catalogue.names() => {
                Ok(())
            }
            TargetSchema::NextItem { catalogue } if catalogue.len() == self.catalogue.len() => {
                let expected = "those that the model was trained on".to_owned();
                Err(Error::Mismatch { found: "items of other names".into(), expected })
            }
            _ => Err(Error::Mismatch {
                found: targets.to_string(),
                expected: format!("{} (model.head.catalogue)", self.target()),
            }),
        }
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        Ok(Box::new(NextItemHead::new(self, parameters, name, inputs)?))
    }
}
