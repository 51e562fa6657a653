//! Images that a model generates, and completes.

use fgn_data::{ImageGrid, Samples as _};
use fgn_train::Learner;
use maud::{Markup, html};

use super::raster;
use super::section::Section;
use super::subject::Subject;
use crate::error::Result;

/// Images that are generated, and images of the test part that are completed, so many times each.
const SAMPLES: usize = 64;
const COLUMNS: usize = 8;
const COMPLETED: usize = 8;
const COMPLETIONS: usize = 4;
/// The most pixels that are computed: of larger images there are fewer.
const PIXELS: usize = 400_000;
/// What the images are sampled by.
const SEED: u64 = 1;

/// Of images of `[height, width]` pixels in so many levels of grey.
pub(super) fn section<M: Learner>(
    of: &Subject<'_, M>,
    size: [usize; 2],
    levels: usize,
) -> Result<Section> {
    let (id, title) = ("images", "Generated images");
    let [samples, completed] = counts(size, of.dataset.test.len());
    let Some(generated) = of.model.generate_images(&vec![Vec::new(); samples], SEED)? else {
        return Ok(Section::left_out(id, title, "The model generates no images."));
    };
    let mut grid = ImageGrid::new(size, COLUMNS.min(samples))?;
    generated.iter().try_for_each(|image| grid.push(&image.pixels, levels))?;
    let completions = completions(of, size, levels, completed)?;
    let body = html! {
        p.hint { "Sampled from the model's own distribution, pixel by pixel, always by the same seed." }
        (picture(&grid, "Generated images")?)
        @if let Some(completions) = completions {
            h3 { "Completions" }
            p.hint {
                "In each row an image of the test part, its upper half, and " (COMPLETIONS) " completions of that half."
            }
            (completions)
        }
    };
    Ok(Section { id, title, body })
}

/// How many images are generated, and how many of so many test images completed.
fn counts([height, width]: [usize; 2], test: usize) -> [usize; 2] {
    let most = (PIXELS / (height * width).max(1)).max(1);
    let samples = SAMPLES.min(most);
    [samples, COMPLETED.min(most / COMPLETIONS).min(test)]
}

/// The first `count` test images, their upper halves, and how they may go on; `None` for no image.
fn completions<M: Learner>(
    of: &Subject<'_, M>,
    size: [usize; 2],
    levels: usize,
    count: usize,
) -> Result<Option<Markup>> {
    if count == 0 {
        return Ok(None);
    }
    let indices: Vec<u32> = (0..count as u32).collect();
    let batch = of.dataset.test.batch(&indices, &candle_core::Device::Cpu)?;
    let originals = batch.target().tensor().to_vec2::<u32>()?;
    let upper = size[0] / 2 * size[1];
    let halves = originals.iter().map(|image| image.iter().copied().take(upper).collect());
    let halves: Vec<Vec<u32>> = halves.collect();
    let known: Vec<Vec<u32>> =
        halves.iter().flat_map(|half| std::iter::repeat_n(half.clone(), COMPLETIONS)).collect();
    let generated = of.model.generate_images(&known, SEED)?.unwrap_or_default();
    let mut grid = ImageGrid::new(size, 2 + COMPLETIONS)?;
    let rows = originals.iter().zip(halves).zip(generated.chunks(COMPLETIONS));
    for ((original, mut half), completions) in rows {
        grid.push(original, levels)?;
        half.resize(original.len(), 0);
        grid.push(&half, levels)?;
        completions.iter().try_for_each(|image| grid.push(&image.pixels, levels))?;
    }
    Ok(Some(picture(&grid, "Completed images")?))
}

fn picture(grid: &ImageGrid, label: &str) -> Result<Markup> {
    let (pixels, [height, width]) = grid.pixels();
    let picture = raster::picture(&pixels, width, height)?;
    // Small pictures are shown larger, each pixel as a whole number of the screen's.
    let scale = (SHOWN / width.max(1)).clamp(1, 4);
    Ok(html! {
        div.scroll tabindex="0" {
            img.pixels src=(picture) alt=(label) width=(width * scale) height=(height * scale) loading="lazy";
        }
    })
}

/// About how wide a picture is shown.
const SHOWN: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_large_images_there_are_fewer() {
        assert_eq!(counts([28, 28], 10_000), [64, 8]);
        assert_eq!(counts([28, 28], 3), [64, 3]);
        assert_eq!(counts([128, 128], 100), [24, 6]);
        assert_eq!(counts([2048, 2048], 100), [1, 0]);
    }
}
