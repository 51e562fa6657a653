//! `fgn eval`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use clap::Args;
use fgn_data::{Known, Samples, Series, Target};
use fgn_nn::ModelConfig;

use super::print;
use super::table::aligned;
use crate::console::grouped;
use crate::data::{absolute, is_table, part_fits};
use crate::{Evaluation, Result, Run, evaluate};

pub(super) const HELP: &str = "\
Examples:
  fgn eval runs/mnist-1
  fgn eval runs/series-1 --data measured-later.csv";

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// The run folder
    run: PathBuf,
    /// Measure on the test samples of this folder, or on all of this table, in place of the run's data
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

impl EvalArgs {
    pub(super) fn run(self, device: &Device) -> Result<()> {
        let mut run = Run::open(&self.run, device)?;
        let test = match &self.data {
            Some(file) if is_table(file) => table(&run, file)?,
            Some(folder) => {
                run.config.data.source = absolute(folder)?;
                run.config.data.open()?.test
            }
            None => run.config.data.open()?.test,
        };
        part_fits(&run.config.model, &*test)?;
        print(&told(&run.config.model, &evaluate(&run.model, &*test)?))
    }
}

/// All of a table, as what the run's model learned from.
fn table(run: &Run, file: &Path) -> Result<Arc<dyn Samples>> {
    let (model, options) = (&run.config.model, &run.config.data.series);
    let names = (0..model.outputs()).map(|output| model.name(output)).collect();
    let target = Some(match model.numbers {
        0 => Target::Classes(names),
        _ => Target::Numbers(names),
    });
    let known = Known { features: options.features.clone(), target };
    Ok(Arc::new(Series::read(file, options, Some(&known), &mut |_| ())?))
}

fn told(model: &ModelConfig, found: &Evaluation) -> String {
    let (loss, targets) = (found.loss, grouped(found.targets));
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let Some(accuracy) = found.accuracy() else {
        let mut rows = vec![row(&["number", "mean absolute error", "root mean square", "R2"])];
        for (at, score) in found.numbers.iter().enumerate() {
            let errors = [score.mean_absolute_error, score.root_mean_square_error];
            let [absolute, square] = errors.map(|error| format!("{error:.6}"));
            rows.push(vec![model.name(at), absolute, square, format!("{:.4}", score.r_squared)]);
        }
        return format!("Test loss = {loss:.4}  ({targets} samples)\n\n{}", aligned(&rows));
    };
    let mut rows = vec![row(&["class", "samples", "correct", "accuracy"])];
    for (class, score) in found.classes.iter().enumerate() {
        let accuracy = match score.targets {
            0 => "-".into(),
            targets => format!("{:.2} %", 100.0 * score.correct as f64 / targets as f64),
        };
        let counts = [score.targets, score.correct].map(grouped);
        rows.push([vec![model.name(class)], counts.to_vec(), vec![accuracy]].concat());
    }
    format!(
        "Test accuracy = {:.2} %  ({} of {targets} samples), loss {loss:.4}\n\n{}",
        100.0 * accuracy,
        grouped(found.correct()),
        aligned(&rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassScore, NumberScore, testing};

    #[test]
    fn a_class_without_samples_has_no_accuracy() {
        let classes = vec![ClassScore { targets: 4, correct: 3 }, ClassScore::default()];
        let found = Evaluation { loss: 0.25, targets: 4, classes, numbers: Vec::new() };
        let names = vec!["a cat".into(), "dog".into()];
        let model = ModelConfig { classes: 2, names, ..testing::config().model };
        let expected = "Test accuracy = 75.00 %  (3 of 4 samples), loss 0.2500\n\n\
                        class  samples  correct  accuracy\n\
                        a cat        4        3   75.00 %\n\
                        dog          0        0         -\n";
        assert_eq!(told(&model, &found), expected);
    }

    #[test]
    fn numbers_are_told_with_their_errors() {
        let score = NumberScore {
            mean_absolute_error: 0.5,
            root_mean_square_error: 1.25,
            r_squared: 0.875,
        };
        let found =
            Evaluation { loss: 0.1, targets: 1000, classes: Vec::new(), numbers: vec![score] };
        let model = ModelConfig { classes: 0, numbers: 1, ..testing::config().model };
        let expected = "Test loss = 0.1000  (1,000 samples)\n\n\
                        number  mean absolute error  root mean square      R2\n\
                        0                  0.500000          1.250000  0.8750\n";
        assert_eq!(told(&model, &found), expected);
    }
}
