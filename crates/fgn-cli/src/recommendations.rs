//! The best items of sessions, by a model that predicts the next one.

use std::collections::HashSet;
use std::path::Path;

use fgn_nn::{Model, Precision, Recommender, Session};
use fgn_schema::TargetSchema;
use serde::Serialize;

use crate::error::{Error, Result};

/// How many items are recommended where nothing else is asked for.
const COUNT: usize = 10;

/// Whether a model predicts the next item of sessions.
pub(crate) fn is_recommender(model: &Model) -> bool {
    matches!(model.config().head.target(), TargetSchema::NextItem { .. })
}

/// Refuses a model that predicts the next item of sessions, for a command that needs `expected`.
pub(crate) fn refuse_recommender(model: &Model, run: &Path, expected: &'static str) -> Result<()> {
    match is_recommender(model) {
        true => Err(Error::Recommends { run: run.to_owned(), expected }),
        false => Ok(()),
    }
}

/// What recommends, and how many items of a session it recommends.
pub(crate) struct Recommendations {
    recommender: Recommender,
    count: usize,
    exclude_seen: bool,
}

/// How items are recommended.
pub(crate) struct Options {
    /// The number of items; the usual one if `None`.
    pub(crate) top: Option<usize>,
    /// Whether the items of a session are left out.
    pub(crate) exclude_seen: bool,
    pub(crate) precision: Precision,
}

/// What is known of a session.
#[derive(Default)]
pub(crate) struct History {
    session: Session,
    /// Its items, if they are left out.
    seen: HashSet<u32>,
}

impl History {
    /// Whether no item of it is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.session.is_empty()
    }
}

/// An item, as it is printed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Recommended<'a> {
    pub(crate) item: &'a str,
    pub(crate) score: f32,
}

impl Recommendations {
    /// Recommends with `model`, the one of `run`.
    ///
    /// # Errors
    /// A model of another kind, and a number of items that its catalogue does not have.
    pub(crate) fn new(model: &Model, run: &Path, options: Options) -> Result<Recommendations> {
        let config = model.config();
        if !is_recommender(model) {
            let found = format!("{}, {}", config.input.samples(), config.head.target());
            return Err(Error::NoRecommender { run: run.to_owned(), found });
        }
        let recommender = model.recommender(options.precision)?;
        let items = recommender.catalogue().len();
        let count = options.top.unwrap_or(COUNT.min(items));
        if !(1..=items).contains(&count) {
            let expected = format!("1 to {items}, the items of the catalogue");
            let found = count.to_string();
            return Err(fgn_nn::Error::Config { field: "--top", found, expected }.into());
        }
        Ok(Recommendations { recommender, count, exclude_seen: options.exclude_seen })
    }

    /// The item of that name, which may have spaces around it.
    pub(crate) fn item(&self, name: &str) -> Option<u32> {
        let catalogue = self.recommender.catalogue();
        catalogue.index(name).or_else(|| catalogue.index(name.trim()))
    }

    /// Reads the next item of a session.
    pub(crate) fn read(&mut self, history: &mut History, item: u32) -> Result<()> {
        self.recommender.read(&mut history.session, item)?;
        if self.exclude_seen {
            history.seen.insert(item);
        }
        Ok(())
    }

    /// The best items of a session, the best first: the most popular ones of a session without items. There are fewer
    /// than asked for where too many are left out.
    pub(crate) fn best(&mut self, history: &History) -> Result<Vec<Recommended<'_>>> {
        let is_left_out = |item| history.seen.contains(&item);
        let best = self.recommender.best(&history.session, self.count, is_left_out)?;
        let catalogue = self.recommender.catalogue();
        let named = |(item, score)| Recommended { item: catalogue.name(item), score };
        Ok(best.into_iter().map(named).collect())
    }
}
