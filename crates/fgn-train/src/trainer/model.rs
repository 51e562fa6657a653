//! The models of `fgn-nn`, as what a trainer trains.

use std::path::Path;

use candle_core::Var;
use fgn_data::Batch;
use fgn_nn::{Model, smoothed_cross_entropy};

use super::{Learner, Pass, Scored};
use crate::evaluation::hits;
use crate::{NamedRows, Result};

impl Learner for Model {
    fn parameters(&self) -> &[(String, Var)] {
        self.parameters()
    }

    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Scored> {
        let logits = self.forward(&batch.input, pass.mode)?;
        let loss = smoothed_cross_entropy(&logits, &batch.target, pass.label_smoothing)?;
        let (correct, targets) = (hits(&logits, &batch.target)?, batch.target.dim(0)?);
        Ok(Scored { loss, targets, correct: Some(correct) })
    }

    fn save(&self, path: &Path) -> Result<()> {
        Ok(self.save(path)?)
    }

    /// The gates' rows of the recurrent layers' packed parameters, by the gates' names: `phi` and so on.
    fn named_rows(&self) -> Vec<NamedRows> {
        let spec = self.config().recurrent.cell.spec();
        let mut all = Vec::new();
        for (name, var) in self.parameters() {
            let Some(slot) =
                name.strip_prefix("recurrent.").and_then(|rest| rest.split("_l").next())
            else {
                continue;
            };
            // Which blocks a tensor has rows for does not depend on the sizes.
            let layout = fgn_core::Layout::new(spec, 1, 1);
            let blocks = layout.tensors().iter().find(|known| known.name == slot);
            let blocks = blocks.map_or(&[][..], |known| &known.blocks);
            let rows = var.dims()[0] / blocks.len().max(1);
            all.extend(blocks.iter().enumerate().map(|(at, &block)| NamedRows {
                parameter: name.clone(),
                name: spec.blocks[block].name.to_owned(),
                rows: at * rows..(at + 1) * rows,
            }));
        }
        all
    }

    fn summary(&self) -> String {
        self.config().recurrent.cell.to_string()
    }
}
