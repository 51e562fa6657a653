//! A recommender beside the baselines: one table, and how far their evaluation is.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fgn_data::{DataConfig, Dataset, Samples};
use fgn_train::{
    BaselineProgress, BaselineResult, Evaluation, MetricInfo, evaluate_baselines, have_baselines,
    open_data,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::console::shown;
use crate::error::{Error, Result};
use crate::output::{note, with_causes};
use crate::table::aligned;

/// How a run's data is read, and the seed that draws its validation part, where they are known.
pub(crate) struct Trained<'a> {
    pub(crate) data: &'a DataConfig,
    pub(crate) seed: Option<u64>,
    /// The data, if it was opened already.
    pub(crate) dataset: Option<Dataset>,
}

/// The baselines on `test`, with the metrics of `found`: trained on the training part of the run's data. None for a
/// model that recommends nothing; none also, with a note, where the training part is not there.
pub(crate) fn measure(
    trained: Trained<'_>,
    test: &Arc<dyn Samples>,
    found: &Evaluation,
    quiet: bool,
) -> Vec<BaselineResult> {
    if !have_baselines(&test.schema().target) {
        return Vec::new();
    }
    let left_out = |why: &str| {
        note(&format!("The baselines are left out: {why}\n"));
        Vec::new()
    };
    let (Some(seed), false) = (trained.seed, trained.data.source.is_empty()) else {
        return left_out("an exported model does not say where its training data is.");
    };
    let measured = || -> Result<_> {
        let dataset = trained.dataset.map_or_else(|| open_data(trained.data), Ok)?;
        let parts = trained.data.divide(dataset, seed).map_err(fgn_train::Error::from)?;
        let dataset = Dataset { test: test.clone(), ..parts };
        let names: Vec<String> = found.own_metrics().map(|info| info.name.clone()).collect();
        Ok(evaluate_baselines(&dataset, &names, &mut progress(quiet))?)
    };
    measured().unwrap_or_else(|error: Error| left_out(&with_causes(&error)))
}

/// A row for the model and one for each baseline, a column for each metric; nothing without baselines.
pub(crate) fn table(model: &Evaluation, baselines: &[BaselineResult]) -> String {
    if baselines.is_empty() {
        return String::new();
    }
    let infos: Vec<&MetricInfo> = model.own_metrics().collect();
    let head = infos.iter().map(|info| info.label.clone());
    let mut rows = vec![["recommender".to_owned()].into_iter().chain(head).collect::<Vec<_>>()];
    let of_baselines = baselines.iter().map(|found| (&found.name[..], &found.measures));
    for (name, measures) in [("this model", &model.measures)].into_iter().chain(of_baselines) {
        let value = |info: &&MetricInfo| info.format(measures.get(&info.name).unwrap_or(f64::NAN));
        let values = infos.iter().map(value);
        rows.push([name.to_owned()].into_iter().chain(values).collect());
    }
    format!("\n{}", aligned(&rows))
}

/// Adds the baselines to what `--json` prints, where there are any: of each its `name` and its measures.
pub(crate) fn add_json(object: &mut Value, baselines: &[BaselineResult]) {
    if !baselines.is_empty() {
        object["baselines"] = baselines.iter().map(BaselineResult::json).collect();
    }
}

/// The time between two plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Shows how far the evaluation is on standard error: as a bar on a terminal, elsewhere as a plain line now and then.
pub(crate) fn progress(quiet: bool) -> impl FnMut(BaselineProgress) {
    let mut bar: Option<ProgressBar> = None;
    let mut last_line = Instant::now();
    move |progress: BaselineProgress| {
        let BaselineProgress { name, done, total, .. } = progress;
        if quiet {
            return;
        }
        if std::io::stderr().is_terminal() {
            let bar = bar.get_or_insert_with(|| new_bar(total));
            bar.set_message(name);
            bar.set_position(done as u64);
            if done >= total {
                bar.finish_and_clear();
            }
        } else if last_line.elapsed() >= BETWEEN_LINES {
            last_line = Instant::now();
            note(&format!("  baselines: {name}, {} %\n", 100 * done / total.max(1)));
        }
    }
}

fn new_bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("Baselines [{bar:28}] {percent} %  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    shown(ProgressBar::new(total as u64)).with_style(style)
}

#[cfg(test)]
mod tests {
    use fgn_train::{Direction, Measures, Unit};
    use serde_json::json;

    use super::*;

    fn found() -> (Evaluation, Vec<BaselineResult>) {
        let share = |name: &str| MetricInfo::new(name, name, Direction::Higher, Unit::Share);
        let number = |name: &str| MetricInfo::new(name, name, Direction::Lower, Unit::Number);
        let metrics = vec![share("recall@20"), number("perplexity"), share("streaming_recall@20")];
        let measures = |recall: f64, perplexity: f64| {
            Measures::new(perplexity.ln()).with("recall@20", recall).with("perplexity", perplexity)
        };
        let model = Evaluation::new(100, measures(0.5, 12.5), metrics);
        let result = |name: &str, measures| BaselineResult { name: name.to_owned(), measures };
        let baselines = vec![
            result("popularity", measures(0.0125, 1.0)),
            result("S-KNN", measures(0.41, f64::NAN)),
        ];
        (model, baselines)
    }

    #[test]
    fn the_model_stands_above_the_baselines() {
        let (model, baselines) = found();
        let expected = "\n\
                        recommender  recall@20  perplexity\n\
                        this model     50.00 %      12.500\n\
                        popularity      1.25 %      1.0000\n\
                        S-KNN          41.00 %           -\n";
        assert_eq!(table(&model, &baselines), expected);
        assert_eq!(table(&model, &[]), "");
    }

    #[test]
    fn json_has_each_baseline_by_its_name() {
        let mut object = json!({ "loss": 1.0 });
        add_json(&mut object, &[]);
        assert_eq!(object, json!({ "loss": 1.0 }));
        add_json(&mut object, &found().1);
        let expected = json!([
            { "name": "popularity", "loss": 0.0, "recall@20": 0.0125, "perplexity": 1.0 },
            { "name": "S-KNN", "loss": null, "recall@20": 0.41, "perplexity": null },
        ]);
        assert_eq!(object["baselines"], expected);
    }
}
