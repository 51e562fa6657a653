//! `fgn eval`.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;

use super::{print, source};
use crate::console::grouped;
use crate::{Evaluation, Result, Run, evaluate};

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// The run folder
    run: PathBuf,
    /// Measure on the test images of this folder, not on those of the run's data set
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl EvalArgs {
    pub(super) fn run(self, device: &Device) -> Result<()> {
        let mut run = Run::open(&self.run, device)?;
        if let Some(folder) = &self.data {
            run.config.data.source = source(folder)?;
        }
        let dataset = run.config.data.open()?;
        crate::config::fits(&run.config.model, &dataset)?;
        print(&table(&evaluate(&run.model, &dataset.test)?))
    }
}

fn table(found: &Evaluation) -> String {
    let mut text = format!(
        "Test accuracy = {:.2} %  ({} of {} images), loss {:.4}\n\nclass  images  correct  accuracy\n",
        100.0 * found.accuracy(),
        grouped(found.correct()),
        grouped(found.images()),
        found.loss,
    );
    for (class, score) in found.classes.iter().enumerate() {
        let accuracy = match score.images {
            0 => "-".into(),
            images => format!("{:.2} %", 100.0 * score.correct as f64 / images as f64),
        };
        text += &format!("{class:>5} {:>7} {:>8} {accuracy:>9}\n", score.images, score.correct);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_images_has_no_accuracy() {
        let classes =
            vec![crate::ClassScore { images: 4, correct: 3 }, crate::ClassScore::default()];
        let text = table(&Evaluation { loss: 0.25, classes });
        assert!(
            text.starts_with("Test accuracy = 75.00 %  (3 of 4 images), loss 0.2500\n"),
            "{text}"
        );
        assert!(text.contains("\n    0       4        3   75.00 %\n"), "{text}");
        assert!(text.ends_with("\n    1       0        0         -\n"), "{text}");
    }
}
