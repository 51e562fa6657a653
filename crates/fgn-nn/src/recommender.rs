//! Recommending items, one event of a session after the other.

use candle_core::{DType, Tensor};
use fgn_kernels::Precision;
use fgn_schema::{Catalogue, InputSchema, TargetSchema};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::recurrent::Stream;
use crate::scorer::Scorer;
use crate::top::top;

/// Recommends what comes next in sessions, event by event: for each event one step of the recurrent layer, and the best
/// of all items without sorting them. Made by [`Model::recommender`].
///
/// The sessions are the caller's: a [`Session`] holds the state of one, a few kilobytes. One recommender serves as many
/// as there are.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::fgn_schema::Catalogue;
/// use fgn_nn::{Embedding, Model, ModelConfig, NextItem, Precision, RecurrentConfig};
///
/// let items = Catalogue::new(vec!["tea".into(), "milk".into(), "cup".into()], vec![7, 5, 1])?;
/// let recurrent = RecurrentConfig::new(AnyCell::GRU, 16);
/// let config = ModelConfig::new(Embedding::new(3, 8), recurrent, NextItem::new(items.clone()));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// let mut recommender = model.recommender(Precision::F32)?;
/// let mut session = recommender.session();
/// // Nothing is known yet: the most popular items.
/// assert_eq!(recommender.best(&session, 2, |_| false)?[0].0, 0);
/// recommender.read(&mut session, items.index("cup").unwrap())?;
/// // The two best items that are not in the session.
/// let best = recommender.best(&session, 2, |item| item == 2)?;
/// assert_eq!(best.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recommender {
    catalogue: Catalogue,
    stream: Stream,
    /// The features of each item, `[V, I]`.
    features: Vec<f32>,
    scorer: Scorer,
    /// The output of the recurrent layer after an event.
    output: Vec<f32>,
    scores: Vec<f32>,
}

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// The states of all layers after the last event; empty before the first.
    states: Vec<f32>,
    /// What the items' vectors are multiplied by.
    output: Vec<f32>,
}

impl Session {
    /// Whether it has no events yet.
    pub fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.states[..]) + size_of_val(&self.output[..]) + size_of::<Session>()
    }
}

impl Model {
    /// A recommender with the model's present parameters, on the CPU: the weights of the recurrent layer and the items'
    /// vectors are held in that precision.
    ///
    /// # Errors
    /// [`Error::Config`] unless the model reads items, in one direction, and predicts the next one by a
    /// [`NextItem`](crate::NextItem) head; [`Error::Candle`] if its parameters are not in `f32` on the CPU.
    pub fn recommender(&self, precision: Precision) -> Result<Recommender> {
        let (input, target) = (self.config().input.samples(), self.config().head.target());
        let (TargetSchema::NextItem { catalogue }, InputSchema::Tokens { vocabulary, .. }) =
            (&target, &input)
        else {
            return Err(not_items(format!("{input}, {target}")));
        };
        let Some(scorer) = self.head().scorer(precision)? else {
            return Err(not_items(format!("head {:?}", self.config().head.kind())));
        };
        if *vocabulary != catalogue.len() {
            return Err(not_items(format!("{vocabulary} items, the next of {}", catalogue.len())));
        }
        let items: Vec<u32> = (0..catalogue.len() as u32).collect();
        let items = Tensor::from_vec(items, (catalogue.len(), 1), self.device())?;
        let features = self.features(&items)?.tensor().flatten_all()?.to_dtype(DType::F32)?;
        Ok(Recommender {
            catalogue: catalogue.clone(),
            stream: self.recurrent().stream_weights(precision)?.stream(1, 1)?,
            features: features.to_vec1()?,
            scorer,
            output: vec![0.0; self.config().recurrent.output_size()],
            scores: Vec::new(),
        })
    }
}

fn not_items(found: String) -> Error {
    let expected = "items, and the next of as many".to_owned();
    Error::Config { field: "a recommender", found, expected }
}

impl Recommender {
    /// The items.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// A session without events.
    pub fn session(&self) -> Session {
        Session::default()
    }

    /// Reads the next event of a session.
    ///
    /// # Errors
    /// [`Error::Token`] for an item that is not in the catalogue, and [`Error::Shape`] or [`Error::Candle`] for a session of
    /// another model; then the session is as before.
    pub fn read(&mut self, session: &mut Session, item: u32) -> Result<()> {
        let size = self.features.len() / self.catalogue.len();
        let (at, last) = (item as usize, self.catalogue.len() - 1);
        let Some(features) = self.features.get(at * size..(at + 1) * size) else {
            return Err(Error::Token { found: item, last });
        };
        match session.states.is_empty() {
            true => self.stream.reset(0)?,
            false => self.stream.set_numbers(&session.states)?,
        }
        self.stream.step(features, &mut self.output)?;
        self.stream.numbers(&mut session.states)?;
        self.scorer.project(&self.output, &mut session.output)
    }

    /// The `count` best items to come next in a session, the best first, with their scores: unnormalised log-probabilities.
    /// Items for which `is_left_out` holds are left out. Before the first event these are the most popular items, with
    /// their shares of all events of the training.
    ///
    /// # Errors
    /// [`Error::Candle`] for a session of another model.
    pub fn best(
        &mut self,
        session: &Session,
        count: usize,
        is_left_out: impl Fn(u32) -> bool,
    ) -> Result<Vec<(u32, f32)>> {
        if session.is_empty() {
            let counts = self.catalogue.counts();
            let total = counts.iter().sum::<u64>().max(1) as f64;
            self.scores.clear();
            self.scores.extend(counts.iter().map(|&count| (count as f64 / total) as f32));
        } else {
            self.scorer.scores(&session.output, &mut self.scores)?;
        }
        Ok(top(&self.scores, count, is_left_out))
    }

    /// How many bytes an event and its best items read: of weights and of the items' vectors.
    pub fn bytes(&self) -> [usize; 2] {
        [self.stream.bytes(), self.scorer.bytes()]
    }
}
