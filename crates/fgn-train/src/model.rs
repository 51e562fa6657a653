//! The models of `fgn-nn`, as what a trainer trains.

use std::path::Path;

use candle_core::{Tensor, Var};
use fgn_nn::{
    GeneratedImage, HeadConfig, LayerTrace, LossOptions, Mode, Model, ModelInput, Precision, State,
};
use fgn_schema::Batch;

use crate::error::Result;
use crate::generation::{self, GeneratedText};
use crate::learner::{Learner, Pass, Scored};
use crate::metrics::Metrics;
use crate::optimizer::groups::NamedRows;

impl Learner for Model {
    fn parameters(&self) -> &[(String, Var)] {
        self.parameters()
    }

    fn forward(&self, batch: &Batch, mut pass: Pass<'_>) -> Result<Scored> {
        let carried = std::mem::take(pass.carried);
        let mut before = (!carried.is_empty()).then(|| State::new(carried, false));
        if let (Some(state), Mode::Train(generator)) = (&mut before, &mut pass.mode)
            && pass.reset_state > 0.0
        {
            let is_reset = |_: &usize| generator.next_f64() < pass.reset_state;
            let reset: Vec<usize> = (0..batch.size()).filter(is_reset).collect();
            *state = state.reset(&reset)?;
        }
        let mut input = ModelInput::new(batch.input()).with_target(batch.target());
        if let Some(state) = &before {
            input = input.with_state(state);
        }
        if let Some(resets) = batch.resets() {
            input = input.with_resets(resets);
        }
        let is_evaluation = matches!(pass.mode, Mode::Eval);
        let output = self.forward(input, pass.mode)?;
        *pass.carried = output.state.detach().tensors().to_vec();
        let options = self.loss_options().clone().with_label_smoothing(pass.label_smoothing);
        let loss = self.loss(&output.prediction, batch.target(), &options)?;
        let is_measured = is_evaluation || self.config().head.as_kind().measures_training();
        let prediction = is_measured.then(|| output.prediction.detach());
        let scored = Scored::new(loss.mean, loss.targets, prediction);
        Ok(Scored {
            penalty: output.penalty,
            weight: loss.weight,
            touched: self.take_touched_rows(),
            ..scored
        })
    }

    fn metrics(&self, names: &[String]) -> Result<Metrics> {
        head_metrics(&self.config().head, names)
    }

    fn set_loss_options(&mut self, options: &LossOptions) -> Result<()> {
        Ok(self.set_loss_options(options.clone())?)
    }

    fn set_precision(&mut self, precision: Precision) -> Result<()> {
        Ok(self.set_precision(precision)?)
    }

    fn frozen(&self) -> Result<Option<Model>> {
        Ok(Some(self.frozen()?))
    }

    /// A reverse direction has no state to continue from.
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

    fn gated_units(&self) -> usize {
        let recurrent = &self.config().recurrent;
        let spec = recurrent.cell.spec();
        match spec.has_gated_memory() || spec.blocks.iter().any(fgn_core::Block::is_gate) {
            true => {
                recurrent.layers
                    * (1 + usize::from(recurrent.bidirectional))
                    * recurrent.hidden_size
            }
            false => 0,
        }
    }

    fn trace(&self, batch: &Batch, steps: usize) -> Result<Vec<LayerTrace>> {
        let input = ModelInput::new(batch.input());
        let input = match batch.resets() {
            Some(resets) => input.with_resets(resets),
            None => input,
        };
        Ok(self.trace(input, Some(steps))?.1)
    }

    /// Those of the input layer; a dense layer's units have no order to show.
    fn features(&self, batch: &Batch) -> Result<Option<Tensor>> {
        match self.config().dense {
            Some(_) => Ok(None),
            None => Ok(Some(self.features(batch.input())?.tensor().clone())),
        }
    }

    fn generate(
        &self,
        prompt: Option<&str>,
        length: usize,
        seed: u64,
    ) -> Result<Option<GeneratedText>> {
        generation::generate(self, prompt, length, seed)
    }

    fn generate_images(
        &self,
        known: &[Vec<u32>],
        seed: u64,
    ) -> Result<Option<Vec<GeneratedImage>>> {
        generation::generate_images(self, known, seed)
    }

    fn summary(&self) -> String {
        self.config().recurrent.cell.to_string()
    }
}

/// The metrics of those names for a head; without names, those that suit it.
pub(crate) fn head_metrics(head: &HeadConfig, names: &[String]) -> Result<Metrics> {
    match names {
        [] => Metrics::named(head.metrics(), &head.target()),
        names => Metrics::named(names, &head.target()),
    }
}
