//! The form of an event file: records of TensorFlow's `tfrecord`, each a protobuf message of
//! `tensorflow/core/util/event.proto` and what it is made of.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

const PREFIX: &str = "events.out.tfevents.";

/// The name that an event file has: TensorBoard sorts by it.
pub(super) fn file_name(number: u64) -> String {
    format!("{PREFIX}{number:010}.fgn")
}

/// The number in a name that [`file_name`] made.
pub(super) fn file_number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_suffix(".fgn")?.parse().ok()
}

/// Fields that are not written here are left out.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub(super) what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(oneof = "Content", tags = "2, 8")]
    pub(super) content: Option<Content>,
    #[prost(message, optional, tag = "9")]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Content {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "8")]
    Tensor(Strings),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(super) plugin: Option<Plugin>,
    #[prost(int32, tag = "4")]
    pub(super) data_class: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// A `TensorProto` of texts; without a shape it is a scalar.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Strings {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(super) values: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

/// `SessionLog.SessionStatus.START`.
const START: i32 = 1;
/// `DataType.DT_STRING`.
const DT_STRING: i32 = 7;
/// `DataClass.DATA_CLASS_TENSOR`.
const CLASS_TENSOR: i32 = 2;

impl Event {
    fn new(step: usize, what: What) -> Event {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Event { wall_time: since.as_secs_f64(), step: step as i64, what: Some(what) }
    }

    /// What a file begins with.
    pub(super) fn version() -> Event {
        Event::new(0, What::FileVersion("brain.Event:2".into()))
    }

    /// From here on steps are counted from `step`: those before that are not below it no longer count.
    pub(super) fn start(step: usize) -> Event {
        Event::new(step, What::SessionLog(SessionLog { status: START }))
    }

    /// Points of curves; those without a value are left out.
    pub(super) fn scalars(step: usize, values: &[(&str, Option<f64>)]) -> Event {
        let value = |&(tag, value): &(&str, Option<f64>)| {
            let content = Some(Content::Scalar(value? as f32));
            Some(Value { tag: tag.into(), content, metadata: None })
        };
        Event::new(
            step,
            What::Summary(Summary { value: values.iter().filter_map(value).collect() }),
        )
    }

    /// A text in Markdown.
    pub(super) fn text(step: usize, tag: &str, text: &str) -> Event {
        let tensor = Strings {
            dtype: DT_STRING,
            shape: Some(Shape::default()),
            values: vec![text.as_bytes().to_vec()],
        };
        let metadata =
            Metadata { plugin: Some(Plugin { name: "text".into() }), data_class: CLASS_TENSOR };
        let value = Value {
            tag: tag.into(),
            content: Some(Content::Tensor(tensor)),
            metadata: Some(metadata),
        };
        Event::new(step, What::Summary(Summary { value: vec![value] }))
    }

    /// Whether it is a mark after which what came before of `step` no longer counts.
    pub(super) fn takes_back(&self, step: usize) -> bool {
        matches!(self.what, Some(What::SessionLog(_))) && self.step <= step as i64
    }

    /// Whether it is a point at `step` of a curve of that part of the data, as `loss/test` is of `test`.
    pub(super) fn is_point_of(&self, step: usize, part: &str) -> bool {
        let Some(What::Summary(summary)) = &self.what else { return false };
        let is_of = |value: &Value| value.tag.rsplit_once('/').is_some_and(|(_, of)| of == part);
        self.step == step as i64 && summary.value.iter().any(is_of)
    }

    /// The event as it stands in the file: its length, a checksum of that, the message, its checksum.
    pub(super) fn record(&self) -> Vec<u8> {
        let message = self.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let sums = [&length[..], &message].map(|part| masked(crc32c::crc32c(part)).to_le_bytes());
        [&length[..], &sums[0], &message, &sums[1]].concat()
    }
}

/// The events of a file that was written here, as far as they are whole: a kill can leave a part of one.
pub(super) fn events(mut file: &[u8]) -> impl Iterator<Item = Event> {
    std::iter::from_fn(move || {
        let (length, rest) = file.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let message = rest.get(4..length.checked_add(4)?)?;
        file = rest.get(length.checked_add(8)?..)?;
        Event::decode(message).ok()
    })
}

/// TensorFlow turns and shifts its checksums, as sums of what holds sums are weak.
pub(super) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
