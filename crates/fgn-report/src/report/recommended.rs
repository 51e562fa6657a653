//! What a recommender recommends after each event of a few test sessions.

use candle_core::{DType, Device};
use fgn_data::Samples;
use fgn_schema::{Batch, Catalogue, IGNORED, Prediction, Ranking};
use fgn_train::{Learner, Pass};
use maud::{Markup, html};

use super::section::Section;
use super::subject::Subject;
use super::text::shortened;
use crate::error::Result;
use crate::grouped::grouped;

/// Sessions that are shown, events of each, and items that are recommended after an event.
const SESSIONS: u32 = 6;
const EVENTS: usize = 12;
const BEST: usize = 5;
/// Letters of a name.
const LETTERS: usize = 40;

pub(super) fn section<M: Learner>(of: &Subject<'_, M>, catalogue: &Catalogue) -> Result<Section> {
    let (id, title) = ("sessions", "Sessions");
    let test = &of.dataset.test;
    let shown = 0..SESSIONS.min(test.len() as u32);
    let sessions = shown.map(|index| Shown::read(of.model, test, index));
    let sessions: Vec<Shown> = sessions.filter_map(Result::transpose).collect::<Result<_>>()?;
    if sessions.is_empty() {
        let why = "The model's predictions are no ranking of items.";
        return Ok(Section::left_out(id, title, why));
    }
    let body = html! {
        p.hint {
            "What the model recommends after each event of a few test sessions, the best first, beside the item that came \
             next, which is bold, and its rank among all " (grouped(catalogue.len())) " items."
        }
        div.stack { @for session in &sessions { (session.figure(catalogue)) } }
    };
    Ok(Section { id, title, body })
}

/// The beginning of a test session.
#[derive(Debug)]
pub(super) struct Shown {
    title: String,
    pub(super) events: Vec<Event>,
    /// How many more there are.
    pub(super) more: usize,
}

/// An event, and what is recommended after it.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub(super) item: u32,
    /// The item that came next, where it counts.
    pub(super) next: Option<Next>,
}

/// The item that came next, beside what was recommended.
#[derive(Debug, PartialEq)]
pub(super) struct Next {
    pub(super) item: u32,
    /// 1 for the best of all items.
    pub(super) rank: u32,
    pub(super) best: Vec<u32>,
}

impl Shown {
    /// The first session of the sample at `index`; `None` for predictions of another kind.
    ///
    /// # Errors
    /// A sample that cannot be read, or that the model cannot read.
    pub(super) fn read<M: Learner>(
        model: &M,
        test: &dyn Samples,
        index: u32,
    ) -> Result<Option<Shown>> {
        let device = model.parameters().first().map(|(_, var)| var.device().clone());
        let sample = test.batch(&[index], &device.unwrap_or(Device::Cpu))?;
        let length = length(&sample)?;
        let steps = length.min(EVENTS);
        let input = sample.input().tensor().narrow(1, 0, steps)?;
        let target = sample.target().tensor().narrow(1, 0, steps)?;
        let (items, targets) = (input.get(0)?.to_vec1()?, target.get(0)?.to_vec1()?);
        let (batch, mut carried) = (Batch::new(input, target), Vec::new());
        let scored = model.forward(&batch, Pass::evaluation(&mut carried))?;
        let Some(Prediction::Ranking(ranking)) = scored.prediction else { return Ok(None) };
        let events = events(&items, &targets, &ranking)?;
        Ok(Some(Shown { title: test.title(index), events, more: length - steps }))
    }

    fn figure(&self, catalogue: &Catalogue) -> Markup {
        let name = |item: u32| shortened(catalogue.name(item), LETTERS);
        html! {
            figure {
                div.scroll tabindex="0" {
                    table.numbers {
                        thead { tr {
                            th scope="col" { "Item" }
                            th scope="col" { "Next" }
                            th scope="col" { "Rank" }
                            th scope="col" colspan=(BEST) { "Recommended" }
                        } }
                        tbody { @for event in &self.events { tr {
                            th scope="row" { (name(event.item)) }
                            @match &event.next {
                                None => { td { "–" } td { "–" } td colspan=(BEST) {} }
                                Some(Next { item, rank, best }) => {
                                    td { (name(*item)) }
                                    td { (grouped(*rank as usize)) }
                                    @for found in best {
                                        td { @if found == item { b { (name(*found)) } } @else { (name(*found)) } }
                                    }
                                }
                            }
                        } } }
                    }
                }
                figcaption {
                    (self.title)
                    @if self.more > 0 { "; " (grouped(self.more)) " more events are not shown" }
                }
            }
        }
    }
}

/// How many events the first session of a sample has.
fn length(sample: &Batch) -> Result<usize> {
    let input = sample.input();
    let all = input.tensor().dim(1)?;
    let all = input.lengths().and_then(|lengths| lengths.first().copied()).unwrap_or(all);
    let Some(resets) = sample.resets() else { return Ok(all) };
    let resets: Vec<u8> = resets.get(0)?.to_vec1()?;
    let next = resets.iter().skip(1).position(|&reset| reset != 0);
    Ok(next.map_or(all, |next| all.min(next + 1)))
}

/// The events of a session, each with its row of the ranking: only targets that count have one.
fn events(items: &[u32], targets: &[u32], ranking: &Ranking) -> Result<Vec<Event>> {
    let best = ranking.items().tensor().to_vec2::<u32>()?;
    let ranks = match ranking.targets() {
        Some(targets) => targets.ranks.to_dtype(DType::U32)?.to_vec1::<u32>()?,
        None => Vec::new(),
    };
    let mut rows = best.into_iter().zip(ranks);
    let event = |(&item, &target): (&u32, &u32)| {
        let row = if target == IGNORED { None } else { rows.next() };
        let next = row.map(|(mut best, rank)| {
            best.truncate(BEST);
            Next { item: target, rank, best }
        });
        Event { item, next }
    };
    Ok(items.iter().zip(targets).map(event).collect())
}
