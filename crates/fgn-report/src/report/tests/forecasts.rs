//! Reports of forecasts.

use std::fs;

use candle_core::{DType, Device};
use fgn_data::{DataConfig, Dataset, Samples as _, Task};
use fgn_nn::{Model, Regression};

use super::{config, report, series};
use crate::report::forecast;
use crate::testing;

/// A table of 200 rows, each column of them counted on by 1, of which windows of 10 rows are the samples.
fn windows(ahead: usize, stride: usize) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let rows: String = (0..200).map(|row| format!("{},{}\n", row, 1000 + row)).collect();
    fs::write(&file, format!("other,height\n{rows}")).unwrap();
    let mut config = DataConfig::new(file.to_str().unwrap());
    config.series.task = Task::Forecast { window: 10, ahead, stride };
    config.series.target = vec!["height".into()];
    config.open(&mut |_| ()).unwrap()
}

#[test]
fn a_report_of_forecasts_shows_what_came() {
    let config = config(series(), |model| model.head = Regression::new(1).into());
    let html = report(&config, windows(5, 1));
    for part in [
        "<h2>Forecasts</h2>",
        "a forecast 5 steps ahead",
        "history",
        "true continuation",
        "Step after the window",
        "aria-label=\"height over sample rows from ",
    ] {
        assert!(html.contains(part), "no {part:?}");
    }
    let forecasts = html.split("id=\"forecast\"").nth(1).unwrap();
    let forecasts = forecasts.split("</section>").next().unwrap();
    assert_eq!(forecasts.matches("<figure>").count(), 4);
    // Of each of four windows five values that came, and five that were predicted.
    assert_eq!(forecasts.matches("<circle").count(), 4 * 2 * 5);
    let html = report(&testing::config(), testing::dataset());
    assert!(!html.contains("Forecasts"));
}

#[test]
fn a_continuation_is_made_of_the_windows_before() {
    let config = config(series(), |model| model.head = Regression::new(1).into());
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    for (ahead, stride, steps) in
        [(1, 1, vec![1]), (5, 1, vec![1, 2, 3, 4, 5]), (5, 2, vec![1, 3, 5]), (5, 10, vec![5])]
    {
        let test = windows(ahead, stride).test;
        let forecast = test.forecast().unwrap();
        assert_eq!(
            (forecast.ahead, forecast.stride, &forecast.features[..]),
            (ahead, stride, &[1][..])
        );
        let index = test.len() as u32 - 1;
        let found = forecast::continuations(&model, &*test, &forecast, index).unwrap();
        let [found] = &found[..] else { panic!("one column") };
        // The title counts rows from 1.
        let title = test.title(index);
        let first: usize = title.strip_prefix("rows from ").unwrap().parse().unwrap();
        let last = (first - 1 + 9) as f64;
        let history = (-9..=0).map(|step| (f64::from(step), 1000.0 + last + f64::from(step)));
        assert_eq!(found.history, history.collect::<Vec<_>>());
        let came = steps.iter().map(|&step| (f64::from(step), 1000.0 + last + f64::from(step)));
        assert_eq!(found.target, came.collect::<Vec<_>>());
        let predicted: Vec<f64> = found.predicted.iter().map(|&(step, _)| step).collect();
        assert_eq!(predicted, steps.iter().map(|&step| f64::from(step)).collect::<Vec<_>>());
        // The first window of a sequence has none before it.
        let found = forecast::continuations(&model, &*test, &forecast, 0).unwrap();
        assert_eq!(found[0].target.len(), 1);
    }
}
