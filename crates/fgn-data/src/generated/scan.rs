//! The SCAN commands and their action sequences, generated from the published grammar.
//!
//! Lake and Baroni, "Generalization without systematicity: On the compositional skills of
//! sequence-to-sequence recurrent networks", ICML 2018. The grammar is finite and gives
//! every command once, so that no file is needed.

use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The longest action sequence in the train part of [`Split::Length`].
const LONGEST_TRAINED: usize = 22;

/// The verbs with their actions. A turn has no action besides the turn itself.
const VERBS: [(&str, &[&str]); 5] = [
    ("walk", &["I_WALK"]),
    ("look", &["I_LOOK"]),
    ("run", &["I_RUN"]),
    ("jump", &["I_JUMP"]),
    ("turn", &[]),
];

/// The directions with their turns.
const DIRECTIONS: [(&str, &str); 2] = [("left", "I_TURN_LEFT"), ("right", "I_TURN_RIGHT")];

/// A command with the actions that carry it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// The words of the command, 1 to 9.
    pub(crate) command: Vec<&'static str>,
    /// The actions, 1 to 48.
    pub(crate) actions: Vec<&'static str>,
}

/// How the examples are split into a train and a test part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// At random: 80 % for training (16,728), the rest for the test (4,182).
    Simple {
        /// The seed of the draw.
        seed: u64,
    },
    /// By the number of actions: up to 22 for training (16,990), more for the test (3,920).
    Length,
    /// By the word "jump". The test part holds every command with this word except "jump" alone (7,706).
    /// The train part holds the rest, and in it "jump" is repeated until it is 10 % of all (14,670).
    AddJump,
}

/// All 20,910 examples, in the order of the grammar.
pub(crate) fn examples() -> Vec<Example> {
    let phrases = phrases();
    let mut examples = phrases.clone();
    for first in &phrases {
        for second in &phrases {
            examples.push(Example {
                command: [&first.command[..], &["and"], &second.command].concat(),
                actions: [&first.actions[..], &second.actions].concat(),
            });
            examples.push(Example {
                command: [&first.command[..], &["after"], &second.command].concat(),
                actions: [&second.actions[..], &first.actions].concat(),
            });
        }
    }
    examples
}

/// Splits the examples. Gives `(train, test)`.
pub(crate) fn split(split: Split) -> (Vec<Example>, Vec<Example>) {
    let mut examples = examples();
    match split {
        Split::Simple { seed } => {
            examples.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let test = examples.split_off(examples.len() / 5 * 4);
            (examples, test)
        }
        Split::Length => {
            examples.into_iter().partition(|example| example.actions.len() <= LONGEST_TRAINED)
        }
        Split::AddJump => {
            let (jumps, mut train): (Vec<_>, Vec<_>) =
                examples.into_iter().partition(|example| example.command.contains(&"jump"));
            let (alone, test): (Vec<_>, Vec<_>) =
                jumps.into_iter().partition(|example| example.command.len() == 1);
            let repeats = train.len() / 9;
            train.extend(alone.into_iter().cycle().take(repeats));
            (train, test)
        }
    }
}

/// The commands without "and" and "after": each verb phrase once, twice and thrice.
fn phrases() -> Vec<Example> {
    let mut phrases = Vec::new();
    for phrase in verb_phrases() {
        for (word, times) in [("twice", 2), ("thrice", 3)] {
            phrases.push(Example {
                command: [&phrase.command[..], &[word]].concat(),
                actions: phrase.actions.repeat(times),
            });
        }
        phrases.push(phrase);
    }
    phrases
}

/// The verbs, alone and with a direction.
fn verb_phrases() -> Vec<Example> {
    let mut phrases = Vec::new();
    for (verb, action) in VERBS {
        if !action.is_empty() {
            phrases.push(Example { command: vec![verb], actions: action.to_vec() });
        }
        for (direction, turn) in DIRECTIONS {
            let directed = [&[turn], action].concat();
            let opposite = [&[turn, turn], action].concat();
            let around = directed.repeat(4);
            phrases.extend([
                Example { command: vec![verb, direction], actions: directed },
                Example { command: vec![verb, "opposite", direction], actions: opposite },
                Example { command: vec![verb, "around", direction], actions: around },
            ]);
        }
    }
    phrases
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn words(text: &'static str) -> Vec<&'static str> {
        text.split_whitespace().collect()
    }

    fn commands(examples: &[Example]) -> HashSet<&[&'static str]> {
        examples.iter().map(|example| &example.command[..]).collect()
    }

    #[test]
    fn the_grammar_gives_every_command_once() {
        let examples = examples();
        assert_eq!(examples.len(), 20_910);
        assert_eq!(commands(&examples).len(), 20_910);
        assert_eq!(examples.iter().map(|example| example.command.len()).max(), Some(9));
        assert_eq!(examples.iter().map(|example| example.actions.len()).max(), Some(48));
        assert!(examples.iter().all(|example| !example.actions.is_empty()));
        let input: HashSet<_> = examples.iter().flat_map(|example| &example.command).collect();
        let output: HashSet<_> = examples.iter().flat_map(|example| &example.actions).collect();
        assert_eq!((input.len(), output.len()), (13, 6));
    }

    /// `<` and `>` are the turns to the left and to the right; the rest are the verbs' first letters.
    #[test]
    fn actions_follow_the_published_semantics() {
        let examples = examples();
        let actions: HashMap<_, _> =
            examples.iter().map(|example| (example.command.join(" "), &example.actions)).collect();
        let short = |action: &&str| match *action {
            "I_TURN_LEFT" => '<',
            "I_TURN_RIGHT" => '>',
            "I_WALK" => 'w',
            "I_LOOK" => 'l',
            "I_RUN" => 'r',
            "I_JUMP" => 'j',
            other => panic!("{other} is no action"),
        };
        for (command, expected) in [
            ("jump", "j"),
            ("jump left", "<j"),
            ("turn left twice", "<<"),
            ("turn right", ">"),
            ("jump thrice", "jjj"),
            ("jump around right", ">j>j>j>j"),
            ("turn opposite left thrice", "<<<<<<"),
            ("turn around right", ">>>>"),
            ("look opposite right twice", ">>l>>l"),
            ("jump opposite left and walk thrice", "<<jwww"),
            ("jump opposite left after walk around left", "<w<w<w<w<<j"),
            ("turn left after jump twice", "jj<"),
            ("run left twice after turn left twice", "<<<r<r"),
            ("walk and run", "wr"),
            ("walk after run", "rw"),
            ("turn around left twice and turn left twice", "<<<<<<<<<<"),
            ("walk around right twice after turn left thrice", "<<<>w>w>w>w>w>w>w>w"),
        ] {
            let found: String = actions[command].iter().map(short).collect();
            assert_eq!(found, expected, "{command}");
        }
        assert!(!actions.contains_key("turn"));
        assert!(!actions.contains_key("walk and run after look"));
    }

    #[test]
    fn the_simple_split_follows_from_its_seed() {
        let (train, test) = split(Split::Simple { seed: 1 });
        assert_eq!((train.len(), test.len()), (16_728, 4_182));
        assert!(commands(&train).is_disjoint(&commands(&test)));
        assert_eq!(split(Split::Simple { seed: 1 }), (train, test.clone()));
        assert_ne!(split(Split::Simple { seed: 2 }).1, test);
        // Another order would silently change every run that is repeated.
        assert_eq!(test[0].command, words(FIRST_TESTED));
    }
    const FIRST_TESTED: &str = "run opposite left after run opposite left";

    #[test]
    fn the_length_split_tests_the_longer_sequences() {
        let (train, test) = split(Split::Length);
        assert_eq!((train.len(), test.len()), (16_990, 3_920));
        assert_eq!(train.iter().map(|example| example.actions.len()).max(), Some(22));
        assert_eq!(test.iter().map(|example| example.actions.len()).min(), Some(24));
        assert_eq!(test.iter().map(|example| example.actions.len()).max(), Some(48));
    }

    #[test]
    fn the_jump_split_trains_on_jump_alone() {
        let (train, test) = split(Split::AddJump);
        assert_eq!((train.len(), test.len()), (14_670, 7_706));
        assert!(test.iter().all(|example| example.command.contains(&"jump")));
        assert!(test.iter().all(|example| example.command != ["jump"]));
        let (jumps, rest): (Vec<_>, Vec<_>) =
            train.into_iter().partition(|example| example.command.contains(&"jump"));
        assert_eq!(jumps.len(), 1_467);
        assert!(jumps.iter().all(|example| example.command == ["jump"]));
        assert_eq!(commands(&rest).len(), 13_203);
    }
}
