//! The embedded Reber grammar (Reber 1967; Cleeremans, Servan-Schreiber & McClelland 1989) as a machine that writes
//! string after string.
//!
//! A string is `B`, `T` or `P`, a string of the Reber grammar, the same `T` or `P` again, and `E`. A string of the Reber
//! grammar begins with `B` at node 0 and ends with `E` from node 5. The arcs between the nodes are
//!
//! ```text
//! 0: T -> 1, P -> 2    1: S -> 1, X -> 3    2: T -> 2, V -> 4    3: S -> 5, X -> 2    4: P -> 3, V -> 5
//! ```

/// The symbols. A symbol is its index.
pub(super) const SYMBOLS: [&str; 7] = ["B", "T", "P", "S", "X", "V", "E"];
const B: u32 = 0;
const T: u32 = 1;
const P: u32 = 2;
const S: u32 = 3;
const X: u32 = 4;
const V: u32 = 5;
const E: u32 = 6;

/// The sets of symbols that can be next, and their names. A set is its index.
pub(super) const SETS: [(&str, [u32; 2]); 8] = [
    ("B", [B, B]),
    ("T", [T, T]),
    ("P", [P, P]),
    ("E", [E, E]),
    ("T P", [T, P]),
    ("S X", [S, X]),
    ("T V", [T, V]),
    ("P V", [P, V]),
];

/// What leads from each node of the Reber grammar: a symbol, and the node behind it.
const INNER: [[(u32, usize); 2]; 5] =
    [[(T, 1), (P, 2)], [(S, 1), (X, 3)], [(T, 2), (V, 4)], [(S, END), (X, 2)], [(P, 3), (V, END)]];

/// The node from which `E` leads out.
const END: usize = 5;

/// Where in a string the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Before a string.
    Start,
    /// After its `B`.
    Begun,
    /// After the `T` or `P` that comes again.
    Chosen(u32),
    /// At a node of the Reber grammar.
    Inner(u32, usize),
    /// After the string of the Reber grammar.
    Left(u32),
    /// Before the last `E`.
    Closing,
}

impl State {
    /// The symbols that can be next, each as probable as the other, with the state behind it; twice the same where there
    /// is one.
    pub(super) fn arcs(self) -> [(u32, State); 2] {
        let one = |symbol, state| [(symbol, state); 2];
        match self {
            State::Start => one(B, State::Begun),
            State::Begun => [T, P].map(|chosen| (chosen, State::Chosen(chosen))),
            State::Chosen(chosen) => one(B, State::Inner(chosen, 0)),
            State::Inner(chosen, node) => match INNER.get(node) {
                Some(arcs) => arcs.map(|(symbol, node)| (symbol, State::Inner(chosen, node))),
                None => one(E, State::Left(chosen)),
            },
            State::Left(chosen) => one(chosen, State::Closing),
            State::Closing => one(E, State::Start),
        }
    }

    /// Which of [`SETS`] can be next.
    pub(super) fn set(self) -> u32 {
        let symbols = self.arcs().map(|(symbol, _)| symbol);
        // Every state has one of them: a test goes through all.
        SETS.iter().position(|(_, set)| *set == symbols).unwrap_or_default() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_set_of_its_own_symbols() {
        let mut states = vec![State::Start];
        let mut at = 0;
        while at < states.len() {
            let state = states[at];
            let (name, set) = SETS[state.set() as usize];
            assert_eq!(state.arcs().map(|(symbol, _)| symbol), set, "{state:?}");
            let mut symbols = set.map(|symbol| SYMBOLS[symbol as usize]).to_vec();
            symbols.dedup();
            assert_eq!(symbols.join(" "), name);
            for (_, next) in state.arcs() {
                if !states.contains(&next) {
                    states.push(next);
                }
            }
            at += 1;
        }
        // Three outside of both branches; in each branch six nodes, a state before them and one behind.
        assert_eq!(states.len(), 3 + 2 * 8);
        let mut sets: Vec<u32> = states.iter().map(|state| state.set()).collect();
        sets.sort_unstable();
        sets.dedup();
        assert_eq!(sets.len(), SETS.len(), "every set is that of some state");
    }
}
