//! Training in groups of samples, and with other processes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use candle_core::safetensors::load_buffer;
use candle_core::{Device, Tensor};
use fgn_data::Dataset;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use super::Trainer;
use crate::difference::{DATA_SOURCE, first_difference};
use crate::error::{Error, Result};
use crate::group::share::Share;
use crate::group::{Group, gather_all, send_to_first, unreadable};
use crate::learner::Learner;
use crate::metrics::Metrics;
use crate::state::{DataState, data_state};

/// The states of metrics by name.
pub(super) type MetricStates = BTreeMap<String, Value>;

/// What all processes must have alike.
#[derive(Serialize, Deserialize)]
struct Member {
    version: String,
    isa: String,
    config: String,
    data: DataState,
}

impl<M: Learner> Trainer<M> {
    /// Trains with the processes of `group` from now on, each of which has called this with the same model, configuration
    /// and `dataset`: before the training runs and before it is restored.
    ///
    /// # Errors
    /// [`Error::ProcessesDiffer`] for processes with another configuration, data, instruction set or version of fgn; fewer
    /// groups of samples than processes; those of the group.
    pub fn join(&mut self, group: Arc<dyn Group>, dataset: &Dataset) -> Result<()> {
        let share = Share::new(&*group, self.settings.training.groups)?;
        let batch_size = self.settings.training.batch_size;
        if batch_size < group.size() {
            return Err(Error::Value {
                key: "training.batch_size",
                found: batch_size.to_string(),
                expected: format!("at least {}, the number of processes", group.size()),
            });
        }
        let member = Member {
            version: env!("CARGO_PKG_VERSION").into(),
            isa: self.state.isa.clone(),
            config: self.config.clone(),
            data: data_state(dataset)?,
        };
        agree(&gather_all(&*group, &member)?)?;
        self.found_data = Some(member.data);
        if self.settings.training.shard_optimizer {
            self.optimizer.shard(&*group)?;
        }
        self.group = group;
        self.metrics = share.own.clone().map(|_| self.new_metrics()).collect::<Result<_>>()?;
        self.carried = vec![Vec::new(); share.own.len()];
        self.share = share;
        Ok(())
    }

    /// The metrics of all groups of samples together, of all processes: in the order of the groups.
    ///
    /// # Errors
    /// Those of the group, and metrics that cannot be merged.
    pub(super) fn merged(&self, mut own: Vec<Metrics>) -> Result<Metrics> {
        if self.share.groups == 1 {
            return Ok(own.pop().unwrap_or_default());
        }
        let mine: Vec<MetricStates> = own.iter().map(Metrics::save).collect();
        let states = gather_all(&*self.group, &mine)?;
        let mut metrics = self.new_metrics()?;
        for (nth, state) in states.iter().flatten().enumerate() {
            match nth {
                0 => metrics.restore(state)?,
                _ => metrics.merge(state)?,
            }
        }
        Ok(metrics)
    }

    /// Notes whether any process is asked to stop, for all of them to do so after the same step.
    ///
    /// # Errors
    /// Those of the group.
    pub(super) fn agree_to_stop(&mut self) -> Result<()> {
        let asked = u8::from(self.is_asked_to_stop());
        self.stops = self.group.gather(vec![asked])?.iter().any(|of| of.first() == Some(&1));
        Ok(())
    }

    /// The states of the metrics of the epoch, and the tensors of which each process has some: the optimizer's moments where
    /// they are sharded, and carried states. Complete in the first process.
    ///
    /// # Errors
    /// Those of the group.
    pub(super) fn collect(&self) -> Result<(MetricStates, HashMap<String, Tensor>)> {
        let mut states = MetricStates::new();
        let mut tensors: HashMap<String, Tensor> = HashMap::new();
        let own = self.share.own.clone();
        for ((group, metrics), carried) in own.zip(&self.metrics).zip(&self.carried) {
            let named = |(name, state): (String, Value)| (self.share.key(group, &name), state);
            states.extend(metrics.save().into_iter().map(named));
            for (at, carried) in carried.iter().enumerate() {
                let name = format!("carried/{}", self.share.key(group, &at.to_string()));
                tensors.insert(name, carried.copy()?);
            }
        }
        if self.optimizer.is_sharded() {
            tensors.extend(self.optimizer.moments()?);
        }
        let bytes = safetensors::serialize(&tensors, None);
        let bytes = bytes.map_err(|error| Error::Tensor(error.into()))?;
        let json = serde_json::to_vec(&states).map_err(unreadable)?;
        let jsons = send_to_first(&*self.group, json)?;
        let received = send_to_first(&*self.group, bytes)?;
        let (mut states, mut tensors) = (MetricStates::new(), HashMap::new());
        for (json, bytes) in jsons.iter().zip(&received) {
            states.extend(serde_json::from_slice::<MetricStates>(json).map_err(unreadable)?);
            tensors.extend(load_buffer(bytes, &Device::Cpu)?);
        }
        Ok((states, tensors))
    }

    /// Goes on from saved states of the metrics of an epoch. Of another number of groups, the first group has them all.
    ///
    /// # Errors
    /// A state that is missing or of other metrics.
    pub(super) fn restore_metrics(&mut self, saved: &MetricStates) -> Result<()> {
        let groups = by_group(saved)?;
        if groups.is_empty() {
            return self.metrics.iter_mut().try_for_each(|one| one.restore(saved));
        }
        if groups.len() == self.share.groups {
            let own = &groups[self.share.own.clone()];
            return self
                .metrics
                .iter_mut()
                .zip(own)
                .try_for_each(|(one, saved)| one.restore(saved));
        }
        if let Some(first) = self.metrics.first_mut().filter(|_| self.share.own.start == 0) {
            let mut groups = groups.iter();
            groups.next().map_or(Ok(()), |saved| first.restore(saved))?;
            groups.try_for_each(|saved| first.merge(saved))?;
        }
        Ok(())
    }

    /// Takes the carried states out of the tensors of a checkpoint.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub(super) fn restore_carried(&mut self, saved: &HashMap<String, Tensor>) -> Result<()> {
        let of = |group: usize| {
            let name = |at: usize| format!("carried/{}", self.share.key(group, &at.to_string()));
            let tensors = (0..).map_while(|at| saved.get(&name(at)));
            tensors.map(|carried| carried.to_device(&self.device)).collect()
        };
        let found = self.share.own.clone().map(of).collect::<candle_core::Result<Vec<Vec<_>>>>()?;
        let is_any = saved.keys().any(|name| name.starts_with("carried/"));
        let last = format!("carried/{}/0", self.share.groups);
        let fits = found.iter().all(|carried| !carried.is_empty()) && !saved.contains_key(&last);
        if is_any && !fits {
            warn!(
                "the checkpoint is of another number of groups of samples: all states begin with zeros; with \
                 training.groups, any number of processes goes on as if there had been no interruption"
            );
            self.carried.iter_mut().for_each(Vec::clear);
        } else {
            self.carried = found;
        }
        Ok(())
    }

    /// Logs how much this process has sent in `steps` steps.
    pub(super) fn log_sent(&self, steps: usize) {
        let (rank, sent) = (self.group.rank(), self.group.sent());
        if sent > 0 {
            info!("process {rank} sent {sent} bytes to the others, in {steps} steps");
        }
    }
}

/// The saved states of each group of samples.
///
/// # Errors
/// [`Error::MetricState`] for names of no group.
fn by_group(saved: &MetricStates) -> Result<Vec<MetricStates>> {
    let mut groups: BTreeMap<usize, MetricStates> = BTreeMap::new();
    for (key, state) in saved {
        let (group, name) = match key.split_once('/') {
            None => (Some(0), &key[..]),
            Some((group, name)) => (group.parse().ok(), name),
        };
        let group = group.ok_or_else(|| Error::MetricState(format!("{key:?} is of no group")))?;
        groups.entry(group).or_default().insert(name.to_owned(), state.clone());
    }
    Ok(groups.into_values().collect())
}

/// Checks that all processes have what the first one has.
///
/// # Errors
/// [`Error::ProcessesDiffer`], with all processes that have not, and the first difference.
fn agree(members: &[Member]) -> Result<()> {
    let Some(first) = members.first() else { return Ok(()) };
    let found = members.iter().map(|member| difference(first, member));
    let differing: Vec<(usize, String)> =
        found.enumerate().filter_map(|(rank, found)| Some((rank, found?))).collect();
    let Some((_, what)) = differing.first() else { return Ok(()) };
    let ranks: Vec<String> = differing.iter().map(|(rank, _)| rank.to_string()).collect();
    let word = if ranks.len() == 1 { "process" } else { "processes" };
    let processes = format!("{word} {}", ranks.join(", "));
    Err(Error::ProcessesDiffer { processes, what: what.clone() })
}

/// The first thing in which a process differs from the first one.
fn difference(first: &Member, other: &Member) -> Option<String> {
    let Member { version, isa, config, data } = other;
    if *version != first.version {
        return Some(format!("its version of fgn is {version}, expected {}", first.version));
    }
    if *isa != first.isa {
        let expected = &first.isa;
        return Some(format!("its instruction set is {isa}, expected {expected}: FGN_ISA sets it"));
    }
    // That the data is the same is known by its content.
    if let Some(found) = first_difference(config, &first.config, &[DATA_SOURCE]) {
        return Some(format!("its configuration is another one: {found} in process 0"));
    }
    let parts = ["training", "validation", "test"].into_iter().zip(data.iter().zip(&first.data));
    let mut other = parts.filter(|(_, (found, expected))| found != expected);
    other.next().map(|(part, (found, expected))| match found.samples == expected.samples {
        true => format!("the content of its {part} samples is another one"),
        false => format!("it has {} {part} samples, expected {}", found.samples, expected.samples),
    })
}
