//! The models of `fgn-nn`, as what a trainer trains.

use std::path::Path;

use candle_core::Var;
use fgn_data::Batch;
use fgn_nn::{Given, Model, State};

use super::{Learner, Pass, Scored};
use crate::evaluation::hits;
use crate::{NamedRows, Result};

impl Learner for Model {
    fn parameters(&self) -> &[(String, Var)] {
        self.parameters()
    }

    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Scored> {
        let lengths = batch.lengths.as_deref();
        let carried = std::mem::take(pass.carried);
        let before = (!carried.is_empty()).then(|| State::new(carried, false));
        let given = Given { lengths, state: before.as_ref() };
        let told = self.run(&batch.input, &given, pass.mode)?;
        *pass.carried = told.state.detach().tensors().to_vec();
        let loss = self.loss(&told.output, &batch.target, lengths, pass.label_smoothing)?;
        let (output, target) = self.rows(&told.output, &batch.target, lengths)?;
        let correct = match self.config().numbers {
            0 => Some(hits(&output, &target)?),
            _ => None,
        };
        Ok(Scored { loss, targets: target.dim(0)?, correct })
    }

    /// Backwards there is nothing to carry.
    fn carries_state(&self) -> bool {
        !self.config().recurrent.bidirectional
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
