//! Image files become the pixels that people see in them: upright, on a ground, in their colours. What is
//! damaged is refused.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use candle_core::Device;
use fgn_data::{ImageFolders, ImageOptions, InputSchema, Reader};
use image::codecs::jpeg::JpegEncoder;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage,
    Rgba, RgbaImage,
};

/// Height, width and values of a file, 0 to 255, read without a size.
fn read(bytes: &[u8], name: &str, options: &ImageOptions) -> Result<([usize; 2], Vec<u8>), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, bytes).unwrap();
    read_file(&file, options)
}

fn read_file(file: &Path, options: &ImageOptions) -> Result<([usize; 2], Vec<u8>), String> {
    // The only image of the only class.
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("class");
    fs::create_dir(&class).unwrap();
    fs::copy(file, class.join(file.file_name().unwrap())).unwrap();
    let samples = ImageFolders::read(folder.path(), options, None, &mut |_| ())
        .map_err(|error| error.to_string())?;
    let InputSchema::Image { height, width, .. } = samples.schema().input else { panic!() };
    let batch = samples.batch(&[0], &Device::Cpu).map_err(|error| error.to_string())?;
    let values = batch.input().tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    Ok(([height, width], values.iter().map(|value| (value * 255.0).round() as u8).collect()))
}

fn grey(bytes: &[u8]) -> ([usize; 2], Vec<u8>) {
    read(bytes, "it.png", &ImageOptions::default()).unwrap()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(image).unwrap();
    bytes
}

/// A TIFF header with one entry: the orientation.
fn exif(orientation: u16) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(orientation.to_be_bytes());
    exif.extend([0; 6]);
    exif
}

/// A JPEG with an EXIF segment behind its first marker.
fn turned_jpeg(image: &DynamicImage, orientation: u16) -> Vec<u8> {
    let data = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    let length = (data.len() as u16 + 2).to_be_bytes();
    let bytes = jpeg(image);
    [&bytes[..2], &[0xff, 0xe1], &length, &data, &bytes[2..]].concat()
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(data);
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], name, data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG with an EXIF chunk before or after its pixels.
fn turned_png(image: &DynamicImage, orientation: u16, is_last: bool) -> Vec<u8> {
    const HEADER: usize = 8 + 25;
    const END: usize = 12;
    let bytes = encoded(image, ImageFormat::Png);
    let (before, after) = bytes.split_at(if is_last { bytes.len() - END } else { HEADER });
    [before, &chunk(b"eXIf", &exif(orientation)), after].concat()
}

/// 20 x 40 pixels (height x width), the left half white and the lower left quarter grey.
fn halves() -> DynamicImage {
    let shade = |x, y| {
        Luma([if x >= 20 {
            0
        } else if y < 10 {
            255
        } else {
            128
        }])
    };
    GrayImage::from_fn(40, 20, shade).into()
}

#[test]
fn exif_turns_images_upright() {
    let image = halves();
    // What EXIF says of the stored rows and columns, and what undoes it.
    let upright = [
        image.clone(),
        image.fliph(),
        image.rotate180(),
        image.flipv(),
        image.rotate90().fliph(),
        image.rotate90(),
        image.rotate270().fliph(),
        image.rotate270(),
    ];
    for (orientation, upright) in (1..).zip(upright) {
        let size = [upright.height() as usize, upright.width() as usize];
        let expected = (size, upright.to_luma8().into_raw());
        for is_last in [false, true] {
            assert_eq!(grey(&turned_png(&image, orientation, is_last)), expected, "{orientation}");
        }
        let (found_size, found) = grey(&turned_jpeg(&image, orientation));
        assert_eq!(found_size, size, "{orientation}");
        for (found, expected) in found.iter().zip(&expected.1) {
            assert!(found.abs_diff(*expected) <= 4, "{orientation}: {found} is not {expected}");
        }
    }
    // An orientation that there is not is none.
    assert_eq!(grey(&turned_png(&image, 9, false)), grey(&encoded(&image, ImageFormat::Png)));
}

/// A palette of one colour whose second entry is transparent: a checkerboard.
fn palette_png() -> Vec<u8> {
    use std::io::Write as _;
    let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    pixels.write_all(&[0, 0, 1, 0, 1, 0]).unwrap(); // A filter byte before each row of two.
    let header = [&[0, 0, 0, 2, 0, 0, 0, 2][..], &[8, 3, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"PLTE", &[0; 6]),
        chunk(b"tRNS", &[255, 0]),
        chunk(b"IDAT", &pixels.finish().unwrap()),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

#[test]
fn what_is_transparent_shows_the_background() {
    let on = |background: &str| ImageOptions {
        background: background.parse().unwrap(),
        ..ImageOptions::default()
    };
    // A black glyph that is in the alpha channel alone: a checkerboard of 2 x 2, and one pixel in between.
    let alpha = [255, 0, 0, 51];
    let at = |x: u32, y: u32| alpha[(2 * y + x) as usize];
    let rgba = RgbaImage::from_fn(2, 2, |x, y| Rgba([0, 0, 0, at(x, y)]));
    let la = GrayAlphaImage::from_fn(2, 2, |x, y| LumaA([0, at(x, y)]));
    let rgba16 = ImageBuffer::from_fn(2, 2, |x, y| Rgba([0, 0, 0, 257 * u16::from(at(x, y))]));
    let la16 = ImageBuffer::from_fn(2, 2, |x, y| LumaA([0, 257 * u16::from(at(x, y))]));
    for image in [
        DynamicImage::from(rgba),
        la.into(),
        DynamicImage::ImageRgba16(rgba16),
        DynamicImage::ImageLumaA16(la16),
    ] {
        let png = encoded(&image, ImageFormat::Png);
        assert_eq!(grey(&png).1, [0, 255, 255, 204], "{:?}", image.color());
        let found = read(&png, "it.png", &on("#646464")).unwrap().1;
        assert_eq!(found, [0, 100, 100, 80], "{:?}", image.color());
        assert_eq!(read(&png, "it.png", &on("black")).unwrap().1, [0; 4]);
    }
    assert_eq!(grey(&palette_png()).1, [0, 255, 255, 0]);

    // In colour; a negative is made of what is seen.
    let half = RgbaImage::from_pixel(1, 1, Rgba([200, 0, 0, 128]));
    let png = encoded(&half.into(), ImageFormat::Png);
    let blue = ImageOptions { colour: true, ..on("#0000ff") };
    // 200 · 128 / 255 = 100.4, 255 · 127 / 255 = 127.
    assert_eq!(read(&png, "it.png", &blue).unwrap().1, [100, 0, 127]);
    let negative = ImageOptions { invert: true, ..blue };
    assert_eq!(read(&png, "it.png", &negative).unwrap().1, [155, 255, 128]);
}

#[test]
fn values_are_rounded_to_eight_bits_and_colours_to_luma() {
    let deep = [0, 128, 129, 385, 386, 25_700, 65_406, 65_407, 65_535_u16];
    let image: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_vec(9, 1, deep.to_vec()).unwrap();
    let expected = [0, 0, 1, 1, 2, 100, 254, 255, 255]; // value / 257 to the nearest
    assert_eq!(grey(&encoded(&image.into(), ImageFormat::Png)).1, expected);

    let greys = RgbImage::from_fn(256, 1, |x, _| Rgb([x as u8; 3]));
    let expected: Vec<u8> = (0..=255).collect();
    assert_eq!(grey(&encoded(&greys.into(), ImageFormat::Png)).1, expected);
    let red = RgbImage::from_pixel(1, 1, Rgb([255, 0, 0]));
    assert_eq!(grey(&encoded(&red.into(), ImageFormat::Png)).1, [54]); // 0.2126 · 255
}

/// A photo with something everywhere in it.
fn photo() -> DynamicImage {
    let wave = |at: u32| (100.0 + 80.0 * (f64::from(at) / 3.0).sin()) as u8;
    RgbImage::from_fn(64, 48, |x, y| Rgb([wave(x + y), wave(3 * x), wave(y * x)])).into()
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    let formats = [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Pnm];
    let files = formats.map(|format| encoded(&photo(), format));
    for (at, file) in files.iter().chain([&jpeg(&photo()), &turned_jpeg(&photo(), 6)]).enumerate() {
        grey(file);
        for share in [25, 50, 90, 99] {
            let cut = &file[..file.len() * share / 100];
            let error = read(cut, "it.png", &ImageOptions::default()).unwrap_err();
            let is_named = error.starts_with("cannot read the image ") && error.contains("it.png");
            assert!(is_named, "file {at}, {share} %: {error}");
        }
        // The last bytes of a PNG and a JPEG say that they are whole; those of the others are pixels.
        let error = read(&file[..file.len() - 1], "it.png", &ImageOptions::default());
        assert!(error.is_err(), "file {at}");
    }
}

#[test]
fn a_thumbnail_is_not_the_end_of_a_jpeg() {
    let thumbnail = jpeg(&halves());
    let photo = jpeg(&photo());
    let length = (thumbnail.len() as u16 + 2).to_be_bytes();
    let with = [&photo[..2], &[0xff, 0xe1], &length, &thumbnail, &photo[2..]].concat();
    let expected = grey(&photo);
    assert_eq!(grey(&with), expected);
    let error = read(&with[..with.len() - 2], "it.jpg", &ImageOptions::default()).unwrap_err();
    assert!(error.contains("no EOI marker"), "{error}");
    // What comes after the image is not looked at.
    assert_eq!(grey(&[&photo[..], b"motion"].concat()), expected);
}

#[test]
fn damage_inside_a_file_is_refused_where_it_can_be_found() {
    let png = encoded(&photo(), ImageFormat::Png);
    for position in (8..png.len()).step_by(7) {
        let mut damaged = png.clone();
        damaged[position] ^= 0x10;
        assert!(read(&damaged, "it.png", &ImageOptions::default()).is_err(), "byte {position}");
    }
    // A JPEG has no checksum. Of 20 bytes of 0xff, the decoder sees a marker where none can be.
    let jpeg = jpeg(&photo());
    for middle in [jpeg.len() * 2 / 3, jpeg.len() * 3 / 4] {
        let mut damaged = jpeg.clone();
        damaged[middle..middle + 20].copy_from_slice(&[0xff, 0xc8].repeat(10));
        let error = read(&damaged, "it.jpg", &ImageOptions::default()).unwrap_err();
        assert!(error.contains("cannot read the image"), "{error}");
    }
}

#[test]
fn images_without_pixels_and_enormous_ones_are_refused() {
    let resized = ImageOptions { size: Some([4, 4]), ..ImageOptions::default() };
    for options in [ImageOptions::default(), resized] {
        for header in ["P5 0 0 255\n", "P5 0 3 255\n", "P5 30000 30000 255\n"] {
            let error = read(header.as_bytes(), "it.pgm", &options).unwrap_err();
            assert!(error.contains("pixels") || error.contains("cannot read"), "{error}");
        }
    }
}
