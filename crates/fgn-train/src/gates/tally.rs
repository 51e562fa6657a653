//! Sums over the traces of a model.

use fgn_nn::{LayerTrace, Trace};

use super::record::{GATE_BINS, GateRecord, LayerGates, NamedSpread, Spread};

/// Sums over traces of samples.
#[derive(Default)]
pub(super) struct Tally {
    samples: usize,
    steps: usize,
    layers: Vec<Layer>,
}

struct Layer {
    layer: usize,
    reverse: bool,
    gates: Vec<(&'static str, Sums)>,
    retained: Option<Sums>,
}

struct Sums {
    /// Of each unit, over all steps.
    units: Vec<f64>,
    histogram: Vec<u64>,
}

impl Tally {
    /// Adds the traces of one run, and gives how many steps these are.
    pub(super) fn add(&mut self, traces: &[LayerTrace]) -> usize {
        let lengths = traces.first().map_or(&[][..], |first| &first.trace.lengths);
        let steps: usize = lengths.iter().sum();
        self.samples += lengths.len();
        self.steps += steps;
        if self.layers.is_empty() {
            self.layers = traces.iter().map(Layer::new).collect();
        }
        for (layer, LayerTrace { trace, .. }) in self.layers.iter_mut().zip(traces) {
            for ((_, sums), gate) in layer.gates.iter_mut().zip(&trace.gates) {
                sums.add(trace, &gate.values);
            }
            if let (Some(sums), Some(values)) = (&mut layer.retained, &trace.retained) {
                sums.add(trace, values);
            }
        }
        steps
    }

    pub(super) fn record(self, epoch: usize) -> GateRecord {
        let Tally { samples, steps, layers } = self;
        let layers = layers.into_iter().map(|layer| layer.gates(steps)).collect();
        GateRecord { epoch, part: String::new(), samples, steps, layers }
    }
}

impl Layer {
    fn new(traced: &LayerTrace) -> Layer {
        let LayerTrace { layer, reverse, trace } = traced;
        let sums = || Sums { units: vec![0.0; trace.shape[2]], histogram: vec![0; GATE_BINS] };
        let gates = trace.gates.iter().map(|gate| (gate.name, sums())).collect();
        let retained = trace.retained.as_ref().map(|_| sums());
        Layer { layer: *layer, reverse: *reverse, gates, retained }
    }

    fn gates(self, steps: usize) -> LayerGates {
        let named = |(name, sums): &(&str, Sums)| NamedSpread {
            name: (*name).to_owned(),
            spread: sums.spread(steps),
        };
        LayerGates {
            layer: self.layer,
            reverse: self.reverse,
            gates: self.gates.iter().map(named).collect(),
            retained: self.retained.as_ref().map(|sums| sums.spread(steps)),
            memory: self.retained.as_ref().map(|sums| sums.memory(steps)),
        }
    }
}

impl Sums {
    fn add(&mut self, trace: &Trace, values: &[f64]) {
        let steps = trace.lengths.iter().sum::<usize>() as f64;
        for (unit, mean) in self.units.iter_mut().zip(trace.unit_means(values)) {
            *unit += mean * steps;
        }
        for (sum, count) in self.histogram.iter_mut().zip(trace.histogram(values, GATE_BINS)) {
            *sum += count;
        }
    }

    fn spread(&self, steps: usize) -> Spread {
        let count = (steps * self.units.len()).max(1) as f64;
        Spread {
            mean: self.units.iter().sum::<f64>() / count,
            // The bins at both ends are of that width.
            closed: self.histogram[0] as f64 / count,
            open: self.histogram[GATE_BINS - 1] as f64 / count,
            histogram: self.histogram.clone(),
        }
    }

    fn memory(&self, steps: usize) -> Vec<Option<f64>> {
        let memory = |sum: &f64| 1.0 / (1.0 - sum / steps.max(1) as f64).max(0.0);
        // JSON has no infinity.
        self.units.iter().map(memory).map(|steps| Some(steps).filter(|x| x.is_finite())).collect()
    }
}

#[cfg(test)]
mod tests {
    use fgn_nn::GateTrace;

    use super::*;

    /// Two sequences, the second of which ends after one of two steps; two units.
    fn traced(values: [f64; 8]) -> LayerTrace {
        let gate = GateTrace { name: "f", role: fgn_core::Role::Forget, values: values.to_vec() };
        let trace = Trace {
            shape: [2, 2, 2],
            lengths: vec![2, 1],
            retained: Some(values.to_vec()),
            gates: vec![gate],
        };
        LayerTrace { layer: 0, reverse: false, trace }
    }

    #[test]
    fn several_traces_are_summed_and_padding_is_left_out() {
        let mut tally = Tally::default();
        assert_eq!(tally.add(&[traced([0.5, 1.0, 0.0, 1.0, 1.0, 1.0, 9.0, 9.0])]), 3);
        assert_eq!(tally.add(&[traced([0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 7.0, 7.0])]), 3);
        let record = tally.record(4);
        assert_eq!((record.epoch, record.samples, record.steps), (4, 4, 6));
        let [layer] = &record.layers[..] else { panic!("{record:?}") };
        let spread = &layer.gates[0].spread;
        assert_eq!(layer.gates[0].name, "f");
        assert_eq!((spread.mean, spread.closed, spread.open), (9.0 / 12.0, 1.0 / 12.0, 7.0 / 12.0));
        let mut histogram = [0; GATE_BINS];
        (histogram[0], histogram[10], histogram[GATE_BINS - 1]) = (1, 4, 7);
        assert_eq!(spread.histogram, histogram);
        assert_eq!(layer.retained.as_ref(), Some(spread));
        // The first unit retains a half on average, the second everything.
        assert_eq!(layer.memory, Some(vec![Some(2.0), None]));
    }
}
