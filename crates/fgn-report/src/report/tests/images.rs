//! Reports of tiny models that generate images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fgn_nn::{ImageRaster, Pixels};
use fgn_train::evaluate;
use image::GrayImage;

use super::*;

const SIZE: [usize; 2] = [6, 4];

/// The small data set of images in 2 levels of grey, as files.
fn dataset() -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 40), ("test", 9)] {
        let path = folder.path().join(part);
        fs::create_dir(&path).unwrap();
        for index in 0..count {
            let white =
                |x: u32, y: u32| if (x + y + index).is_multiple_of(3) { [255] } else { [0] };
            let image = GrayImage::from_fn(4, 6, |x, y| image::Luma(white(x, y)));
            image.save(path.join(format!("{index}.png"))).unwrap();
        }
    }
    let mut config = DataConfig::new(folder.path().to_str().unwrap());
    config.images.levels = Some(2);
    let dataset = config.open(&mut |_| ()).unwrap();
    // The files are read once, while they are there.
    for part in [&dataset.train, &dataset.test] {
        let all: Vec<u32> = (0..part.len() as u32).collect();
        part.batch(&all, &Device::Cpu).unwrap();
        part.fingerprint().unwrap();
    }
    dataset
}

/// The pictures of a section.
fn pictures(section: &str) -> Vec<GrayImage> {
    let addresses = section.split("src=\"data:image/png;base64,").skip(1);
    let picture = |rest: &str| {
        let bytes = STANDARD.decode(rest.split('"').next().unwrap()).unwrap();
        image::load_from_memory(&bytes).unwrap().into_luma8()
    };
    addresses.map(picture).collect()
}

/// The levels of the image in a row and a column of a grid.
fn cell(grid: &GrayImage, row: u32, column: u32) -> Vec<u32> {
    let [height, width] = SIZE.map(|side| side as u32);
    let (top, left) = (row * (height + 1) + 1, column * (width + 1) + 1);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let level = |(x, y)| match grid.get_pixel(left + x, top + y).0 {
        [0] => 0,
        [255] => 1,
        [other] => panic!("a grey of {other}"),
    };
    pixels.map(level).collect()
}

fn trained(dataset: &Dataset) -> (Config, Model, String) {
    let raster = ImageRaster { radius: 1, ..ImageRaster::new(SIZE[0], SIZE[1]) };
    let config = config(raster, |model| model.head = Pixels::new(2).into());
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let dataset = &config.data.divide(dataset.clone(), config.training.seed).unwrap();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let mut trainer = Trainer::new(&config, model).unwrap();
    let recorder = Recorder::create(Some(&folder), &config).unwrap();
    let mut observers = (recorder, GateRecorder::new(&folder, dataset, 2));
    trainer.run(dataset, &mut observers).unwrap();
    let trained = trainer.evaluate_and_finish(dataset, &mut observers).unwrap();
    let file = write_report(&folder, &config, &trained.model, dataset).unwrap();
    (config, trained.model, fs::read_to_string(file).unwrap())
}

#[test]
fn a_model_of_images_shows_what_it_generates_and_completes() {
    let dataset = dataset();
    let (config, model, html) = trained(&dataset);
    check_parts(
        &html,
        &["summary", "curves", "images", "gates", "memory", "maps", "configuration"],
    );
    assert!(!html.contains("Worst mistakes") && html.contains("Test nats per image"));
    assert!(html.contains(&format!("of {} test pixels", 9 * 24)), "the mean is over pixels");
    let nats = evaluate(&model, &*dataset.test).unwrap().get("nats").unwrap();
    assert!(html.contains(&fgn_schema::significant(nats)), "{nats}");

    let section = html.split("<section id=\"images\">").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    let [samples, completions] = &pictures(section)[..] else { panic!("two pictures") };
    assert_eq!(samples.dimensions(), (8 * 5 + 1, 8 * 7 + 1));
    assert_eq!(completions.dimensions(), (6 * 5 + 1, 8 * 7 + 1));
    // The model's own images, by their seeds.
    let generated = Learner::generate_images(&model, &vec![Vec::new(); 64], 1).unwrap().unwrap();
    for (index, image) in (0..).zip(&generated) {
        assert_eq!(cell(samples, index / 8, index % 8), image.pixels);
    }
    // An original, its upper half, and images with that half.
    for row in 0..8 {
        let batch = dataset.test.batch(&[row], &Device::Cpu).unwrap();
        let original = batch.target().tensor().to_vec2::<u32>().unwrap().remove(0);
        assert_eq!(cell(completions, row, 0), original);
        let half = [&original[..12], &[0; 12]].concat();
        assert_eq!(cell(completions, row, 1), half);
        for column in 2..6 {
            assert_eq!(cell(completions, row, column)[..12], original[..12]);
        }
    }
    // The same model gives the same page.
    let again = write_again(&config, &model, &dataset);
    let again = again.split("<section id=\"images\">").nth(1).unwrap();
    assert_eq!(again.split("</section>").next().unwrap(), section);
}

fn write_again(config: &Config, model: &Model, dataset: &Dataset) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = write_report(folder.path(), config, model, dataset).unwrap();
    fs::read_to_string(file).unwrap()
}

/// A model of another kind that is trained on pixels generates none, and says so.
#[test]
fn a_model_that_generates_nothing_says_so() {
    let dataset = dataset();
    let (config, _, _) = trained(&dataset);
    let of = Subject {
        training: &Training::of(&config).unwrap(),
        model: &Nothing,
        dataset: &dataset,
        history: Vec::new(),
        epoch: None,
        streaming: None,
        gates: Vec::new(),
        roles: Default::default(),
        outcomes: outcomes::measure(&Nothing, &dataset.test, fgn_train::Metrics::none()).unwrap(),
    };
    let section = generated_images::section(&of, SIZE, 2).unwrap();
    assert!(section.body.into_string().contains("The model generates no images."));
}

/// A model without parameters.
struct Nothing;

impl Learner for Nothing {
    fn parameters(&self) -> &[(String, candle_core::Var)] {
        &[]
    }

    fn forward(
        &self,
        batch: &Batch,
        _: fgn_train::Pass<'_>,
    ) -> fgn_train::Result<fgn_train::Scored> {
        let loss = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        Ok(fgn_train::Scored::new(loss, batch.size(), None))
    }
}
