//! What a language model writes after each epoch: the lines of `samples.jsonl`, and the observer that writes them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::ReportConfig;
use crate::epoch_lines::{self, EpochRecord};
use crate::epoch_metrics::EpochMetrics;
use crate::error::Result;
use crate::generation::GeneratedText;
use crate::learner::Learner;
use crate::observer::{Observer, TrainingPlan};
use crate::run_files::SAMPLES;

/// A text that a model wrote after an epoch: a line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSample {
    /// After which epoch, counted from 1.
    pub epoch: usize,
    /// What was written.
    #[serde(flatten)]
    pub generated: GeneratedText,
}

/// An observer that lets a language model continue the same prompt after each epoch, and writes a [`TextSample`] a
/// line to `samples.jsonl` in the run folder. All texts are sampled by the same seed, at temperature 0.8. For a model
/// that writes no texts it does nothing.
pub struct SampleRecorder {
    file: PathBuf,
    prompt: Option<String>,
    length: usize,
    seed: u64,
}

impl SampleRecorder {
    /// Writes into `folder` as `report` says; with a [`sample_length`](ReportConfig::sample_length) of 0 it does
    /// nothing.
    pub fn new(folder: &Path, report: &ReportConfig, seed: u64) -> SampleRecorder {
        let (prompt, length) = (report.prompt.clone(), report.sample_length);
        SampleRecorder { file: folder.join(SAMPLES), prompt, length, seed }
    }
}

impl<M: Learner> Observer<M> for SampleRecorder {
    /// What was written after the checkpoint that the training resumes from is written again.
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        epoch_lines::take_back::<TextSample>(&self.file, plan.history.len())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &M) -> Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        match model.generate(self.prompt.as_deref(), self.length, self.seed)? {
            Some(generated) => {
                let sample = TextSample { epoch: metrics.epoch, generated };
                epoch_lines::append(&self.file, &sample)
            }
            None => Ok(()),
        }
    }
}

impl EpochRecord for TextSample {
    fn epoch(&self) -> usize {
        self.epoch
    }
}

/// The texts in a run folder, epoch by epoch; none if it has no file of them.
///
/// # Errors
/// A file that cannot be read.
pub fn read_samples(folder: &Path) -> Result<Vec<TextSample>> {
    epoch_lines::read(&folder.join(SAMPLES))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use candle_core::{DType, Device};
    use fgn_data::Dataset;
    use fgn_nn::Model;

    use super::*;
    use crate::config::Config;
    use crate::testing;
    use crate::train::train;
    use crate::trainer::Trainer;

    /// A training of a tiny language model in three epochs.
    fn text(more: &[&str]) -> Result<(Config, Dataset)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("poem.txt");
        fs::write(&file, "the cat sat.\nthe dog ran.\n".repeat(20)).unwrap();
        let source = format!("data.source={:?}", file.to_str().unwrap());
        let small = [
            &source[..],
            "data.text.window=8",
            "training.epochs=3",
            "training.batch_size=4",
            "training.warmup_steps=1",
            "model.recurrent.hidden_size=8",
            "model.input.embedding_dim=4",
        ];
        let all = small.iter().chain(more).map(|text| text.parse());
        let (config, dataset) = Config::open("text", &all.collect::<Result<Vec<_>>>()?)?;
        let dataset = config.data.divide(dataset.unwrap(), config.training.seed)?;
        Ok((config, dataset))
    }

    fn recorder(folder: &Path, config: &Config) -> SampleRecorder {
        SampleRecorder::new(folder, &config.report, config.training.seed)
    }

    #[test]
    fn each_epoch_has_a_line_with_what_the_model_writes() {
        let folder = tempfile::tempdir().unwrap();
        let (config, dataset) =
            text(&["report.prompt=\"the \"", "report.sample_length=40"]).unwrap();
        let trained = train(&config, &dataset, &mut recorder(folder.path(), &config)).unwrap();
        let samples = read_samples(folder.path()).unwrap();
        assert_eq!(samples.iter().map(|sample| sample.epoch).collect::<Vec<_>>(), [1, 2, 3]);
        for sample in &samples {
            assert_eq!(sample.generated.prompt, "the ");
            assert_eq!(sample.generated.text.chars().count(), 40);
        }
        let text = fs::read_to_string(folder.path().join(SAMPLES)).unwrap();
        assert!(text.starts_with("{\"epoch\":1,\"prompt\":\"the \",\"text\":\""), "{text}");
        // Some epoch's text is of the model that the training gave.
        let last = trained.model.generate(Some("the "), 40, config.training.seed).unwrap();
        assert!(samples.iter().any(|sample| Some(&sample.generated) == last.as_ref()));
    }

    #[test]
    fn going_on_writes_each_line_once() {
        let (config, dataset) = text(&["report.sample_length=12"]).unwrap();
        let [whole, cut] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut observers = (recorder(whole.path(), &config), testing::Saved::default());
        train(&config, &dataset, &mut observers).unwrap();
        let expected = fs::read_to_string(whole.path().join(SAMPLES)).unwrap();
        assert_eq!(expected.lines().count(), 3);

        // Killed in the middle of the second epoch's line, and later, after the checkpoint of the first.
        let checkpoint =
            observers.1.0.iter().find(|saved| saved.state.history().len() == 1).unwrap();
        let cuts = expected.match_indices('\n').map(|(at, _)| at + 1).collect::<Vec<_>>();
        for left in [cuts[0], cuts[0] + 9, cuts[1] - 1, cuts[1], cuts[2]] {
            fs::write(cut.path().join(SAMPLES), &expected[..left]).unwrap();
            let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
            let mut trainer = Trainer::new(&config, model).unwrap();
            trainer.restore(checkpoint).unwrap();
            trainer.run(&dataset, &mut recorder(cut.path(), &config)).unwrap();
            assert_eq!(fs::read_to_string(cut.path().join(SAMPLES)).unwrap(), expected);
        }
    }

    #[test]
    fn a_length_of_0_and_a_model_of_images_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (config, dataset) = text(&["report.sample_length=0", "training.epochs=1"]).unwrap();
        train(&config, &dataset, &mut recorder(folder.path(), &config)).unwrap();
        let config = testing::load(&["training.epochs=1"]).unwrap();
        train(&config, &testing::dataset(), &mut recorder(folder.path(), &config)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_prompt_that_the_vocabulary_lacks_is_refused() {
        for (prompt, expected) in [
            ("the zebra", "report.prompt is \"the zebra\" (the vocabulary has no \"z\", \"b\""),
            ("", "report.prompt is \"\", expected a text of one token"),
        ] {
            let setting = format!("report.prompt={prompt:?}");
            let error = text(&[&setting]).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
