//! Images that a model generates or completes, in a PNG file.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::Device;
use clap::Args;
use fgn_data::{ImageGrid, Samples as _};
use fgn_nn::{GeneratedImage, ImageGenerator, ImageRequest};
use fgn_report::grouped;
use fgn_schema::{TargetSchema, significant};
use fgn_train::{TrainedModel, like, log_progress, replace_file};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::console::shown;
use crate::error::Result;
use crate::output::{in_line, milliseconds, new_file, note, print, print_json};
use crate::sampling::SamplingArgs;
use crate::stdin::Source;

/// How many images are generated where nothing else is asked for, and how often each is completed.
const COUNT: u64 = 64;
const COMPLETIONS: u64 = 4;
/// The most images of a picture.
const MOST: usize = 10_000;

/// The file that is written where no other is named.
const FILE: &str = "generated.png";

#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Of a model of images: complete the images of these files; of each a row of the picture, the image itself first
    #[arg(long, value_name = "FILE", num_args = 1..)]
    complete: Vec<PathBuf>,
    /// With --complete: how many rows of pixels of each image are kept, from the top [default: half of them]
    #[arg(long, value_name = "ROWS", requires = "complete")]
    known: Option<usize>,
    /// Of a model of images: the file to write [default: generated.png]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
    /// Replace this file if it exists
    #[arg(long)]
    force: bool,
}

/// How images are generated.
pub(crate) struct ImageOptions<'a> {
    /// How many of them, or how many completions of each file.
    pub(crate) count: Option<u64>,
    pub(crate) sampling: &'a SamplingArgs,
    pub(crate) threads: usize,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

/// Whether a model generates images.
pub(crate) fn generates_images(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Pixels { .. })
}

impl ImageArgs {
    /// The options that only models of images have, and whether each is given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 4] {
        [
            ("--complete", !self.complete.is_empty()),
            ("--known", self.known.is_some()),
            ("--out", self.out.is_some()),
            ("--force", self.force),
        ]
    }

    /// Generates images with the model of a run, and writes them to the file.
    pub(crate) fn run(&self, trained: &TrainedModel, options: &ImageOptions<'_>) -> Result<()> {
        let file = self.out.as_deref().unwrap_or(Path::new(FILE));
        new_file(file, "png", "the picture is written as PNG", self.force)?;
        let model = &trained.model;
        let precision = options.sampling.precision();
        let mut generator = model.image_generator(precision, options.threads)?;
        let originals = self.originals(trained)?;
        let rows = self.known_rows(&generator)?;
        let requests = self.requests(&originals, rows * generator.size()[1], options)?;

        let [height, width] = generator.size();
        let pixels = requests.len() * height * width;
        let mut progress = progress(pixels, options.quiet);
        let start = Instant::now();
        let images = generator.generate(requests, &mut progress)?;
        let seconds = start.elapsed().as_secs_f64();
        let speed = pixels as f64 / seconds.max(1e-9);
        let grid = grid(&generator, &originals, &images)?;
        replace_file(file, &grid.png()?)?;

        let completed = self.complete.iter().map(|file| file.to_string_lossy());
        if options.json {
            return print_json(&json!({
                "file": file.to_string_lossy(),
                "images": images.len(),
                "completed": completed.collect::<Vec<_>>(),
                "known_rows": if originals.is_empty() { 0 } else { rows },
                "height": height,
                "width": width,
                "nats": images.iter().map(|image| -image.log_likelihood).collect::<Vec<_>>(),
                "seed": options.sampling.seed,
                "seconds": milliseconds(seconds),
                "pixels_per_second": speed.round(),
            }));
        }
        let what = match originals.len() {
            0 => String::new(),
            1 => format!(", completions of an image of which {rows} rows are kept"),
            count => format!(", completions of {count} images of which {rows} rows are kept"),
        };
        let count = grouped(images.len());
        let name = file.to_string_lossy();
        print(&format!("{}: {count} images of {height} x {width} pixels{what}\n", in_line(&name)))?;
        let seconds = significant(seconds);
        note(&format!("{seconds} s, {} pixels a second\n", grouped(speed as usize)));
        Ok(())
    }

    /// The images to complete.
    fn originals(&self, trained: &TrainedModel) -> Result<Vec<Vec<u32>>> {
        let mut images = Vec::new();
        for file in &self.complete {
            let input = Source::open(file, "png")?;
            let samples = trained.data.read(input.path(), &like(&trained.model), &mut log_progress);
            let samples = samples.map_err(|error| input.explain(error.into()))?;
            check_count((images.len() as u64).saturating_add(samples.len() as u64))?;
            for index in 0..samples.len() as u32 {
                let batch = samples
                    .batch(&[index], &Device::Cpu)
                    .map_err(|error| input.explain(error.into()))?;
                images.extend(batch.target().tensor().to_vec2::<u32>()?);
            }
        }
        Ok(images)
    }

    /// How many rows of pixels are kept of each image.
    fn known_rows(&self, generator: &ImageGenerator<'_>) -> Result<usize> {
        let [height, _] = generator.size();
        let rows = self.known.unwrap_or(height / 2);
        match rows <= height {
            true => Ok(rows),
            false => Err(fgn_nn::Error::Config {
                field: "--known",
                found: rows.to_string(),
                expected: format!("0 to {height}, the rows of an image"),
            }
            .into()),
        }
    }

    /// What is generated: new images, or some for each of the originals. Each depends on its own number, and not on how
    /// many there are.
    fn requests(
        &self,
        originals: &[Vec<u32>],
        known: usize,
        options: &ImageOptions<'_>,
    ) -> Result<Vec<ImageRequest>> {
        let request = |known: &[u32], number| {
            let sampler = options.sampling.image_sampler(number)?;
            Ok(ImageRequest { known: known.to_vec(), sampler })
        };
        if originals.is_empty() {
            let count = options.count.unwrap_or(COUNT);
            check_count(count)?;
            return (0..count).map(|number| request(&[], number)).collect();
        }
        let count = options.count.unwrap_or(COMPLETIONS);
        check_count(count.saturating_mul(originals.len() as u64))?;
        let of = |original: &'_ Vec<u32>| {
            let known = original[..known.min(original.len())].to_vec();
            (0..count).map(move |number| request(&known, number))
        };
        originals.iter().flat_map(of).collect()
    }
}

/// # Errors
/// More images than a picture may have.
fn check_count(images: u64) -> Result<()> {
    match usize::try_from(images).is_ok_and(|images| images <= MOST) {
        true => Ok(()),
        false => Err(fgn_nn::Error::Config {
            field: "--count",
            found: format!("{images} images in all"),
            expected: format!("at most {MOST}"),
        }
        .into()),
    }
}

/// The images side by side: those of an original in a row after it, others in a square.
fn grid(
    generator: &ImageGenerator<'_>,
    originals: &[Vec<u32>],
    images: &[GeneratedImage],
) -> Result<ImageGrid> {
    let levels = generator.levels();
    if originals.is_empty() {
        let mut grid = ImageGrid::new(generator.size(), images.len().isqrt().max(1))?;
        images.iter().try_for_each(|image| grid.push(&image.pixels, levels))?;
        return Ok(grid);
    }
    let each = images.len() / originals.len();
    let mut grid = ImageGrid::new(generator.size(), 1 + each)?;
    for (original, completions) in originals.iter().zip(images.chunks(each.max(1))) {
        grid.push(original, levels)?;
        completions.iter().try_for_each(|image| grid.push(&image.pixels, levels))?;
    }
    Ok(grid)
}

/// The time between two plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Shows how many of so many pixels are done on standard error: as a bar on a terminal, elsewhere as a plain line now
/// and then.
fn progress(total: usize, quiet: bool) -> impl FnMut(usize) {
    let is_terminal = std::io::stderr().is_terminal();
    let bar = (is_terminal && !quiet).then(|| {
        let style =
            ProgressStyle::with_template("Pixels [{bar:28}] {human_pos}/{human_len}  {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
        shown(ProgressBar::new(total as u64)).with_style(style)
    });
    let mut last_line = Instant::now();
    move |done| match &bar {
        Some(bar) if done >= total => bar.finish_and_clear(),
        Some(bar) => bar.set_position(done as u64),
        None if !quiet && last_line.elapsed() >= BETWEEN_LINES => {
            last_line = Instant::now();
            note(&format!("  {} % of the pixels\n", 100 * done / total.max(1)));
        }
        None => {}
    }
}
