//! Dialogues that book a table in a restaurant, simulated in the manner of the bAbI dialog tasks 1 and 2.
//!
//! Bordes, Boureau and Weston, "Learning end-to-end goal-oriented dialog", ICLR 2017. The user's phrases
//! are drawn at random. Each reply of the bot follows from the dialogue so far, so that a model can
//! predict all of them.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// What the user says to let the bot go on.
const SILENCE: &str = "<silence>";

const GREETINGS: [&str; 5] = ["hi", "hello", "good morning", "good evening", "hi there"];
const REQUESTS: [&str; 5] = [
    "may i have a table",
    "can you book a table",
    "i would like to book a table",
    "could you make a restaurant reservation",
    "please find me a restaurant",
];
const UPDATES: [&str; 4] = [
    "instead could it be",
    "actually i would prefer",
    "sorry i changed my mind make it",
    "i would rather have it",
];
const NOTHING_ELSE: [&str; 4] = ["no", "no thanks", "no that is all", "nothing else"];

const WELCOME: &str = "hello what can i help you with today";
const ON_IT: &str = "i am on it";
const LOOKING: &str = "ok let me look into some options for you";
const ANYTHING_ELSE: &str = "sure is there anything else to update";

/// A field of the call. In its phrases `{}` is the field's value.
struct Slot {
    question: &'static str,
    /// How requests and updates name the value.
    mentions: [&'static str; 2],
    /// How the user answers the question.
    answers: [&'static str; 3],
    seen: &'static [&'static str],
    out_of_vocabulary: &'static [&'static str],
}

const PARTY_SIZES: &[&str] = &["two", "four", "six", "eight"];
const PRICES: &[&str] = &["cheap", "moderate", "expensive"];

/// The fields, in the order of the call and of the bot's questions.
static SLOTS: [Slot; 4] = [
    Slot {
        question: "any preference on a type of cuisine",
        mentions: ["with {} food", "with {} cuisine"],
        answers: ["{} food please", "i love {} food", "with {} cuisine"],
        seen: &[
            "british",
            "cantonese",
            "french",
            "indian",
            "italian",
            "japanese",
            "korean",
            "spanish",
            "thai",
            "vietnamese",
        ],
        out_of_vocabulary: &[
            "brazilian",
            "ethiopian",
            "german",
            "greek",
            "lebanese",
            "mexican",
            "moroccan",
            "peruvian",
            "polish",
            "turkish",
        ],
    },
    Slot {
        question: "where should it be",
        mentions: ["in {}", "somewhere in {}"],
        answers: ["{} please", "in {}", "i am thinking of {}"],
        seen: &[
            "bangkok", "beijing", "hanoi", "london", "madrid", "mumbai", "paris", "rome", "seoul",
            "tokyo",
        ],
        out_of_vocabulary: &[
            "athens", "berlin", "cairo", "dublin", "istanbul", "lima", "lisbon", "oslo", "prague",
            "vienna",
        ],
    },
    Slot {
        question: "how many people would be in your party",
        mentions: ["for {}", "for {} people"],
        answers: ["we will be {}", "for {} please", "{} people"],
        seen: PARTY_SIZES,
        out_of_vocabulary: PARTY_SIZES,
    },
    Slot {
        question: "which price range are you looking for",
        mentions: ["in the {} price range", "with {} prices"],
        answers: ["{} please", "something {}", "the {} price range please"],
        seen: PRICES,
        out_of_vocabulary: PRICES,
    },
];

/// Which cuisines and cities the dialogues speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Ten cuisines and ten cities, for training and the first test.
    Seen,
    /// Ten other cuisines and ten other cities, for a test with words that training lacks.
    OutOfVocabulary,
}

impl Vocabulary {
    fn values(self, slot: &Slot) -> &'static [&'static str] {
        match self {
            Vocabulary::Seen => slot.seen,
            Vocabulary::OutOfVocabulary => slot.out_of_vocabulary,
        }
    }
}

/// One utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// `"user"` or `"bot"`.
    pub(crate) speaker: &'static str,
    /// Lower-case words with single spaces between them, without punctuation. The user's `<silence>`
    /// lets the bot go on.
    pub(crate) text: String,
}

/// A dialogue. User and bot take turns; the user begins, and the bot's last call ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialogue {
    /// The utterances in order.
    pub(crate) turns: Vec<Turn>,
}

impl Dialogue {
    fn exchange(&mut self, user: impl Into<String>, bot: impl Into<String>) {
        self.turns.push(Turn { speaker: "user", text: user.into() });
        self.turns.push(Turn { speaker: "bot", text: bot.into() });
    }
}

/// Simulates `count` dialogues. They follow from `seed`, and a larger `count` begins with the same ones.
///
/// The user greets the bot and asks for a table. The bot asks for each of cuisine, location, party size
/// and price that the request lacks, then issues `api_call CUISINE LOCATION NUMBER PRICE`. In half of the
/// dialogues the user then changes one or two of them, and the bot issues a second call.
pub(crate) fn dialogues(seed: u64, count: usize, vocabulary: Vocabulary) -> Vec<Dialogue> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| dialogue(&mut rng, vocabulary)).collect()
}

fn dialogue(rng: &mut ChaCha8Rng, vocabulary: Vocabulary) -> Dialogue {
    let mut dialogue = Dialogue::default();
    let mut goal = [""; SLOTS.len()];
    for (value, slot) in goal.iter_mut().zip(&SLOTS) {
        *value = pick(rng, vocabulary.values(slot));
    }
    let stated: [bool; SLOTS.len()] = rng.random();
    dialogue.exchange(pick(rng, &GREETINGS), WELCOME);
    dialogue.exchange(request(rng, goal, stated), ON_IT);
    let mut user = SILENCE.to_owned();
    for (at, slot) in SLOTS.iter().enumerate().filter(|&(at, _)| !stated[at]) {
        dialogue.exchange(user, slot.question);
        user = fill(pick(rng, &slot.answers), goal[at]);
    }
    dialogue.exchange(user, LOOKING);
    dialogue.exchange(SILENCE, call(goal));
    if rng.random() {
        update(rng, vocabulary, goal, &mut dialogue);
    }
    dialogue
}

/// Asks for a table, and names the values that are `stated` in any order.
fn request(rng: &mut ChaCha8Rng, goal: [&str; SLOTS.len()], stated: [bool; SLOTS.len()]) -> String {
    let mut mentions = Vec::new();
    for (at, slot) in SLOTS.iter().enumerate().filter(|&(at, _)| stated[at]) {
        mentions.push(fill(pick(rng, &slot.mentions), goal[at]));
    }
    mentions.shuffle(rng);
    mentions.insert(0, pick(rng, &REQUESTS).to_owned());
    mentions.join(" ")
}

/// Changes one or two values of the `goal`, until the second call.
fn update(
    rng: &mut ChaCha8Rng,
    vocabulary: Vocabulary,
    mut goal: [&'static str; SLOTS.len()],
    dialogue: &mut Dialogue,
) {
    let mut order: [usize; SLOTS.len()] = std::array::from_fn(|at| at);
    order.shuffle(rng);
    let changes = rng.random_range(1..=2);
    for at in order.into_iter().take(changes) {
        let slot = &SLOTS[at];
        let mut others = vocabulary.values(slot).to_vec();
        others.retain(|value| *value != goal[at]);
        goal[at] = pick(rng, &others);
        let mention = fill(pick(rng, &slot.mentions), goal[at]);
        dialogue.exchange(format!("{} {mention}", pick(rng, &UPDATES)), ANYTHING_ELSE);
    }
    dialogue.exchange(pick(rng, &NOTHING_ELSE), LOOKING);
    dialogue.exchange(SILENCE, call(goal));
}

fn call(goal: [&str; SLOTS.len()]) -> String {
    format!("api_call {}", goal.join(" "))
}

fn fill(template: &str, value: &str) -> String {
    template.replace("{}", value)
}

/// Draws one of `options`, which are not empty.
fn pick(rng: &mut ChaCha8Rng, options: &[&'static str]) -> &'static str {
    options[rng.random_range(0..options.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    const BOTH: [Vocabulary; 2] = [Vocabulary::Seen, Vocabulary::OutOfVocabulary];

    fn lines(dialogue: &Dialogue) -> Vec<&str> {
        dialogue.turns.iter().map(|turn| turn.text.as_str()).collect()
    }

    /// The bot, written again: it reads the user's words one by one and knows no templates.
    fn reply(user: &[&str], vocabulary: Vocabulary) -> String {
        let mut goal = [None; SLOTS.len()];
        let mut calls = 0;
        let mut announced = false;
        let mut reply = String::new();
        for (time, text) in user.iter().enumerate() {
            for word in text.split(' ') {
                let known = |slot: &Slot| vocabulary.values(slot).contains(&word);
                if let Some(at) = SLOTS.iter().position(known) {
                    goal[at] = Some(word);
                }
            }
            let missing = goal.iter().position(Option::is_none);
            reply = match (time, missing) {
                (0, _) => WELCOME.to_owned(),
                (1, _) => ON_IT.to_owned(),
                (_, Some(missing)) => SLOTS[missing].question.to_owned(),
                _ if announced => format!("api_call {}", goal.map(Option::unwrap).join(" ")),
                _ if calls == 0 || text.starts_with("no") => LOOKING.to_owned(),
                _ => ANYTHING_ELSE.to_owned(),
            };
            announced = reply == LOOKING;
            calls += usize::from(reply.starts_with("api_call"));
        }
        reply
    }

    #[test]
    fn a_second_reading_predicts_every_reply() {
        for vocabulary in BOTH {
            for dialogue in dialogues(3, 10_000, vocabulary) {
                let user: Vec<_> = lines(&dialogue).into_iter().step_by(2).collect();
                for (at, turn) in dialogue.turns.iter().skip(1).step_by(2).enumerate() {
                    assert_eq!(turn.text, reply(&user[..=at], vocabulary), "{:?}", &user[..=at]);
                }
            }
        }
    }

    #[test]
    fn the_same_history_always_gets_the_same_reply() {
        let mut replies = HashMap::new();
        let mut repeated = 0;
        for dialogue in dialogues(5, 20_000, Vocabulary::Seen) {
            let mut history = DefaultHasher::new();
            for pair in dialogue.turns.chunks(2) {
                pair[0].text.hash(&mut history);
                let reply = pair[1].text.clone();
                if let Some(before) = replies.insert(history.finish(), reply) {
                    assert_eq!(before, pair[1].text, "{dialogue:?}");
                    repeated += 1;
                }
                pair[1].text.hash(&mut history);
            }
        }
        assert!(repeated > 30_000, "only {repeated} histories were repeated");
    }

    #[test]
    fn a_dialogue_ends_with_its_first_or_second_call() {
        let mut updates = [0; 3];
        for dialogue in dialogues(7, 4_000, Vocabulary::Seen) {
            for (at, turn) in dialogue.turns.iter().enumerate() {
                assert_eq!(turn.speaker, ["user", "bot"][at % 2]);
                let plain = |c: char| c.is_ascii_lowercase() || " _<>".contains(c);
                assert!(turn.text.chars().all(plain), "{}", turn.text);
                assert!(turn.text.split(' ').all(|word| !word.is_empty()), "{}", turn.text);
            }
            let lines = lines(&dialogue);
            let calls: Vec<_> = lines.iter().filter(|line| line.starts_with("api_call")).collect();
            let changes = lines.iter().filter(|line| **line == ANYTHING_ELSE).count();
            assert_eq!(lines.last(), calls.last().copied());
            assert_eq!(calls.len(), 1 + usize::from(changes > 0));
            let pairs = calls[0].split(' ').zip(calls[calls.len() - 1].split(' '));
            assert_eq!(pairs.filter(|(before, after)| before != after).count(), changes);
            updates[changes] += 1;
        }
        assert!((1_900..2_100).contains(&updates[0]), "{updates:?}");
        assert!(updates[1] > 900 && updates[2] > 900, "{updates:?}");
    }

    #[test]
    fn dialogues_follow_from_their_seed() {
        let first = dialogues(1, 100, Vocabulary::Seen);
        assert_eq!(first, dialogues(1, 300, Vocabulary::Seen)[..100]);
        assert_ne!(first, dialogues(2, 100, Vocabulary::Seen));
        assert!(dialogues(1, 0, Vocabulary::Seen).is_empty());
        // Other draws would silently change every run that is repeated.
        assert_eq!(lines(&first[0]), GOLDEN);
    }
    const GOLDEN: [&str; 20] = [
        "hi there",
        "hello what can i help you with today",
        "please find me a restaurant in madrid",
        "i am on it",
        "<silence>",
        "any preference on a type of cuisine",
        "with japanese cuisine",
        "how many people would be in your party",
        "for eight please",
        "which price range are you looking for",
        "something cheap",
        "ok let me look into some options for you",
        "<silence>",
        "api_call japanese madrid eight cheap",
        "sorry i changed my mind make it for six",
        "sure is there anything else to update",
        "no",
        "ok let me look into some options for you",
        "<silence>",
        "api_call japanese madrid six cheap",
    ];

    #[test]
    fn every_phrase_occurs() {
        let all = dialogues(9, 2_000, Vocabulary::Seen);
        let text: Vec<_> = all.iter().flat_map(lines).collect();
        let phrases = [&GREETINGS[..], &REQUESTS, &UPDATES, &NOTHING_ELSE].concat();
        let templates = SLOTS.iter().flat_map(|slot| [&slot.mentions[..], &slot.answers].concat());
        for phrase in phrases.into_iter().chain(templates) {
            let parts: Vec<_> = phrase.split("{}").collect();
            let holds = |line: &&str| parts.iter().all(|part| line.contains(part));
            assert!(text.iter().any(holds), "{phrase}");
        }
    }

    #[test]
    fn the_two_vocabularies_share_only_sizes_and_prices() {
        let words = |vocabulary| -> HashSet<String> {
            let all = dialogues(11, 1_000, vocabulary);
            let words = all.iter().flat_map(lines).flat_map(|line| line.split(' '));
            words.map(str::to_owned).collect()
        };
        let [seen, other] = BOTH.map(words);
        for (slot, counts) in SLOTS.iter().zip([10, 10, 4, 3]) {
            let distinct: HashSet<_> = slot.seen.iter().collect();
            assert_eq!((distinct.len(), slot.out_of_vocabulary.len()), (counts, counts));
        }
        let mut new: Vec<_> = other.difference(&seen).map(String::as_str).collect();
        new.sort_unstable();
        let mut expected = [SLOTS[0].out_of_vocabulary, SLOTS[1].out_of_vocabulary].concat();
        expected.sort_unstable();
        assert_eq!(new, expected);
        assert_eq!(seen.difference(&other).count(), 20);
    }
}
