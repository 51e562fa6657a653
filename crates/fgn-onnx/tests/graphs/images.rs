//! Images whose pixels are predicted one after the other.

use fgn_core::AnyCell;
use fgn_nn::{ImageRaster, ModelConfig, Pixels, RecurrentConfig};

use crate::case::{Case, model, samples};

pub(crate) fn cases() -> Vec<Case> {
    let plain = ImageRaster::new(3, 4);
    let rasters = [
        plain,
        ImageRaster { coordinates: true, ..plain },
        ImageRaster { rows: 0, radius: 0, ..plain },
        ImageRaster { rows: 0, coordinates: true, ..plain },
        ImageRaster { rows: 1, radius: 1, ..plain },
        ImageRaster { rows: 3, radius: 2, ..ImageRaster::new(5, 3) },
        // More rows and columns than the image has.
        ImageRaster { rows: 9, radius: 9, coordinates: true, ..ImageRaster::new(4, 5) },
        ImageRaster { coordinates: true, ..ImageRaster::new(1, 1) },
        ImageRaster { coordinates: true, ..ImageRaster::new(1, 6) },
        ImageRaster { coordinates: true, ..ImageRaster::new(6, 1) },
    ];
    let mut cases = Vec::new();
    for raster in rasters {
        for (levels, cell) in [(2, AnyCell::LSTM), (5, AnyCell::FGN)] {
            let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, 3) };
            let model = model(&ModelConfig::new(raster, recurrent, Pixels::new(levels)));
            for batch in [1, 3] {
                let images = samples(&[batch, raster.height, raster.width]);
                let name = format!("{raster:?}, {levels} levels, {batch}");
                cases.push(Case::new(&name, &model, &images.into(), None));
            }
        }
    }
    cases
}

#[test]
fn every_raster_computes_what_the_model_does() {
    cases().iter().for_each(Case::check);
}

#[test]
fn a_whole_image_has_logits_for_each_pixel() {
    let case = &cases()[0];
    assert_eq!(case.exported.inputs()[0].to_string(), "images float32[batch, 3, 4]");
    assert_eq!(case.exported.outputs()[0].to_string(), "logits float32[batch, 12, 2]");
}
