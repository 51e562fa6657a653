//! What can be wrong with data. Each error says what was found, what was expected and where.

use std::io;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which reading, splitting or batching a data set fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file or folder.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is there already, or cannot be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// Samples that are neither sounds nor images, where a file of one is asked for.
    #[error("{origin}: found {found}, expected sounds, or images of 1 or 3 channels, to save")]
    NoFile {
        /// Where the samples come from.
        origin: String,
        /// What the samples are.
        found: String,
    },
    /// A text that is not in UTF-8.
    #[error(
        "{file}: byte {offset} is {found:#04x}, expected text in UTF-8: is it in another encoding?"
    )]
    NotUtf8 {
        /// The file.
        file: String,
        /// Where the first byte that is not is, counted from 0.
        offset: u64,
        /// That byte.
        found: u8,
    },
    /// Compressed data that is cut short, fails its checksum or is followed by something else.
    #[error(
        "{file}: damaged compressed data ({source}); expected one whole stream and nothing after \
         it: fetch the file again"
    )]
    Damaged {
        /// The compressed file.
        file: String,
        /// What the decoder said.
        source: io::Error,
    },
    /// A file that is not IDX, or IDX of another kind.
    #[error(
        "{file}: begins with {found:#010x}, expected {expected:#010x} (IDX, unsigned bytes, {} \
         dimension(s))",
        .expected & 0xff
    )]
    Magic {
        /// The file.
        file: String,
        /// Its first four bytes, big endian.
        found: u32,
        /// The magic number of what was asked for.
        expected: u32,
    },
    /// A file of fewer bytes than its header declares.
    #[error("{file}: ends after {found} bytes, expected {expected} (both unpacked): truncated?")]
    Truncated {
        /// The file.
        file: String,
        /// Bytes found, header included, unpacked.
        found: u128,
        /// Bytes expected, header included, unpacked.
        expected: u128,
    },
    /// A file of more bytes than its header declares.
    #[error("{file}: goes on after the {expected} bytes (unpacked) that its header declares")]
    Oversized {
        /// The file.
        file: String,
        /// Bytes expected, header included, unpacked.
        expected: u128,
    },
    /// Images without pixels, or with more than can be counted.
    #[error("{origin}: images of {height} x {width} pixels, expected at least 1 x 1")]
    ImageSize {
        /// Where the samples come from.
        origin: String,
        /// Rows found.
        height: usize,
        /// Columns found.
        width: usize,
    },
    /// Pixels that are no whole number of images.
    #[error("{origin}: {found} pixels, expected a multiple of {image}, the pixels of one image")]
    Pixels {
        /// Where the samples come from.
        origin: String,
        /// Pixels found.
        found: usize,
        /// Pixels of one image.
        image: usize,
    },
    /// No samples.
    #[error("{origin}: an empty set, expected at least one sample")]
    Empty {
        /// Where the samples come from.
        origin: String,
    },
    /// More samples than a `u32` index can name.
    #[error("{count} samples in one set, expected at most {}", u32::MAX)]
    TooMany {
        /// Samples found.
        count: usize,
    },
    /// Images and labels that differ in count.
    #[error("{origin}: {images} images but {labels} labels, expected as many of each")]
    Count {
        /// Where the samples come from.
        origin: String,
        /// Images found.
        images: usize,
        /// Labels found.
        labels: usize,
    },
    /// A label that names no class.
    #[error("{origin}: label {index} is {found}, expected {expected}")]
    Label {
        /// Where the samples come from.
        origin: String,
        /// Position of the label, from 0.
        index: usize,
        /// The label.
        found: u8,
        /// The labels that there are.
        expected: String,
    },
    /// A folder that lacks one of the four IDX files of a data set.
    #[error("{dir}: a file is missing; looked for {looked_for}")]
    Missing {
        /// The folder.
        dir: String,
        /// The names that were looked for.
        looked_for: String,
    },
    /// Training and test images that differ in size.
    #[error(
        "{origin}: training images of {} x {} pixels but test images of {} x {}, expected one size",
        .train.0, .train.1, .test.0, .test.1
    )]
    SizesDiffer {
        /// Where the data set comes from.
        origin: String,
        /// Height and width of the training images.
        train: (usize, usize),
        /// Height and width of the test images.
        test: (usize, usize),
    },
    /// A data set's name that is not known.
    #[error(
        "no data set is called {name:?}; known: {known}{}",
        .nearest.as_ref().map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// All names, separated by commas.
        known: String,
        /// The known name that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A held-out part, for validation or test, that leaves nothing to train on.
    #[error(
        "{held_out} of {count} samples held out for validation or test, expected fewer than {count}"
    )]
    HeldOut {
        /// Samples to hold out.
        held_out: usize,
        /// Samples that there are.
        count: usize,
    },
    /// A batch size of 0, or above the number of samples to draw from.
    #[error("batch size {batch_size}, expected 1 to {count}, the number of samples to draw from")]
    BatchSize {
        /// The batch size asked for.
        batch_size: usize,
        /// Samples to draw from.
        count: usize,
    },
    /// An index that names no sample.
    #[error("index {index} in a set of {count} samples, expected less than {count}")]
    Index {
        /// The index.
        index: u32,
        /// Samples that there are.
        count: usize,
    },
    /// An image in memory of another size than asked for.
    #[error("image {index} has {found} pixels, expected {height} x {width}")]
    Image {
        /// Position of the image among those given, from 0.
        index: usize,
        /// Its pixels.
        found: usize,
        /// Rows expected.
        height: usize,
        /// Columns expected.
        width: usize,
    },
    /// An option that is out of range, or that is missing.
    #[error("{option} is {found}, expected {expected}")]
    Option {
        /// The option, as a recipe calls it: `data.series.id`.
        option: &'static str,
        /// Its value.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A table that lacks a column.
    #[error(
        "{file}: no column {column:?}; found {found}{}",
        .nearest.as_ref().map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
    )]
    Column {
        /// The file.
        file: String,
        /// The column asked for.
        column: String,
        /// The columns that are there, shortened if they are many.
        found: String,
        /// The column that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A table whose columns, rows or fields are wrong.
    #[error("{at}: found {found}, expected {expected}")]
    Table {
        /// The file; of a row its line or number, of a field the column too.
        at: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// MNIST, where the feature `mnist` is off.
    #[error(
        "this program was built without MNIST; build it with `--features mnist`, or give the path of a folder with \
         MNIST's four files"
    )]
    NoMnist,
    /// A Parquet file, where the feature `parquet` is off.
    #[error(
        "{file}: this program was built without Parquet; build it with `--features parquet`, or \
         write the table as CSV"
    )]
    NoParquet {
        /// The file.
        file: String,
    },
    /// The temporary file for a table or text that does not fit in memory cannot be written or read.
    #[error(
        "{file}: it takes more than {option}, and the temporary file for it failed: {source} (in {}; TMPDIR \
         chooses another folder)",
        .folder.display()
    )]
    Spill {
        /// The table or text.
        file: String,
        /// The option that bounds the memory.
        option: &'static str,
        /// The folder for temporary files.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder where another one should be.
    #[error("{}: found {found}, expected {expected}", .path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A file that is no image, or a damaged or an enormous one.
    #[error(
        "cannot read the image {}: {source}; PNG, JPEG, BMP and PNM are known: replace the file, or move it away",
        .file.display()
    )]
    NoImage {
        /// The file.
        file: PathBuf,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// A sound file that is missing or damaged, or that nothing here reads.
    #[error("{}{source}", .row.as_ref().map(|row| format!("{row}: ")).unwrap_or_default())]
    Sound {
        /// The row that names the file, where one does: `a.csv, line 7`.
        row: Option<String>,
        /// What was found, what was expected, where.
        source: fgn_audio::Error,
    },
    /// An image of another size than the others, or than the model's.
    #[error(
        "{}: {} x {} pixels, expected {} x {} (height x width; data.images.size resizes all to one size: \
         --set 'data.images.size=[{},{}]')",
        .file.display(), .found[0], .found[1], .expected[0], .expected[1], .expected[0], .expected[1]
    )]
    PictureSize {
        /// The file.
        file: PathBuf,
        /// Its height and width.
        found: [usize; 2],
        /// Height and width expected.
        expected: [usize; 2],
    },
    /// A path that no reader reads.
    #[error("{}: found {found}, expected {expected}", .path.display())]
    NoReader {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What is read, by all readers.
        expected: String,
    },
    /// A path whose reader is for other models.
    #[error("{}: found {found}, but the model is for {input}; expected {expected}", .path.display())]
    OtherKind {
        /// The path.
        path: PathBuf,
        /// What is there: a folder, or a file of some ending.
        found: String,
        /// What the model reads.
        input: String,
        /// What the readers for such models read.
        expected: String,
    },
    /// Samples that differ from those that a model was trained on.
    #[error("{origin}: found {found}, expected {expected}, as in the data trained on")]
    Unlike {
        /// Where the samples come from.
        origin: String,
        /// What was found.
        found: String,
        /// What the model was trained on.
        expected: String,
    },
    /// A tensor could not be made.
    #[error("cannot make the batch's tensors: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A batch whose lengths do not fit its tensors.
    #[error(transparent)]
    Batch(#[from] fgn_schema::Error),
}
