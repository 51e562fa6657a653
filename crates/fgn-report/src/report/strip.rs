//! Pictures whose columns are the steps of a sample.

use super::raster;
use super::sample::scaled;
use crate::error::Result;

/// What was seen at each step, as colours.
pub(super) struct Strip {
    /// Row by row.
    colours: Vec<[u8; 3]>,
    height: usize,
}

impl Strip {
    /// One colour a step.
    pub(super) fn line(colours: Vec<[u8; 3]>) -> Strip {
        Strip { colours, height: 1 }
    }

    /// `steps[step][feature]`, the first feature at the bottom: a spectrogram.
    pub(super) fn features(steps: &[Vec<f64>]) -> Strip {
        let height = steps.first().map_or(0, Vec::len);
        let rows = (0..height).rev().flat_map(|at| steps.iter().map(move |step| step[at]));
        let values = scaled(&rows.collect::<Vec<_>>());
        Strip { colours: values.into_iter().map(raster::colour).collect(), height }
    }

    pub(super) fn picture(&self) -> Result<String> {
        let width = self.colours.len() / self.height.max(1);
        raster::picture(self.colours.as_flattened(), width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_to_the_right_and_features_upwards() {
        let strip = Strip::features(&[vec![0.0, 2.0], vec![1.0, 0.0], vec![0.0, 0.0]]);
        let [low, middle, high] = [0.0, 0.5, 1.0].map(raster::colour);
        assert_eq!(strip.height, 2);
        assert_eq!(strip.colours, [high, low, low, low, middle, low]);
    }
}
