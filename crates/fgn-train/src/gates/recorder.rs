//! The observer that writes `gates.jsonl`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use fgn_data::{Dataset, Samples};
use tracing::debug;

use super::observe::{gate_samples, record_gates};
use super::record::GateRecord;
use crate::epoch_lines::{self, EpochRecord};
use crate::epoch_metrics::EpochMetrics;
use crate::error::Result;
use crate::learner::Learner;
use crate::observer::{Observer, TrainingPlan};
use crate::run_files::GATES;

/// An observer that traces a model's gates after each epoch, on the first samples of the validation set, or of
/// the training set where there is no validation set, and writes a [`GateRecord`] a line to `gates.jsonl` in the
/// run folder. For a model without gates it does nothing.
pub struct GateRecorder {
    file: PathBuf,
    part: &'static str,
    samples: Arc<dyn Samples>,
    count: usize,
}

impl GateRecorder {
    /// Traces `count` samples of `dataset`; with 0 it does nothing. Writes into `folder`.
    pub fn new(folder: &Path, dataset: &Dataset, count: usize) -> GateRecorder {
        let (part, samples) = gate_samples(dataset);
        GateRecorder { file: folder.join(GATES), part, samples, count }
    }
}

impl<M: Learner> Observer<M> for GateRecorder {
    /// What was written after the checkpoint that the training resumes from is written again.
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        epoch_lines::take_back::<GateRecord>(&self.file, plan.history.len())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        if self.count == 0 || model.gated_units() == 0 {
            return Ok(());
        }
        let start = Instant::now();
        let record = record_gates(metrics.epoch, model, &*self.samples, self.count)?;
        let record = GateRecord { part: self.part.into(), ..record };
        epoch_lines::append(&self.file, &record)?;
        let share = start.elapsed().as_secs_f64() / metrics.seconds;
        debug!("looked at the gates of {} samples: {share:.4} of the epoch", record.samples);
        Ok(())
    }
}

impl EpochRecord for GateRecord {
    fn epoch(&self) -> usize {
        self.epoch
    }
}

/// The records in a run folder, epoch by epoch; none if it has no file of them.
///
/// # Errors
/// A file that cannot be read.
pub fn read_gates(folder: &Path) -> Result<Vec<GateRecord>> {
    epoch_lines::read(&folder.join(GATES))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fgn_nn::Model;

    use super::*;
    use crate::checkpoint::files::Checkpoint;
    use crate::config::Config;
    use crate::testing;
    use crate::train::{Trained, train};
    use crate::trainer::Trainer;

    fn recorder(folder: &Path, config: &Config) -> GateRecorder {
        let dataset = config.data.divide(testing::dataset(), config.training.seed).unwrap();
        GateRecorder::new(folder, &dataset, 8)
    }

    fn trained(folder: &Path, config: &Config) -> Trained {
        train(config, &testing::dataset(), &mut recorder(folder, config)).unwrap()
    }

    #[test]
    fn each_epoch_has_a_line_with_each_gate() {
        for cell in ["fgn", "gru"] {
            let folder = tempfile::tempdir().unwrap();
            let more = [
                &format!("model.recurrent.cell.name={cell}"),
                "model.recurrent.layers=2",
                "model.recurrent.bidirectional=true",
                "training.epochs=2",
            ];
            let config = testing::load(&more).unwrap();
            let trained = trained(folder.path(), &config);
            let records = read_gates(folder.path()).unwrap();
            let epochs: Vec<_> = records.iter().map(|record| record.epoch).collect();
            assert_eq!(epochs, [1, 2]);
            for record in &records {
                assert_eq!((record.samples, record.steps), (8, 8 * 6));
                assert_eq!(record.part, "validation");
                let layers: Vec<_> =
                    record.layers.iter().map(|layer| (layer.layer, layer.reverse)).collect();
                assert_eq!(layers, [(0, false), (0, true), (1, false), (1, true)]);
                for layer in &record.layers {
                    let names: Vec<_> = layer.gates.iter().map(|gate| &gate.name[..]).collect();
                    let expected =
                        if cell == "fgn" { vec!["i", "f", "o", "phi"] } else { vec!["r", "z"] };
                    assert_eq!(names, expected);
                    let spreads =
                        layer.gates.iter().map(|gate| &gate.spread).chain(&layer.retained);
                    for spread in spreads {
                        assert!((0.0..=1.0).contains(&spread.mean), "{spread:?}");
                        assert_eq!(spread.histogram.iter().sum::<u64>(), 8 * 6 * 6);
                    }
                    assert_eq!(layer.memory.as_ref().map(Vec::len), Some(6));
                }
            }
            // The last line is of the model that the training gave.
            let dataset = testing::dataset().hold_out(20, 1).unwrap();
            let last = record_gates(2, &trained.model, &**dataset.valid.as_ref().unwrap(), 8);
            assert_eq!(records[1], GateRecord { part: "validation".into(), ..last.unwrap() });
        }
    }

    #[test]
    fn without_a_validation_part_the_training_part_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let config = testing::load(&["data.validation=0", "training.epochs=1"]).unwrap();
        trained(folder.path(), &config);
        assert_eq!(read_gates(folder.path()).unwrap()[0].part, "training");
    }

    #[test]
    fn a_cell_without_gates_and_a_count_of_none_leave_nothing() {
        let config =
            testing::load(&["model.recurrent.cell.name=rnn", "training.epochs=1"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        trained(folder.path(), &config);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let none = GateRecorder::new(folder.path(), &testing::dataset(), 0);
        train(&testing::config(), &testing::dataset(), &mut { none }).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn going_on_writes_each_line_once() {
        let config = testing::config();
        let [whole, cut] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut observers = (recorder(whole.path(), &config), testing::Saved::default());
        train(&config, &testing::dataset(), &mut observers).unwrap();
        let expected = fs::read_to_string(whole.path().join(GATES)).unwrap();
        assert_eq!(expected.lines().count(), 4);

        // Killed in the middle of the third epoch's line, after the checkpoint of the second.
        let checkpoint: &Checkpoint =
            observers.1.0.iter().find(|saved| saved.state.history().len() == 2).unwrap();
        let cuts = expected.match_indices('\n').map(|(at, _)| at + 1).collect::<Vec<_>>();
        for left in [cuts[1], cuts[2], cuts[2] - 1, cuts[1] + 9, cuts[3]] {
            fs::write(cut.path().join(GATES), &expected[..left]).unwrap();
            let dataset = testing::dataset().hold_out(20, config.training.seed).unwrap();
            let model =
                Model::new(&config.model, 1, candle_core::DType::F32, &candle_core::Device::Cpu)
                    .unwrap();
            let mut trainer = Trainer::new(&config, model).unwrap();
            trainer.restore(checkpoint).unwrap();
            trainer.run(&dataset, &mut recorder(cut.path(), &config)).unwrap();
            assert_eq!(fs::read_to_string(cut.path().join(GATES)).unwrap(), expected);
        }
    }

    #[test]
    fn of_a_damaged_file_the_whole_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_gates(folder.path()).unwrap(), []);
        trained(folder.path(), &testing::load(&["training.epochs=2"]).unwrap());
        let expected = read_gates(folder.path()).unwrap();
        let file = folder.path().join(GATES);
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend([b'{', 0xff, b'\n']);
        bytes.extend(fs::read(&file).unwrap());
        fs::write(&file, bytes).unwrap();
        assert_eq!(read_gates(folder.path()).unwrap(), expected);
    }
}
