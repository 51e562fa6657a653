//! Sessions of customers of a shop, drawn from rules that are known: so is the best that any model can reach.
//!
//! The shop has 300 items in 10 categories. Categories, and the items of one, are popular by a law of Zipf's kind. Each
//! item has 5 companions, items of any category that are taken together with it. What follows in a session depends on its
//! first item and on the current one: a Markov chain forgets the first.

use fgn_schema::Catalogue;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::sampling::generator;

const CATEGORIES: usize = 10;
/// The items of a category.
const SIZE: usize = 30;
const ITEMS: usize = CATEGORIES * SIZE;

/// The companions of an item.
const COMPANIONS: usize = 5;
/// How much more often a companion is taken than the next one.
const DECAY: f64 = 0.7;

/// Where the next item comes from: the companions of the current item, those of the first one, the category of the
/// first one, and the whole shop.
const SOURCES: [f64; 4] = [0.45, 0.25, 0.2, 0.1];

/// The fewest and the most items of a session, and how often one ends after each item from the second on.
const SHORTEST: usize = 2;
const LONGEST: usize = 20;
const ENDS: f64 = 0.2;

/// The shop of the data set `shop`. Its sessions follow known rules, so that a model can be compared with the best
/// possible one.
///
/// The first item of a session is any one, by popularity. Each further item is with probability
///
/// - 0.45 a companion of the current item;
/// - 0.25 a companion of the session's first item;
/// - 0.2 an item of the first item's category, by popularity;
/// - 0.1 any item, by popularity.
///
/// Sessions have 2 to 20 items, about 6 on average, whatever the items are.
///
/// ```
/// use fgn_data::{Shop, TargetSchema, open};
///
/// let data = open("shop")?;
/// let TargetSchema::NextItem { catalogue } = &data.train.schema().target else { panic!() };
/// // Which items follow a session of two items, the most probable first: no model ranks better.
/// let probabilities = Shop::new().probabilities(catalogue, &[7, 3]);
/// let mut ranking: Vec<usize> = (0..catalogue.len()).collect();
/// ranking.sort_by(|&one, &other| probabilities[other].total_cmp(&probabilities[one]));
/// assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
/// assert!(ranking[..20].iter().map(|&item| probabilities[item]).sum::<f64>() > 0.7);
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shop {
    /// The probabilities of the categories, of the items in each, and of the companions of each item.
    categories: Vec<f64>,
    ranks: Vec<f64>,
    weights: Vec<f64>,
    /// The companions of each item.
    companions: Vec<[usize; COMPANIONS]>,
}

impl Default for Shop {
    fn default() -> Self {
        Shop::new()
    }
}

impl Shop {
    /// The name of the data set.
    pub const NAME: &'static str = "shop";

    /// The shop: there is one.
    pub fn new() -> Shop {
        let mut random = generator(*b"the shop", 0, 0);
        let mut companions = vec![[0; COMPANIONS]; ITEMS];
        // Every item is as often a companion as any other.
        for at in 0..COMPANIONS {
            let mut items: Vec<usize> = (0..ITEMS).collect();
            items.shuffle(&mut random);
            companions.iter_mut().zip(items).for_each(|(of, item)| of[at] = item);
        }
        // Popularity falls with the root of the rank, so that all items are taken often enough to be known.
        let zipf =
            |count: usize| normalised((1..=count).map(|rank| (rank as f64).powf(-0.5)).collect());
        let mut weights = vec![1.0];
        while let Some(last) = weights.last().filter(|_| weights.len() < COMPANIONS) {
            weights.push(last * DECAY);
        }
        Shop {
            categories: zipf(CATEGORIES),
            ranks: zipf(SIZE),
            weights: normalised(weights),
            companions,
        }
    }

    /// The probability of each item of `catalogue` to follow the items of `history`, the oldest first; without a history,
    /// to begin a session. Items are known by their indices in the catalogue. The probabilities of all 300 items of
    /// the shop add up to 1. An item of the catalogue that the shop lacks has probability 0, and one of the history
    /// adds nothing to that of others.
    pub fn probabilities(&self, catalogue: &Catalogue, history: &[u32]) -> Vec<f64> {
        let of_shop = match (history.first(), history.last()) {
            (Some(&first), Some(&current)) => {
                self.next(item(catalogue.name(first)), item(catalogue.name(current)))
            }
            _ => (0..ITEMS).map(|item| self.popularity(item)).collect(),
        };
        let names = catalogue.names().iter();
        names.map(|name| item(name).map_or(0.0, |item| of_shop[item])).collect()
    }

    /// The probability of each item to follow in a session that began with an item.
    fn next(&self, first: Option<usize>, current: Option<usize>) -> Vec<f64> {
        let mut all: Vec<f64> = (0..ITEMS).map(|item| SOURCES[3] * self.popularity(item)).collect();
        for (item, source) in [(current, SOURCES[0]), (first, SOURCES[1])] {
            let companions = item.into_iter().flat_map(|item| self.companions[item]);
            companions.zip(&self.weights).for_each(|(item, weight)| all[item] += source * weight);
        }
        if let Some(first) = first {
            let category = &mut all[first / SIZE * SIZE..][..SIZE];
            category
                .iter_mut()
                .zip(&self.ranks)
                .for_each(|(item, rank)| *item += SOURCES[2] * rank);
        }
        all
    }

    fn popularity(&self, item: usize) -> f64 {
        self.categories[item / SIZE] * self.ranks[item % SIZE]
    }

    /// So many sessions, which follow from the seed.
    pub(super) fn sessions(&self, seed: u64, count: usize) -> Vec<Vec<usize>> {
        let mut random = generator(*b"sessions", seed, 0);
        (0..count).map(|_| self.session(&mut random)).collect()
    }

    fn session(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let mut length = SHORTEST;
        while length < LONGEST && random.random::<f64>() >= ENDS {
            length += 1;
        }
        let mut session = vec![self.any(random)];
        while session.len() < length {
            let next = self.draw(session[0], session[session.len() - 1], random);
            session.push(next);
        }
        session
    }

    /// Draws the item that follows.
    fn draw(&self, first: usize, current: usize, random: &mut ChaCha8Rng) -> usize {
        match pick(&SOURCES, random) {
            0 => self.companions[current][pick(&self.weights, random)],
            1 => self.companions[first][pick(&self.weights, random)],
            2 => first / SIZE * SIZE + pick(&self.ranks, random),
            _ => self.any(random),
        }
    }

    /// Draws an item by popularity.
    fn any(&self, random: &mut ChaCha8Rng) -> usize {
        pick(&self.categories, random) * SIZE + pick(&self.ranks, random)
    }
}

/// What an item is called: its category, and its rank there: `07-12`.
pub(super) fn name(item: usize) -> String {
    format!("{:02}-{:02}", item / SIZE, item % SIZE)
}

/// The item of that name.
fn item(name: &str) -> Option<usize> {
    let (category, rank) = name.split_once('-').filter(|_| name.len() == 5)?;
    let below = |text: &str, end: usize| text.parse().ok().filter(|&number: &usize| number < end);
    Some(below(category, CATEGORIES)? * SIZE + below(rank, SIZE)?)
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Draws an index by probabilities that add up to 1.
fn pick(probabilities: &[f64], random: &mut ChaCha8Rng) -> usize {
    let mut left = random.random::<f64>();
    let found = probabilities.iter().position(|probability| {
        left -= probability;
        left < 0.0
    });
    // Of rounding the last one has what is left.
    found.unwrap_or(probabilities.len() - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use fgn_schema::TargetSchema;

    use super::*;
    use crate::registry::open;

    /// How many of the best items count.
    const K: usize = 20;

    /// Whether `target` is one of the `K` items of the largest scores; of equal scores the first come first.
    fn is_found(scores: &[f64], target: usize) -> bool {
        let is_before = |(item, &score): (usize, &f64)| {
            score > scores[target] || (score == scores[target] && item < target)
        };
        scores.iter().enumerate().filter(|&score| is_before(score)).count() < K
    }

    /// The steps of sessions: the first item, the current one, and the next.
    fn steps(sessions: &[Vec<usize>]) -> Vec<[usize; 3]> {
        let of = |session: &Vec<usize>| {
            let pairs = session.windows(2).map(|pair| [session[0], pair[0], pair[1]]);
            pairs.collect::<Vec<_>>()
        };
        sessions.iter().flat_map(of).collect()
    }

    #[test]
    fn names_are_found_again() {
        assert!((0..ITEMS).all(|index| item(&name(index)) == Some(index)));
        for stranger in ["", "7-12", "10-00", "00-30", "ab-cd", "00000", "+1-01x"] {
            assert_eq!(item(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn sessions_follow_from_the_seed_and_have_the_length_that_is_said() {
        let shop = Shop::new();
        let sessions = shop.sessions(1, 20_000);
        assert_eq!(shop.sessions(1, 3), sessions[..3]);
        assert_ne!(shop.sessions(2, 3), sessions[..3]);
        // Other draws would silently change every run that is repeated.
        assert_eq!(sessions[0], FIRST);
        assert!(sessions.iter().all(|session| (SHORTEST..=LONGEST).contains(&session.len())));
        let mean = sessions.iter().map(Vec::len).sum::<usize>() as f64 / sessions.len() as f64;
        assert!((mean - 5.93).abs() < 0.1, "{mean}");
    }
    const FIRST: [usize; 9] = [254, 54, 140, 140, 257, 246, 268, 158, 247];

    /// Pearson's test: of draws of a session's next item, each expected 10 times or more, the rest together.
    #[test]
    fn what_is_drawn_agrees_with_the_probabilities() {
        let shop = Shop::new();
        let mut random = generator(*b"drawing.", 1, 0);
        const DRAWS: usize = 100_000;
        for (first, current) in [(0, 0), (234, 77), (299, 50)] {
            let mut counts = vec![0.0; ITEMS];
            (0..DRAWS).for_each(|_| counts[shop.draw(first, current, &mut random)] += 1.0);
            let expected = shop.next(Some(first), Some(current));
            assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let (mut squares, mut cells, mut rest) = (0.0, 0.0, [0.0; 2]);
            for (count, probability) in counts.into_iter().zip(expected) {
                let mean = probability * DRAWS as f64;
                if mean >= 10.0 {
                    squares += (count - mean) * (count - mean) / mean;
                    cells += 1.0;
                } else {
                    rest = [rest[0] + count, rest[1] + mean];
                }
            }
            if rest[1] > 0.0 {
                squares += (rest[0] - rest[1]).powi(2) / rest[1];
            }
            // The mean of the statistic is `cells`, and its variance twice that.
            let sigmas = (squares - cells) / (2.0_f64 * cells).sqrt();
            assert!(sigmas.abs() < 4.0, "{first}, {current}: {sigmas} of {cells} cells");
        }
    }

    /// What a model can reach at best, and what those reach that ignore the session, or all of it but the last item.
    #[test]
    fn the_best_ranking_needs_the_whole_session() {
        let shop = Shop::new();
        let mut counts = vec![0.0; ITEMS];
        shop.sessions(1, 20_000).iter().flatten().for_each(|&item| counts[item] += 1.0);
        let mut pairs: HashMap<(usize, usize), Vec<f64>> = HashMap::new();
        let mut found = [0.0; 3];
        let steps = steps(&shop.sessions(3, 4_000));
        for &[first, current, next] in &steps {
            let best = pairs
                .entry((first, current))
                .or_insert_with(|| shop.next(Some(first), Some(current)));
            found[0] += f64::from(u8::from(is_found(best, next)));
            found[1] += f64::from(u8::from(is_found(&counts, next)));
            let chain = shop.next(None, Some(current));
            found[2] += f64::from(u8::from(is_found(&chain, next)));
        }
        let [best, popular, chain] = found.map(|found| found / steps.len() as f64);
        println!(
            "recall@{K}: {best:.4} at best, {popular:.4} of the most popular, {chain:.4} of a chain"
        );
        assert!(best > chain + 0.15 && chain > popular + 0.3, "{best} {chain} {popular}");
    }

    #[test]
    fn probabilities_are_those_of_the_catalogue() {
        let data = open("shop").unwrap();
        let TargetSchema::NextItem { catalogue } = &data.train.schema().target else {
            panic!("another target");
        };
        assert_eq!(catalogue.len(), ITEMS);
        assert!(catalogue.counts().is_sorted_by(|one, other| one >= other));
        let shop = Shop::new();
        for history in [&[][..], &[5], &[299, 0, 3]] {
            let found = shop.probabilities(catalogue, history);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let of = |at: Option<&u32>| at.and_then(|&at| item(catalogue.name(at)));
            let expected = match history {
                [] => (0..ITEMS).map(|item| shop.popularity(item)).collect(),
                _ => shop.next(of(history.first()), of(history.last())),
            };
            for (index, probability) in (0..).zip(found) {
                assert_eq!(probability, expected[item(catalogue.name(index)).unwrap()]);
            }
        }
        let strangers = Catalogue::new(vec!["tea".into(), "00-00".into()], vec![1, 1]).unwrap();
        let found = shop.probabilities(&strangers, &[0, 9]);
        assert_eq!(found, [0.0, SOURCES[3] * shop.popularity(0)]);
    }
}
