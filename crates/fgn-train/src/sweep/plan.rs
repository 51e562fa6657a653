//! What a sweep tries: a file of TOML, and the trials that follow from it.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::Deserialize;
use toml::Value;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::overrides::Override;
use crate::ranges::expect;

/// A sweep: trainings of one recipe with other values each, and with several seeds.
///
/// ```
/// let text = r#"
///     name = "rates"
///     recipe = "mnist-rows"
///     seeds = [1, 2, 3]
///     set = ["training.epochs=3"]
///
///     [grid]
///     "optimizer.learning_rate" = [1e-3, 3e-3]
///     "model.recurrent.cell.name" = ["fgn", "lstm"]
/// "#;
/// let sweep = fgn_train::SweepPlan::parse(text, "rates.toml")?;
/// assert_eq!(sweep.trials()?.len(), 4);
/// # Ok::<(), fgn_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SweepPlan {
    /// Names the sweep: its folder is `sweeps/<name>`. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// A recipe's name, or the path of a `.toml` file with one.
    pub recipe: String,
    /// The seeds that each trial is trained with, at least one; `[1]` if left out.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// `KEY=VALUE`, the same for all trials.
    #[serde(default)]
    pub set: Vec<String>,
    /// All values of some keys, each with each.
    #[serde(default)]
    pub grid: BTreeMap<String, Vec<Value>>,
    /// Values drawn at random.
    pub random: Option<RandomSearch>,
}

/// Values drawn at random, each trial on its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RandomSearch {
    /// How many trials; with a grid, for each of its points.
    pub trials: usize,
    /// Decides what is drawn; 1 if left out.
    #[serde(default = "one")]
    pub seed: u64,
    /// From what each key's value is drawn.
    pub keys: BTreeMap<String, Range>,
}

/// What a value is drawn from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Range {
    /// One of these.
    Choose(Vec<Value>),
    /// A number between these two.
    Uniform([f64; 2]),
    /// A number between these two, both above 0; its logarithm is uniform.
    LogUniform([f64; 2]),
    /// A whole number from the first to the last.
    Whole([i64; 2]),
}

/// The values that one trial has of the keys that differ.
pub(crate) type Trial = Vec<(String, Value)>;

impl SweepPlan {
    /// Reads a sweep's text; `origin` names it in errors.
    ///
    /// # Errors
    /// A text that is no TOML, an unknown key, a value that no sweep can have.
    pub fn parse(text: &str, origin: &str) -> Result<SweepPlan> {
        let plan: SweepPlan = toml::from_str(text).map_err(|error| Error::Recipe {
            origin: match error.span() {
                Some(span) => {
                    let before = text.bytes().take(span.start);
                    let line = before.filter(|&byte| byte == b'\n').count() + 1;
                    format!("{origin}, line {line}")
                }
                None => origin.to_owned(),
            },
            message: error.message().to_owned(),
            nearest: None,
        })?;
        let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = plan.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let letters = "letters, digits, '-', '_' and '.', beginning with a letter or digit";
        expect(fits && plan.name.chars().all(named), "name", format!("{:?}", plan.name), letters)?;
        expect(!plan.seeds.is_empty(), "seeds", "[]", "at least one")?;
        if let Some(random) = &plan.random {
            expect(random.trials >= 1, "random.trials", random.trials, "at least 1")?;
            random.keys.values().try_for_each(Range::check)?;
        }
        let empty = plan.grid.values().any(Vec::is_empty);
        expect(!empty, "grid", "a key with no values", "at least one value for each key")?;
        let twice = first_twice(&plan.seeds).map(u64::to_string);
        let found = format!("a list with {} twice", twice.as_deref().unwrap_or_default());
        expect(twice.is_none(), "seeds", found, "each seed once")?;
        for (key, values) in &plan.grid {
            if let Some(value) = first_twice(values) {
                let found = format!("a list with {value} twice for {key}");
                return expect(false, "grid", found, "each value once").map(|()| plan);
            }
        }
        plan.check_keys()?;
        Ok(plan)
    }

    /// Checks that no value is lost: that none is set a second time, alone or with its whole table.
    ///
    /// # Errors
    /// The first key that is.
    fn check_keys(&self) -> Result<()> {
        let set = self.set.iter().map(|text| text.parse::<Override>());
        let set = set.collect::<Result<Vec<_>>>()?;
        let random = self.random.iter().flat_map(|random| random.keys.keys());
        // In the order in which they are applied.
        let set = set.iter().map(|setting| (setting.key(), "set"));
        let all = set
            .chain(self.grid.keys().map(|key| (&key[..], "grid")))
            .chain(random.map(|key| (&key[..], "random.keys")))
            .chain([(SEED, "seeds")]);
        let mut earlier: Vec<(&str, &str)> = Vec::new();
        for (key, place) in all {
            let is_lost = |other: &&(&str, &str)| {
                let rest = other.0.strip_prefix(key);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if let Some(&(lost, by)) = earlier.iter().find(is_lost) {
                let found = format!("{lost} in {by}, and {key} in {place}");
                return expect(false, "the sweep", found, "each key in one place");
            }
            earlier.push((key, place));
        }
        Ok(())
    }

    /// The trials: what `grid` and `random` say together.
    ///
    /// # Errors
    /// More than 10,000 of them.
    pub fn trials(&self) -> Result<Vec<Vec<(String, Value)>>> {
        let draws = self.random.as_ref().map_or(1, |random| random.trials);
        let points = self.grid.values().map(Vec::len).try_fold(draws, usize::checked_mul);
        let found = points.map_or("too many".into(), |points| points.to_string());
        let few = points.is_some_and(|points| points <= MOST);
        expect(few, "the number of trials", found, format!("at most {MOST}"))?;
        let mut trials: Vec<Trial> = vec![Vec::new()];
        for (key, values) in &self.grid {
            let with = |trial: &Trial, value: &Value| {
                [&trial[..], &[(key.clone(), value.clone())]].concat()
            };
            let each =
                trials.iter().flat_map(|trial| values.iter().map(|value| with(trial, value)));
            trials = each.collect();
        }
        let Some(random) = &self.random else {
            return Ok(trials);
        };
        let mut rng = ChaCha8Rng::seed_from_u64(random.seed);
        let draw = |trial: &Trial, rng: &mut ChaCha8Rng| {
            let drawn = random.keys.iter().map(|(key, range)| (key.clone(), range.draw(rng)));
            trial.iter().cloned().chain(drawn).collect()
        };
        let mut drawn = Vec::new();
        for trial in &trials {
            drawn.extend((0..random.trials).map(|_| draw(trial, &mut rng)));
        }
        Ok(drawn)
    }

    /// What `trial` is trained with for `seed`, checked.
    pub(crate) fn config(&self, trial: &Trial, seed: u64) -> Result<Config> {
        let set = self.set.iter().map(|text| text.parse());
        let mut overrides = set.collect::<Result<Vec<Override>>>()?;
        overrides.extend(trial.iter().map(|(key, value)| Override::new(key, value.clone())));
        let seed = i64::try_from(seed).unwrap_or(i64::MAX);
        overrides.push(Override::new(SEED, seed));
        Config::load(&self.recipe, &overrides)
    }
}

/// What `seeds` sets.
const SEED: &str = "training.seed";

/// The first value that stands in a list twice.
fn first_twice<T: PartialEq>(values: &[T]) -> Option<&T> {
    values
        .iter()
        .enumerate()
        .find(|(at, value)| values[..*at].contains(value))
        .map(|(_, value)| value)
}

/// Trials of a sweep: more are taken for a typo.
const MOST: usize = 10_000;

impl Range {
    fn check(&self) -> Result<()> {
        let key = "a range of random.keys";
        match self {
            Range::Choose(values) => {
                expect(!values.is_empty(), key, "choose = []", "at least one value")
            }
            Range::Uniform([low, high]) => {
                let fits = low <= high && low.is_finite() && high.is_finite();
                expect(fits, key, format!("uniform = [{low}, {high}]"), "the smaller number first")
            }
            Range::LogUniform([low, high]) => {
                let fits = *low > 0.0 && low <= high && high.is_finite();
                let expected = "two numbers above 0, the smaller first";
                expect(fits, key, format!("log-uniform = [{low}, {high}]"), expected)
            }
            Range::Whole([low, high]) => {
                let fits = low <= high;
                expect(fits, key, format!("whole = [{low}, {high}]"), "the smaller number first")
            }
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Value {
        // In [0, 1), with all the digits that an f64 has.
        let share = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        match self {
            Range::Choose(values) => values[(share * values.len() as f64) as usize].clone(),
            Range::Uniform([low, high]) => Value::Float(low + share * (high - low)),
            Range::LogUniform([low, high]) => {
                Value::Float((low.ln() + share * (high.ln() - low.ln())).exp().clamp(*low, *high))
            }
            Range::Whole([low, high]) => {
                let count = high.abs_diff(*low) as f64 + 1.0;
                Value::Integer(low.saturating_add_unsigned((share * count) as u64).min(*high))
            }
        }
    }
}

fn one_seed() -> Vec<u64> {
    vec![1]
}

fn one() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_each_with_each_and_draws_stay_in_range() {
        let text = r#"
            name = "a"
            recipe = "mnist-rows"
            [grid]
            "training.batch_size" = [10, 20]
            "model.recurrent.cell.name" = ["fgn", "lstm", "fgn-scan"]
            [random]
            trials = 50
            [random.keys]
            "optimizer.learning_rate" = { log-uniform = [1e-4, 1e-2] }
            "clip.norm" = { uniform = [0.5, 2.0] }
            "model.recurrent.hidden_size" = { whole = [3, 5] }
            "schedule.name" = { choose = ["cosine", "constant"] }
        "#;
        let plan = SweepPlan::parse(text, "a.toml").unwrap();
        let trials = plan.trials().unwrap();
        assert_eq!(trials.len(), 2 * 3 * 50);
        assert_eq!(trials, plan.trials().unwrap());
        let mut sizes = [0; 3];
        let mut below = 0;
        for trial in &trials {
            let config = plan.config(trial, 4).unwrap();
            assert_eq!(config.training.seed, 4);
            let rate = config.optimizer.learning_rate();
            assert!((1e-4..=1e-2).contains(&rate));
            below += usize::from(rate < 1e-3);
            assert!((0.5..=2.0).contains(&config.clip.norm.unwrap()));
            sizes[config.model.recurrent.hidden_size - 3] += 1;
        }
        assert!(sizes.iter().all(|&count| count > 60), "{sizes:?}");
        assert!((100..200).contains(&below), "half of them: {below}");
    }

    #[test]
    fn typos_are_reported() {
        for (text, expected) in [
            ("name = \"a\"\nrecipe = \"x\"\ngird = 1", "line 3: unknown field `gird`"),
            ("name = \"a/b\"\nrecipe = \"x\"", "name is \"a/b\""),
            ("name = \"a\"\nrecipe = \"x\"\nseeds = []", "seeds is []"),
            (
                "name = \"a\"\nrecipe = \"x\"\n[grid]\n\"a.b\" = []",
                "at least one value for each key",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\n[random]\ntrials = 1\n[random.keys]\na = { log-uniform = [0.0, 1.0] }",
                "above 0",
            ),
            ("name = \"a\"\nrecipe = \"x\"\nseeds = [2, 1, 2]", "seeds is a list with 2 twice"),
            (
                "name = \"a\"\nrecipe = \"x\"\n[grid]\n\"clip.norm\" = [1.0, 1.0]",
                "grid is a list with 1.0 twice for clip.norm",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\n[grid]\n\"training.seed\" = [1, 2]",
                "training.seed in grid, and training.seed in seeds",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\nset = [\"training.seed=3\"]",
                "training.seed in set, and training.seed in seeds",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\nset = [\"clip.norm=1.0\"]\n[grid]\n\"clip.norm\" = [2.0]",
                "clip.norm in set, and clip.norm in grid",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\nset = [\"clip.norm=1.0\", \"clip.norm=2.0\"]",
                "clip.norm in set, and clip.norm in set",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\n[grid]\n\"clip.norm\" = [2.0]\n[random]\ntrials = 2\n\
                 [random.keys]\nclip = { choose = [{ norm = 1.0 }] }",
                "clip.norm in grid, and clip in random.keys",
            ),
            (
                "name = \"a\"\nrecipe = \"x\"\n[random]\ntrials = 20000\n[random.keys]",
                "at most 10000",
            ),
        ] {
            let plan = SweepPlan::parse(text, "a.toml").and_then(|plan| plan.trials());
            let message = plan.unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
