//! The report of a run: one HTML file that needs nothing beside it, and no network.

mod baselines;
mod confusion;
mod curves;
mod forecast;
mod gates;
mod generated;
mod generated_images;
mod held_out;
mod indicators;
mod maps;
mod mistakes;
mod outcomes;
mod page;
mod plot;
mod raster;
mod recommended;
mod residuals;
mod running_text;
mod sample;
mod section;
mod sound;
mod strip;
mod subject;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod text_gates;
mod token_losses;
mod transcribed;
mod transcripts;
pub(crate) mod writer;

use std::path::{Path, PathBuf};

use fgn_data::{Dataset, Samples as _};
use fgn_schema::{InputSchema, TargetSchema};
use fgn_train::run_files::REPORT;
use fgn_train::{
    BaselineResult, Config, FinalMetrics, Learner, TextSample, read_baselines, read_gates,
    read_metrics, read_samples, replace_file,
};
use serde::Serialize;

use crate::error::Result;
use outcomes::{Outcomes, Predicted};
use section::Section;
use subject::{Subject, Training};

/// Writes `report.html` into the run folder `folder`, and gives its path: the configuration, how training
/// went, how `model` does on the test samples of `dataset`, its worst mistakes, and what its gates do; of a language
/// model, what it wrote, and what it expects of the test part; of a recommender, the baselines, and what it
/// recommends; of a model of images, some that it generates and completes. Of the folder, `metrics.jsonl`, `gates.jsonl`, `samples.jsonl` and `baselines.json` are read, as far as
/// they are there.
///
/// It makes one more pass over the test samples.
///
/// # Errors
/// Samples that the model cannot read, and files that cannot be read or written.
pub fn write_report<M: Learner, C: Serialize, D: Serialize>(
    folder: &Path,
    config: &Config<C, D>,
    model: &M,
    dataset: &Dataset,
) -> Result<PathBuf> {
    write(folder, &Training::of(config)?, model, dataset)
}

fn write<M: Learner>(
    folder: &Path,
    training: &Training,
    model: &M,
    dataset: &Dataset,
) -> Result<PathBuf> {
    let finished = FinalMetrics::read(folder)?;
    let mut metrics = model.metrics(&training.metrics)?;
    metrics.prepare(&dataset.train)?;
    let of = Subject {
        training,
        model,
        dataset,
        history: read_metrics(folder)?,
        epoch: finished.as_ref().map(|metrics| metrics.epoch),
        streaming: finished.and_then(|metrics| subject::streaming(&metrics.test)),
        gates: read_gates(folder)?,
        roles: subject::roles(model, &dataset.test)?,
        outcomes: outcomes::measure(model, &dataset.test, metrics)?,
    };
    let written = Written { samples: read_samples(folder)?, baselines: read_baselines(folder)? };
    let file = folder.join(REPORT);
    let page = page::page(&training.name, &of.subtitle(), &sections(&of, &written)?);
    replace_file(&file, page.as_bytes())?;
    Ok(file)
}

/// What a training has written beside its metrics.
#[derive(Default)]
struct Written {
    /// What a language model wrote as it learned.
    samples: Vec<TextSample>,
    /// What a recommender is compared with.
    baselines: Vec<BaselineResult>,
}

/// All that the page has.
fn sections<M: Learner>(of: &Subject<'_, M>, written: &Written) -> Result<Vec<Section>> {
    let (model, test) = (of.model, &of.dataset.test);
    let mut sections = vec![summary::section(of), curves::section(of)?];
    let Outcomes { measures, metrics, .. } = &of.outcomes;
    sections.extend(baselines::section(measures, metrics, &written.baselines));
    sections.extend(generated::section(&written.samples));
    match &of.outcomes.predicted {
        Predicted::Classes(confusion) => sections.push(confusion::section(of, confusion)),
        Predicted::Values(residuals) => sections.push(residuals::section(of, residuals)?),
        Predicted::Other => {}
    }
    sections.extend(forecast::section(of)?);
    let gates = [gates::spreads(of)?, gates::memories(of)?];
    match held_out::read(model, test)? {
        Some(text) => {
            sections.push(token_losses::section(&text));
            sections.extend(gates);
            sections.push(text_gates::section(of, &text)?);
        }
        None => {
            let schema = test.schema();
            sections.push(match (&of.outcomes.transcribed, &schema.target, &schema.input) {
                (Some(worst), ..) => transcripts::mistakes(of, worst)?,
                (None, TargetSchema::NextItem { catalogue }, _) => {
                    recommended::section(of, catalogue)?
                }
                (
                    None,
                    &TargetSchema::Pixels { levels },
                    &InputSchema::Image { height, width, .. },
                ) => generated_images::section(of, [height, width], levels)?,
                _ => mistakes::section(of)?,
            });
            sections.extend(transcripts::alignments(of)?);
            sections.extend(gates);
            sections.push(maps::section(of)?);
        }
    }
    sections.push(summary::configuration(of.training));
    Ok(sections)
}
