//! The head for the next item.

use candle_core::{Tensor, Var};
use fgn_kernels::{Emit, Precision, SampledLoss};
use fgn_schema::{IGNORED, Padded, Prediction, Ranking};
use serde_json::{Map, json};

use super::config::{ItemLoss, NextItem};
use super::negatives::Negatives;
use super::ranks::ranking;
use super::sampled::{Comparison, losses};
use super::whole::cross_entropy;
use crate::check::{check, wrong_shape};
use crate::cross_entropy::cross_entropy as cross_entropy_of;
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::heads::answer::{self, Answer};
use crate::heads::kind::{Encoded, Head};
use crate::heads::outputs;
use crate::heads::tied::{Tied, projected};
use crate::init::{uniform, xavier_bound};
use crate::loss::{Loss, LossOptions};
use crate::parameters::Parameters;
use crate::random::Generator;
use crate::row_table::RowTable;
use crate::scorer::Scorer;

/// How many items an answer has.
const ANSWERED: usize = 10;

#[derive(Debug)]
pub(super) struct NextItemHead {
    config: NextItem,
    dropout: Dropout,
    projection: Option<Var>,
    /// `[V, E]`
    vectors: RowTable,
    /// `[V]`
    bias: Option<RowTable>,
    /// Where negatives are drawn.
    negatives: Option<Negatives>,
    /// How often any item was taken in training.
    events: f64,
}

impl NextItemHead {
    pub(super) fn new(
        config: &NextItem,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<NextItemHead> {
        let items = config.catalogue.len();
        let sampled = config.sampled_loss();
        let is_there = sampled.is_none() || parameters.device().is_cpu();
        let expected = "\"cross-entropy\": on a GPU all items are scored";
        check(is_there, "head.loss", json!(config.loss), expected)?;
        let touched = parameters.touched(config.sparse && sampled.is_some());
        let mut projection = None;
        let vectors = match config.tied {
            None => {
                let bound = xavier_bound(inputs, items);
                let draw = |generator: &mut _| uniform(generator, items * inputs, bound);
                let name = format!("{name}.weight");
                let var = parameters.take(name.clone(), &[items, inputs], draw)?;
                RowTable::new(name, var, touched.clone())
            }
            Some(size) => {
                let tied = Tied::new(parameters, name, inputs, [items, size])?;
                projection = tied.projection;
                RowTable::new(Tied::shared(), tied.vectors, touched.clone())
            }
        };
        let mut bias = None;
        if config.bias {
            let name = format!("{name}.bias");
            let var = parameters.take(name.clone(), &[items], |_| vec![0.0; items])?;
            bias = Some(RowTable::new(name, var, touched));
        }
        Ok(NextItemHead {
            config: config.clone(),
            dropout: Dropout::new(config.dropout)?,
            projection,
            vectors,
            bias,
            negatives: sampled.map(|_| Negatives::new(&config.catalogue, config.alpha)),
            events: config.catalogue.counts().iter().map(|&count| count.max(1) as f64).sum(),
        })
    }

    /// The recurrent layer's outputs as products with the items' vectors take them: `[T, B, E]`.
    fn outputs(&self, encoded: &Encoded<'_>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.dropout.locked(encoded.output, mode)?;
        let (steps, batch, _) = x.dims3()?;
        let rows = projected(self.projection.as_ref(), &x.flatten(0, 1)?)?;
        Ok(rows.reshape((steps, batch, ()))?)
    }

    /// The logits of all items after each step, `[B, T, V]`.
    fn logits(&self, x: &Tensor, encoded: &Encoded<'_>) -> Result<Prediction> {
        let (steps, batch, size) = x.dims3()?;
        let rows = x.transpose(0, 1)?.reshape((batch * steps, size))?;
        let mut logits = rows.matmul(&self.vectors.var().t()?)?;
        if let Some(bias) = &self.bias {
            logits = logits.broadcast_add(bias.var())?;
        }
        Ok(Prediction::Logits(outputs::padded(logits.reshape((batch, steps, ()))?, encoded)?))
    }

    /// The cross entropy of each step over all items, `[B, T]`.
    fn whole(
        &self,
        x: &Tensor,
        targets: &[Option<u32>],
        encoded: &Encoded<'_>,
    ) -> Result<Prediction> {
        let (steps, batch, _) = x.dims3()?;
        let counted = (0..).zip(targets).filter_map(|(at, target)| Some((at, (*target)?)));
        let (rows, items): (Vec<u32>, Vec<u32>) = counted.unzip();
        let rows = Tensor::new(&rows[..], x.device())?;
        let mut outputs = x.flatten(0, 1)?.index_select(&rows, 0)?;
        let mut vectors = self.vectors.var().as_tensor().clone();
        if let Some(bias) = &self.bias {
            // A bias is the product of one more feature, which is 1.
            vectors = Tensor::cat(&[&vectors, &bias.var().unsqueeze(1)?], 1)?;
            let ones = Tensor::ones((items.len(), 1), x.dtype(), x.device())?;
            outputs = Tensor::cat(&[outputs, ones], 1)?;
        }
        let losses = cross_entropy(&outputs, &vectors, &items)?;
        let all = Tensor::zeros(steps * batch, losses.dtype(), losses.device())?;
        let all = all.index_add(&rows, &losses, 0)?.reshape((steps, batch))?;
        let all = all.transpose(0, 1)?.contiguous()?;
        Ok(Prediction::StepLosses(outputs::padded(all, encoded)?))
    }

    /// The losses of each step against sampled items, `[B, T]`.
    fn sampled(
        &self,
        x: &Tensor,
        targets: &[Option<u32>],
        encoded: &Encoded<'_>,
        (loss, negatives, generator): (SampledLoss, &Negatives, &mut Generator),
    ) -> Result<Prediction> {
        let (steps, batch, _) = x.dims3()?;
        let samples = negatives.draw(self.config.samples, generator);
        // Any item stands for a target that does not count.
        let any = targets.iter().flatten().next().copied().unwrap_or(0);
        let read: Vec<u32> = targets.iter().map(|target| target.unwrap_or(any)).collect();
        let read = [&read[..], &samples].concat();
        let mode = Mode::Train(generator);
        let mut vectors = self.vectors.select(&read, &mode)?;
        let mut x = x.clone();
        if let Some(bias) = &self.bias {
            // A bias is the product of one more feature, which is 1.
            vectors = Tensor::cat(&[vectors, bias.select(&read, &mode)?.unsqueeze(1)?], 1)?;
            let ones = Tensor::ones((steps, batch, 1), x.dtype(), x.device())?;
            x = Tensor::cat(&[x, ones], 2)?;
        }
        let own = vectors.narrow(0, 0, steps * batch)?.reshape((steps, batch, ()))?;
        let drawn = vectors.narrow(0, steps * batch, samples.len())?;
        let expected = |item: u32, targets: usize| {
            let share = self.config.catalogue.count(item).max(1) as f64 / self.events;
            let others = targets.saturating_sub(1) as f64 * share;
            (others + samples.len() as f64 * negatives.probability(item)).ln()
        };
        let is_corrected = self.config.loss == ItemLoss::SampledSoftmax;
        let comparison = Comparison {
            targets,
            samples: &samples,
            in_batch: self.config.in_batch,
            expected: is_corrected.then_some(&expected),
            loss,
        };
        let losses = losses(&x, &own, &drawn, &comparison)?;
        let losses = losses.transpose(0, 1)?.contiguous()?;
        Ok(Prediction::StepLosses(outputs::padded(losses, encoded)?))
    }

    /// All items ranked after some rows of `x: [T, B, E]`: `at` has their indices in `[T · B]`.
    fn rank(&self, x: &Tensor, at: Vec<u32>, targets: Option<&[u32]>) -> Result<Ranking> {
        let count = at.len();
        let at = Tensor::from_vec(at, count, x.device())?;
        let rows = x.flatten(0, 1)?.index_select(&at, 0)?.detach();
        let vectors = self.vectors.var().as_detached_tensor();
        let bias = self.bias.as_ref().map(|bias| bias.var().as_detached_tensor());
        ranking(&rows, &vectors, bias.as_ref(), targets)
    }

    /// The targets, step by step, `[T][B]`; `None` for padding and those that do not count.
    fn targets(&self, target: &Padded, [steps, batch]: [usize; 2]) -> Result<Vec<Option<u32>>> {
        if target.tensor().dims() != [batch, steps] {
            let expected = format!("[{batch}, {steps}]");
            return Err(wrong_shape("targets", target.tensor(), expected));
        }
        let tokens = outputs::tokens(target, batch)?;
        let last = self.config.catalogue.len() - 1;
        let length = |row: usize| target.lengths().map_or(steps, |lengths| lengths[row]);
        let mut all = Vec::with_capacity(steps * batch);
        for step in 0..steps {
            for (row, tokens) in tokens.iter().enumerate() {
                let counts = step < length(row) && tokens[step] != IGNORED;
                all.push(counts.then_some(tokens[step]));
            }
        }
        let out_of_range = |(index, item): (usize, &Option<u32>)| {
            item.filter(|&item| item as usize > last).map(|found| (index, found))
        };
        match all.iter().enumerate().find_map(out_of_range) {
            Some((index, found)) => Err(Error::Target { index, found, last }),
            None => Ok(all),
        }
    }
}

impl Head for NextItemHead {
    fn emit(&self) -> Emit {
        Emit::All
    }

    /// In training the loss of each step, or on a GPU logits; otherwise a ranking of all items: after each step whose
    /// target counts, or without targets after the last step of each sample.
    fn forward(
        &self,
        encoded: &Encoded<'_>,
        target: Option<&Padded>,
        mode: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let x = self.outputs(encoded, mode)?;
        let (steps, batch, _) = x.dims3()?;
        let Some(target) = target else {
            let last = |row: usize| encoded.lengths.map_or(steps, |lengths| lengths[row]) - 1;
            let rows = (0..batch).map(|row| (last(row) * batch + row) as u32).collect();
            return Ok(Prediction::Ranking(self.rank(&x, rows, None)?));
        };
        let targets = self.targets(target, [steps, batch])?;
        match (mode, self.config.sampled_loss(), &self.negatives) {
            (Mode::Train(generator), Some(loss), Some(negatives)) => {
                self.sampled(&x, &targets, encoded, (loss, negatives, generator))
            }
            (Mode::Train(_), ..) if x.device().is_cpu() && targets.iter().any(Option::is_some) => {
                self.whole(&x, &targets, encoded)
            }
            (Mode::Train(_), ..) => self.logits(&x, encoded),
            (Mode::Eval, ..) => {
                let index = |row: usize, step: usize| step * batch + row;
                let all = (0..batch).flat_map(|row| (0..steps).map(move |step| index(row, step)));
                let counted = all.filter_map(|at| Some((at as u32, targets[at]?)));
                let (rows, targets): (Vec<u32>, Vec<u32>) = counted.unzip();
                Ok(Prediction::Ranking(self.rank(&x, rows, Some(&targets))?))
            }
        }
    }

    fn scorer(&self, precision: Precision) -> Result<Option<Scorer>> {
        let projection = self.projection.as_ref().map(Var::as_detached_tensor);
        let bias = self.bias.as_ref().map(|bias| bias.var().as_detached_tensor());
        let vectors = self.vectors.var().as_detached_tensor();
        Scorer::new(projection.as_ref(), &vectors, bias.as_ref(), precision).map(Some)
    }

    /// Of logits and of rankings the cross entropy over all items; else the mean of what training minimises.
    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        options.are_none()?;
        if let Prediction::Ranking(ranking) = prediction {
            let Some(targets) = ranking.targets() else { return Err(wrong(prediction)) };
            let count = targets.ranks.dim(0)?;
            let likelihoods = &targets.log_likelihoods;
            let mean = if count == 0 { likelihoods.sum_all()? } else { likelihoods.mean_all()? };
            return Ok(Loss::new(mean.neg()?, count));
        }
        let (rows, items) = prediction.rows(target)?;
        let count = items.dim(0)?;
        if count == 0 {
            return Ok(Loss::new(rows.sum_all()?, 0));
        }
        let mean = match prediction {
            Prediction::Logits(_) => cross_entropy_of(&rows, &items)?,
            Prediction::StepLosses(_) => rows.mean_all()?,
            _ => return Err(wrong(prediction)),
        };
        Ok(Loss::new(mean, count))
    }

    /// The best items after the last step of each sample.
    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let Prediction::Ranking(ranking) = prediction else { return Err(wrong(prediction)) };
        let items = ranking.items().tensor().to_vec2::<u32>()?;
        let scores = ranking.scores().to_vec2::<f32>()?;
        let answer = |(items, scores): (&Vec<u32>, &Vec<f32>)| {
            let name = |item: &u32| self.config.catalogue.name(*item);
            let best = items.iter().map(name).zip(scores).take(ANSWERED);
            let lines: Vec<_> =
                best.clone().map(|(name, score)| format!("  {name}: {score:.3}")).collect();
            let first = items.first().map_or("", name);
            let list =
                best.map(|(name, score)| json!({ "item": name, "score": answer::number(*score) }));
            let keys = [("items".to_owned(), list.collect())];
            Answer::new([first, &lines.join("\n")].join("\n"), Map::from_iter(keys))
        };
        Ok(items.iter().zip(&scores).map(answer).collect())
    }
}

fn wrong(prediction: &Prediction) -> Error {
    Error::Prediction { found: prediction.kind(), expected: "a ranking of items" }
}
