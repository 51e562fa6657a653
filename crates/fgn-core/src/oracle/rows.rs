use std::ops::Range;

use crate::lane::Lane;
use crate::layout::{LayerShape, Layout};
use crate::spec::Spec;

/// The weights of every unit's pre-activations.
pub(super) struct Rows {
    layer: LayerShape,
    /// For each block, the offsets of its rows of weight_ih, weight_hh, bias_ih and bias_hh.
    blocks: Vec<[Option<usize>; 4]>,
}

/// The weights of one pre-activation of one unit.
pub(super) struct Row {
    layer: LayerShape,
    unit: usize,
    offsets: [Option<usize>; 4],
}

impl Rows {
    pub(super) fn new(spec: &Spec, layer: LayerShape) -> Self {
        let layout = Layout::of(spec, layer);
        let find = |name, g, width| {
            let slot = layout.tensor(name)?;
            let index = slot.blocks.iter().position(|&block| block == g)?;
            Some(slot.offset + index * layer.hidden * width)
        };
        let blocks = (0..spec.blocks.len())
            .map(|g| {
                [
                    find("weight_ih", g, layer.input),
                    find("weight_hh", g, layer.output()),
                    find("bias_ih", g, 1),
                    find("bias_hh", g, 1),
                ]
            })
            .collect();
        Self { layer, blocks }
    }

    pub(super) fn of_unit(&self, unit: usize) -> impl Iterator<Item = Row> {
        self.blocks.iter().map(move |&offsets| Row { layer: self.layer, unit, offsets })
    }
}

impl Row {
    pub(super) fn input_weights(&self) -> Range<usize> {
        Self::row(self.offsets[0], self.unit, self.layer.input)
    }

    pub(super) fn hidden_weights(&self) -> Range<usize> {
        Self::row(self.offsets[1], self.unit, self.layer.output())
    }

    /// The indices of its biases.
    pub(super) fn biases(&self) -> impl Iterator<Item = usize> {
        self.offsets[2..].iter().flatten().map(|offset| offset + self.unit)
    }

    /// The index of every parameter of the row and the number it is multiplied by. `biases` includes the biases.
    pub(super) fn terms<L: Lane>(
        &self,
        x: &[L],
        h: &[L],
        biases: bool,
    ) -> impl Iterator<Item = (usize, L)> {
        let biases = self.biases().filter(move |_| biases).map(|index| (index, L::one()));
        let input = self.input_weights().zip(x.iter().copied());
        biases.chain(input).chain(self.hidden_weights().zip(h.iter().copied()))
    }

    fn row(block: Option<usize>, unit: usize, width: usize) -> Range<usize> {
        block.map_or(0..0, |first| first + unit * width..first + (unit + 1) * width)
    }
}

/// The range of each per-unit vector in the flat parameters.
pub(super) fn vector_ranges(spec: &Spec, layer: LayerShape) -> Vec<Range<usize>> {
    let layout = Layout::of(spec, layer);
    spec.vectors.iter().filter_map(|name| Some(layout.tensor(name)?.range())).collect()
}
