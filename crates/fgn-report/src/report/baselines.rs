//! A recommender beside the baselines.

use fgn_train::{BaselineResult, Measures, MetricInfo};
use maud::html;

use super::section::Section;
use super::text::MISSING;

/// A row for the model and one for each baseline; none without baselines.
pub(super) fn section(
    model: &Measures,
    metrics: &[MetricInfo],
    baselines: &[BaselineResult],
) -> Option<Section> {
    if baselines.is_empty() {
        return None;
    }
    let of_baselines = baselines.iter().map(|found| (&found.name[..], &found.measures));
    let rows = [("this model", model)].into_iter().chain(of_baselines);
    let cell = |measures: &Measures, info: &MetricInfo| {
        let value = measures.get(&info.name).filter(|value| !value.is_nan());
        value.map_or(MISSING.into(), |value| info.format(value))
    };
    let body = html! {
        p.hint {
            "The model and simple recommenders, over the same steps of the test part and among all items. The baselines \
             learn from the training part alone: what was taken most often, a Markov chain, and the items of the \
             sessions that are most like the current one (S-KNN; in V-SKNN its last items count more)."
        }
        div.scroll tabindex="0" {
            table.numbers {
                thead { tr {
                    th scope="col" { "Recommender" }
                    @for info in metrics { th scope="col" { (info.label) } }
                } }
                tbody { @for (name, measures) in rows { tr {
                    th scope="row" { (name) }
                    @for info in metrics { td { (cell(measures, info)) } }
                } } }
            }
        }
    };
    Some(Section { id: "baselines", title: "Baselines", body })
}

#[cfg(test)]
mod tests {
    use fgn_train::{Direction, Unit};

    use super::*;

    #[test]
    fn each_baseline_is_a_row() {
        let infos = [
            MetricInfo::new("mrr@5", "MRR@5", Direction::Higher, Unit::Share),
            MetricInfo::new("perplexity", "perplexity", Direction::Lower, Unit::Number),
        ];
        let measures =
            |mrr, perplexity| Measures::new(1.0).with("mrr@5", mrr).with("perplexity", perplexity);
        let baseline = BaselineResult { name: "S-KNN".into(), measures: measures(0.25, f64::NAN) };
        let model = measures(0.5, 7.5);
        let html = section(&model, &infos, &[baseline]).unwrap().body.into_string();
        let row = "<th scope=\"row\">this model</th><td>50.00 %</td><td>7.5000</td>";
        assert!(html.contains(row), "{html}");
        let row = "<th scope=\"row\">S-KNN</th><td>25.00 %</td><td>–</td>";
        assert!(html.contains(row), "{html}");
        assert!(section(&model, &infos, &[]).is_none());
    }
}
