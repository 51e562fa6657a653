//! The protocol between the summary and a contestant. A contestant reads requests from its standard input and
//! writes answers to its standard output, one JSON object per line.
//!
//! ```text
//! {"work": "infer", "cell": "lstm", "dtype": "f32", "steps": 28, "batch": 100, "input": 28,
//!  "hidden": 128, "seconds": 0.3}
//! {"who": "pytorch 2.15.0", "check": [...], "ms": [...]}     or     {"who": ..., "error": "..."}
//! ```
//!
//! All contestants have the same weights, inputs and initial states, see [`numbers`]. `check` shows that they
//! compute the same: for `train` it is the norm of the gradients with respect to the two weight matrices, otherwise
//! the output of the last sequence at the last step. `ms` is a list of times in milliseconds, one for each timed run.

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The work that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// The outputs of all steps.
    Infer,
    /// The gradients of the sum of all outputs with respect to all weights.
    Train,
    /// One step from given states.
    Stream,
}

/// A request to a contestant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The work.
    pub work: Work,
    /// The cell's name; only this workspace's layers support others than `lstm`.
    pub cell: String,
    /// The number type of the weights.
    pub dtype: String,
    /// An option of the layer beside the cell's equations; none if empty. Only this workspace's layers support any.
    #[serde(default)]
    pub option: String,
    /// The sequence length.
    pub steps: usize,
    /// The number of sequences.
    pub batch: usize,
    /// The input size.
    pub input: usize,
    /// The hidden size.
    pub hidden: usize,
    /// How long to measure.
    pub seconds: f64,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The contestant's name and version.
    pub who: String,
    /// A sample of the result, see the [module](self).
    #[serde(default)]
    pub check: Vec<f64>,
    /// The time of each run in milliseconds.
    #[serde(default)]
    pub ms: Vec<f64>,
    /// The error message, if the contestant failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A closure to measure.
pub type Run = Box<dyn FnMut() -> Result<()>>;

/// Wraps `work` to be measured; its result is dropped.
pub fn run<T, E: Into<anyhow::Error>>(mut work: impl FnMut() -> Result<T, E> + 'static) -> Run {
    Box::new(move || work().map(drop).map_err(Into::into))
}

/// Pseudo-random numbers in (−`bound`, `bound`), the same for all contestants. The seeds are 0 for the inputs, 1 and 2
/// for the input and recurrent weights, 3 and 4 for their biases, 5 and 6 for the initial hidden and cell state, and 7
/// for parameters that the LSTM does not have.
pub fn numbers(seed: u64, bound: f64, len: usize) -> Vec<f32> {
    let number = |index: u64| {
        let mixed = (index + (seed << 24)).wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
        ((mixed as f64 / 2f64.powi(31) - 1.0) * bound) as f32
    };
    (0..len as u64).map(number).collect()
}

/// Answers requests until standard input ends. `prepare` builds the layer for a request, and returns its check and
/// the closure to measure. It is called again only if the request differs from the previous one.
///
/// # Errors
/// If standard input or output fails, or if a request cannot be parsed.
pub fn serve(who: &str, prepare: impl Fn(&Request) -> Result<(Vec<f64>, Run)>) -> Result<()> {
    let mut held: Option<(Request, Vec<f64>, Run)> = None;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let mut answer = || -> Result<Answer> {
            if !held.as_ref().is_some_and(|(of, ..)| *of == request) {
                held = None;
                let (check, run) = prepare(&request)?;
                held = Some((request.clone(), check, run));
            }
            let Some((_, check, run)) = &mut held else { anyhow::bail!("nothing is prepared") };
            let ms = measure(run, request.seconds)?;
            Ok(Answer { who: who.into(), check: check.clone(), ms, error: None })
        };
        let answer = answer().unwrap_or_else(|error| Answer {
            who: who.into(),
            error: Some(format!("{error:#}")),
            ..Answer::default()
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

/// Times runs for `seconds` and returns the milliseconds of each. Short runs are timed in groups; the first timing is
/// dropped if there are others.
fn measure(run: &mut Run, seconds: f64) -> Result<Vec<f64>> {
    let start = Instant::now();
    run()?;
    let together = ((1e-4 / start.elapsed().as_secs_f64()) as usize).max(1);
    let mut times = Vec::new();
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        for _ in 0..together {
            run()?;
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0 / together as f64);
    }
    Ok(if times.len() > 1 { times.split_off(1) } else { times })
}

/// The median, which is the mean of the middle two for an even count; `None` if there are no numbers.
pub fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }

    #[test]
    fn numbers_fill_their_range_and_differ_by_seed() {
        let some = numbers(1, 0.5, 10_000);
        assert!(some.iter().all(|x| x.abs() <= 0.5));
        assert!(some.iter().any(|x| *x > 0.49) && some.iter().any(|x| *x < -0.49));
        assert_ne!(some, numbers(2, 0.5, 10_000));
    }

    #[test]
    fn answers_of_both_kinds_are_understood() {
        let good: Answer =
            serde_json::from_str(r#"{"who": "a 1", "check": [0.5], "ms": [1, 2]}"#).unwrap();
        assert_eq!((good.ms.as_slice(), good.error), (&[1.0, 2.0][..], None));
        let bad: Answer = serde_json::from_str(r#"{"who": "a 1", "error": "no"}"#).unwrap();
        assert_eq!(bad.error.as_deref(), Some("no"));
    }
}
