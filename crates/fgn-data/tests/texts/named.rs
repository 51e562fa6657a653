//! Data sets by name that are texts.

use std::path::Path;

use fgn_data::{
    DataConfig, Dataset, Dialogues, Documents, Error, Like, PairOptions, Pairs, Share,
    TokenizerKind, TokenizerOptions, open,
};

use super::*;

fn sizes(data: &Dataset) -> [usize; 3] {
    [data.train.len(), data.valid.as_ref().map_or(0, |valid| valid.len()), data.test.len()]
}

fn read(name: &str, like: &Like) -> Result<Arc<dyn Samples>> {
    DataConfig::new("elsewhere").read(Path::new(name), like, &mut |_| ())
}

#[test]
fn scan_has_its_published_parts() {
    let simple = open("scan").unwrap();
    assert_eq!(sizes(&simple), [16_728, 0, 4_182]);
    let schema = simple.train.schema();
    assert!(Pairs::suits(schema));
    // 13 words and 6 actions, <unk> in both, and <end>.
    assert_eq!(schema.input.tokenizer().unwrap().vocabulary(), 14);
    assert_eq!(schema.target.tokenizer().unwrap().vocabulary(), 8);
    assert_eq!(simple.test.title(0), "command 1");
    let seeded = DataConfig { seed: 2, ..DataConfig::new("scan") }.open(&mut |_| ()).unwrap();
    assert_ne!(inputs(&*seeded.test, &[0, 1, 2]), inputs(&*simple.test, &[0, 1, 2]));

    for (name, expected) in
        [("scan-length", [16_990, 0, 3_920]), ("scan-add-jump", [14_670, 0, 7_706])]
    {
        let data = open(name).unwrap();
        assert_eq!(sizes(&data), expected);
        // A model of the simple split is measured with the others' test parts.
        let test = read(name, &Like::of(&*simple.train)).unwrap();
        assert_eq!((test.len(), test.schema()), (expected[2], schema));
        let source = schema.input.tokenizer().unwrap();
        let own = data.train.schema().input.tokenizer().unwrap();
        assert_eq!(
            source.decode(&inputs(&*test, &[7])[0]),
            own.decode(&inputs(&*data.test, &[7])[0])
        );
    }
    let lengths =
        |samples: &dyn Samples| targets(samples, &(0..samples.len() as u32).collect::<Vec<_>>());
    let long = open("scan-length").unwrap();
    assert!(lengths(&*long.train).iter().all(|actions| actions.len() <= 23), "with <end>");
    assert!(lengths(&*long.test).iter().all(|actions| actions.len() >= 25));

    let source_tokenizer = TokenizerOptions::new(TokenizerKind::Characters);
    let pairs = PairOptions { source_tokenizer, ..PairOptions::default() };
    let by_characters = DataConfig { pairs, ..DataConfig::new("scan") }.open(&mut |_| ()).unwrap();
    assert!(by_characters.train.schema().input.to_string().contains("characters"));
}

#[test]
fn bookings_have_words_that_a_model_does_not_know() {
    let booking = open("booking").unwrap();
    assert_eq!(sizes(&booking), [4_000, 500, 1_000]);
    let schema = booking.train.schema();
    assert!(Dialogues::suits(schema));
    let tokenizer = schema.input.tokenizer().unwrap();
    let unknown = tokenizer.encode("berlin").unwrap()[0];
    assert_eq!(tokenizer.encode("zebra").unwrap()[0], unknown);
    let lacks = |samples: &dyn Samples| {
        let all = inputs(samples, &(0..samples.len() as u32).collect::<Vec<_>>());
        all.iter().filter(|tokens| tokens.contains(&unknown)).count()
    };
    assert_eq!(lacks(&*booking.test), 0);
    let other = read("booking-oov", &Like::of(&*booking.train)).unwrap();
    assert_eq!((other.len(), other.schema()), (1_000, schema));
    assert!(lacks(&*other) > 900, "{}", lacks(&*other));
    let whole = open("booking-oov").unwrap();
    assert_eq!(whole.train.fingerprint().unwrap(), booking.train.fingerprint().unwrap());
    assert_eq!(whole.test.fingerprint().unwrap(), other.fingerprint().unwrap());
    assert_ne!(booking.test.fingerprint().unwrap(), other.fingerprint().unwrap());
}

#[test]
fn names_of_numbers_are_of_eight_languages() {
    let names = open("number-names").unwrap();
    assert_eq!(sizes(&names), [3_200, 0, 800]);
    assert!(Documents::suits(names.train.schema()));
    assert_eq!(names.train.schema().target.names().len(), 8);
    let like = Like::of(&*names.train);
    let test = DataConfig { test: Share::Count(100), ..DataConfig::new("") };
    assert_eq!(test.read(Path::new("number-names"), &like, &mut |_| ()).unwrap().len(), 100);
}

#[test]
fn a_name_for_other_models_is_refused() {
    let images = Like::of(&fgn_data::mnist().unwrap().train);
    for name in ["scan", "booking", "number-names", "shakespeare"] {
        let error = read(name, &images).unwrap_err();
        assert!(matches!(error, Error::Unlike { .. }), "{error}");
        assert!(error.to_string().contains("expected images of 28 x 28 pixels"), "{error}");
    }
    let scan = Like::of(&*open("scan").unwrap().train);
    for name in ["mnist", "booking", "number-names", "shakespeare"] {
        assert!(matches!(read(name, &scan), Err(Error::Unlike { .. })), "{name}");
    }
    assert_eq!(read("mnist", &images).unwrap().len(), 10_000);
    let text = open("shakespeare").unwrap();
    let test = read("shakespeare", &Like::of(&*text.train)).unwrap();
    assert_eq!(test.fingerprint().unwrap(), text.test.fingerprint().unwrap());
    let error = read("bookin", &images).unwrap_err().to_string();
    assert!(
        error.contains("no data set is called \"bookin\"")
            && error.contains("did you mean \"booking\""),
        "{error}"
    );
    assert!(matches!(read("steps.csv", &images), Err(Error::Read { .. })));
}
