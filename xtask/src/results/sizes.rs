//! Hidden sizes that give different cells the same number of parameters.

/// How many weights a unit of a cell has: `input` weights for each feature that the cell reads, `recurrent` ones for each
/// hidden unit, and `single` others, which are biases and vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Blocks {
    pub(super) input: u64,
    pub(super) recurrent: u64,
    pub(super) single: u64,
}

/// What a layer reads, and what a linear head makes of its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ends {
    pub(super) features: u64,
    pub(super) outputs: u64,
}

impl Blocks {
    /// The parameters of a layer of `hidden` units and its head, without those that do not depend on the units.
    pub(super) fn parameters(self, ends: Ends, hidden: u64) -> u64 {
        let Blocks { input, recurrent, single } = self;
        hidden * (input * ends.features + recurrent * hidden + single + ends.outputs)
    }

    /// The hidden size, from 1 on, whose number of parameters is the nearest to `budget`.
    pub(super) fn hidden_size(self, ends: Ends, budget: u64) -> u64 {
        let off = |hidden| self.parameters(ends, hidden).abs_diff(budget);
        // Every unit has a parameter, so that there are at most `budget` units.
        let (mut below, mut above) = (1, budget.max(1));
        while above - below > 1 {
            let middle = below.midpoint(above);
            match self.parameters(ends, middle) <= budget {
                true => below = middle,
                false => above = middle,
            }
        }
        if off(above) < off(below) { above } else { below }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LSTM: Blocks = Blocks { input: 4, recurrent: 4, single: 8 };
    const MIN_GRU: Blocks = Blocks { input: 2, recurrent: 0, single: 2 };

    #[test]
    fn the_parameters_are_those_of_layer_and_head() {
        // docs/results.md: an LSTM of 128 units on the rows of images with ten classes.
        let ends = Ends { features: 28, outputs: 10 };
        assert_eq!(LSTM.parameters(ends, 128) + 10, 82_186);
    }

    #[test]
    fn a_hidden_size_is_found_again_from_its_parameters() {
        let ends = Ends { features: 32, outputs: 10 };
        for cell in [LSTM, MIN_GRU] {
            for hidden in [1, 2, 64, 1000] {
                let budget = cell.parameters(ends, hidden);
                assert_eq!(cell.hidden_size(ends, budget), hidden, "{cell:?}");
            }
        }
    }

    #[test]
    fn the_nearest_size_is_taken() {
        let ends = Ends { features: 1, outputs: 1 };
        // A unit of minGRU has 5 parameters here.
        assert_eq!(MIN_GRU.hidden_size(ends, 12), 2);
        assert_eq!(MIN_GRU.hidden_size(ends, 13), 3);
        assert_eq!(MIN_GRU.hidden_size(ends, 0), 1);
    }
}
