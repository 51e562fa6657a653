//! Tables of texts with a class or a number each.

use fgn_data::{
    Batches, DocumentOptions, DocumentTask, Documents, Error, Like, Order, TargetSchema,
    TokenizerKind, TokenizerOptions,
};

use super::*;

fn options() -> DocumentOptions {
    let (column, target) = ("text".into(), "kind".into());
    DocumentOptions { column, target, ..DocumentOptions::default() }
}

fn by_words() -> DocumentOptions {
    DocumentOptions { tokenizer: TokenizerOptions::new(TokenizerKind::Words), ..options() }
}

#[test]
fn batches_hold_the_tokens_and_classes_of_the_table() {
    for (count, size) in [(1, 1), (7, 3), (50, 50), (29, 8)] {
        let texts = words(count, count);
        let rows = texts.iter().enumerate().map(|(at, text)| format!("\"{text}\",c{}\n", at % 3));
        let table = "text,kind\n".to_owned() + &rows.collect::<String>();
        let folder = Folder::new();
        for memory in [0, 1 << 20] {
            let options = DocumentOptions { memory, ..by_words() };
            let samples = folder.read::<Documents>(("a.csv", &table), &options, None).unwrap();
            let tokenizer = samples.schema().input.tokenizer().unwrap().clone();
            let mut at = 0;
            for batch in Batches::new(&*samples, Order::AsGiven, size, &Device::Cpu).unwrap() {
                let batch = batch.unwrap();
                let kinds = batch.target().tensor().to_vec1::<u32>().unwrap();
                for (tokens, kind) in sequences(batch.input()).into_iter().zip(kinds) {
                    let names: Vec<_> = tokens.iter().map(|&id| tokenizer.name(id)).collect();
                    assert_eq!(names.join(" "), texts[at]);
                    assert_eq!(kind as usize, at % 3);
                    at += 1;
                }
            }
            assert_eq!(at, count);
        }
    }
}

#[test]
fn numbers_titles_and_lengths() {
    let options = DocumentOptions {
        task: DocumentTask::Regression,
        max_length: Some(3),
        delimiter: Some(';'),
        ..options()
    };
    let table = "kind;text\n\n-1.5;abcab\n\n2e3;\"b\nc\"\n";
    let samples = Folder::new().read::<Documents>(("a.csv", table), &options, None).unwrap();
    let expected = TargetSchema::Value { names: vec!["kind".into()], per_step: false };
    assert_eq!(samples.schema().target, expected);
    assert_eq!([samples.title(0), samples.title(1)], ["line 3", "line 5"]);
    // The vocabulary: line end, a, b, c.
    assert_eq!(inputs(&*samples, &[1, 0]), [vec![2, 0, 3], vec![1, 2, 3]]);
    let batch = samples.batch(&[1, 0], &Device::Cpu).unwrap();
    assert_eq!(batch.target().tensor().to_vec2::<f64>().unwrap(), [[2000.0], [-1.5]]);
}

#[test]
fn words_for_nothing_are_texts_but_no_classes() {
    let table = "text,kind\nNA,a\n?,b\nnull,a\n";
    let folder = Folder::new();
    let samples = folder.read::<Documents>(("a.csv", table), &options(), None).unwrap();
    assert_eq!(inputs(&*samples, &[0, 1, 2]).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 4]);
    let error = folder.refused::<Documents>(("a.csv", "text,kind\na,NA\n"), &options(), None);
    assert!(error.starts_with("a.csv, line 2, column \"kind\": found nothing"), "{error}");
}

#[test]
fn later_tables_are_read_for_the_model() {
    let folder = Folder::new();
    let train = "text,kind\nab,x\nba,y\n";
    let train = folder.read::<Documents>(("a.csv", train), &options(), None).unwrap();
    let like = Like::of(&*train);
    let other = folder.read::<Documents>(("b.csv", "kind,text\ny,b\n"), &options(), Some(&like));
    let other = other.unwrap();
    like.check(&*other).unwrap();
    let batch = other.batch(&[0], &Device::Cpu).unwrap();
    assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [1]);

    let unlabelled = like.clone().unlabelled();
    let file = ("c.csv", "text\nbb\n");
    let other = folder.read::<Documents>(file, &options(), Some(&unlabelled)).unwrap();
    assert_eq!(
        (&other.schema().target, inputs(&*other, &[0])),
        (&TargetSchema::None, vec![vec![1, 1]])
    );

    for (table, expected) in [
        (
            "text,kind\na,z\n",
            "line 2, column \"kind\": found \"z\", expected a known class: \"x, y\"",
        ),
        ("text,kind\na,x\n\nabc,x\n", "b.csv, line 4: found the vocabulary has no \"c\""),
    ] {
        let error = folder.refused::<Documents>(("b.csv", table), &options(), Some(&like));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn fingerprints_follow_the_content() {
    let folder = Folder::new();
    let of = |name: &str, text: &str| {
        let read = folder.read::<Documents>((name, format!("text,kind\n{text}")), &options(), None);
        read.unwrap().fingerprint().unwrap()
    };
    let first = of("a.csv", "ab,x\nc,y\n");
    assert_eq!(first, of("b.csv", "ab,x\n\nc,y\n"));
    for other in ["ab,x\nc,x\n", "a,x\nbc,y\n", "ab,x\nb,y\n", "ab,z\nc,zz\n"] {
        assert_ne!(first, of("a.csv", other), "{other}");
    }
}

#[test]
fn what_is_wrong_is_reported_with_its_line() {
    let folder = Folder::new();
    let refused = |table: &[u8], expected: &str| {
        let error = folder.refused::<Documents>(("a.csv", table), &options(), None);
        assert!(error.contains(expected), "{error}");
    };
    refused(b"", "a.csv: an empty set");
    refused(b"text,kind\n", "a.csv: an empty set");
    refused(
        b"texts,kind\na,b\n",
        "no column \"text\"; found \"texts, kind\" (did you mean \"texts\"?)",
    );
    refused(b"text,label\na,b\n", "no column \"kind\"; found \"text, label\"");
    refused(
        b"text,kind\n\na,x\n ,x\n",
        "a.csv, line 4, column \"text\": found nothing, expected a text",
    );
    refused(b"text,kind\na,x\n\xff,x\n", "a.csv, line 3, field 1: found ");
    refused(b"text,kind\na,x\nb\n", "a.csv, line 3: found 1 fields, expected 2");
    refused(
        &[b"text,kind\n", &vec![b'x'; 100 << 20][..]].concat(),
        "line 2: found a row that goes on after",
    );
    let long = format!("text,kind\n{},x\n", "x".repeat((1 << 20) + 1));
    refused(
        long.as_bytes(),
        "a.csv, line 2: found a text of 1048577 tokens, expected at most 1048576",
    );

    let refused = |options: DocumentOptions, expected: &str| {
        let table = "text,kind\na,x\n";
        let error = folder.refused::<Documents>(("a.csv", table), &options, None);
        assert!(error.contains(expected), "{error}");
    };
    refused(
        DocumentOptions::default(),
        "data.documents.column is not given, expected the column of",
    );
    refused(
        DocumentOptions { target: String::new(), ..options() },
        "data.documents.target is not given",
    );
    refused(
        DocumentOptions { target: "text".into(), ..options() },
        "data.documents.target is \"text\"",
    );
    refused(DocumentOptions { max_length: Some(0), ..options() }, "data.documents.max_length is 0");
    refused(
        DocumentOptions { delimiter: Some('é'), ..options() },
        "data.documents.delimiter is 'é'",
    );
    let task = DocumentTask::Regression;
    refused(
        DocumentOptions { task, ..options() },
        "column \"kind\": found \"x\", expected a finite number",
    );
    let tokenizer = TokenizerOptions { vocabulary_size: 1, ..TokenizerOptions::default() };
    refused(DocumentOptions { tokenizer, ..options() }, "tokenizer.vocabulary_size is 1");

    let images = fgn_data::mnist().unwrap().train;
    let error = folder.read::<Documents>(
        ("a.csv", "text,kind\na,x\n"),
        &options(),
        Some(&Like::of(&images)),
    );
    assert!(matches!(error, Err(Error::Unlike { .. })));
}
