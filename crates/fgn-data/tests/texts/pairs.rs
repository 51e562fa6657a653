//! Tables of pairs of texts.

use fgn_data::{
    Batches, Like, Order, PairOptions, Pairs, TargetSchema, TokenizerKind, TokenizerOptions,
};

use super::*;

fn options() -> PairOptions {
    PairOptions { source: "de".into(), target: "en".into(), ..PairOptions::default() }
}

#[test]
fn batches_hold_both_texts_each_with_its_own_length() {
    for (count, size) in [(1, 1), (11, 4), (30, 30)] {
        let (sources, answers) = (words(count, 1), words(count, 5));
        let rows =
            sources.iter().zip(&answers).map(|(source, answer)| format!("{answer}\t{source}\n"));
        let table = "en\tde\n".to_owned() + &rows.collect::<String>();
        for memory in [0, 1 << 20] {
            let options = PairOptions { memory, ..options() };
            let pairs = Folder::new().read::<Pairs>(("a.tsv", &table), &options, None).unwrap();
            let source = pairs.schema().input.tokenizer().unwrap();
            let target = pairs.schema().target.tokenizer().unwrap();
            let end = target.special("<end>").unwrap();
            assert_eq!(end as usize + 1, target.vocabulary());
            assert_eq!(source.special("<end>"), None);
            let mut at = 0;
            for batch in Batches::new(&*pairs, Order::AsGiven, size, &Device::Cpu).unwrap() {
                let batch = batch.unwrap();
                for (read, written) in
                    sequences(batch.input()).into_iter().zip(sequences(batch.target()))
                {
                    assert_eq!(read, source.encode(&sources[at]).unwrap());
                    let expected = [target.encode(&answers[at]).unwrap(), vec![end]].concat();
                    assert_eq!(written, expected);
                    assert_eq!(target.decode(&written), answers[at]);
                    at += 1;
                }
            }
            assert_eq!(at, count);
        }
    }
}

#[test]
fn columns_without_names_are_numbered() {
    let (source, target) = ("2".to_owned(), "1".to_owned());
    let characters = TokenizerOptions::new(TokenizerKind::Characters);
    let options = PairOptions {
        source,
        target,
        header: false,
        source_tokenizer: characters.clone(),
        target_tokenizer: characters,
        ..PairOptions::default()
    };
    let pairs = Folder::new().read::<Pairs>(("a.tsv", "ab\tx y\nb\ty\n"), &options, None).unwrap();
    assert_eq!(inputs(&*pairs, &[0, 1]), [vec![1, 0, 2], vec![2]]);
    assert_eq!(targets(&*pairs, &[0, 1]), [vec![0, 1, 2], vec![1, 2]]);
    assert_eq!(pairs.title(1), "line 2");
}

#[test]
fn quotes_can_be_part_of_texts() {
    let table = "de\ten\n\"Ja,\" sagt er\tyes\n\"\"Nein\"\"\t\"no\n";
    let options = PairOptions { quotes: false, ..options() };
    let pairs = Folder::new().read::<Pairs>(("a.tsv", table), &options, None).unwrap();
    let texts = inputs(&*pairs, &[0, 1]);
    let tokenizer = pairs.schema().input.tokenizer().unwrap();
    let texts: Vec<_> = texts.iter().map(|text| tokenizer.decode(text)).collect();
    assert_eq!(texts, ["\"Ja,\" sagt er", "\"\"Nein\"\""]);
}

#[test]
fn later_tables_are_read_for_the_model() {
    let folder = Folder::new();
    let train =
        folder.read::<Pairs>(("a.tsv", "de\ten\nja nein\tyes no\n"), &options(), None).unwrap();
    let like = Like::of(&*train);
    let other =
        folder.read::<Pairs>(("b.tsv", "en\tde\nno maybe\tnein\n"), &options(), Some(&like));
    let other = other.unwrap();
    like.check(&*other).unwrap();
    let target = other.schema().target.tokenizer().unwrap();
    let unknown = target.encode("never").unwrap()[0];
    let [no, end] = [target.encode("no").unwrap()[0], target.special("<end>").unwrap()];
    assert_eq!(targets(&*other, &[0]), [vec![no, unknown, end]]);

    let unlabelled = like.unlabelled();
    let other =
        folder.read::<Pairs>(("c.csv", "de\nnein nein\n"), &options(), Some(&unlabelled)).unwrap();
    assert_eq!(other.schema().target, TargetSchema::None);
    assert_eq!(inputs(&*other, &[0])[0].len(), 2);
}

#[test]
fn what_is_wrong_is_reported_with_its_line() {
    let folder = Folder::new();
    let refused = |table: &[u8], expected: &str| {
        let error = folder.refused::<Pairs>(("a.tsv", table), &options(), None);
        assert!(error.contains(expected), "{error}");
    };
    refused(b"", "a.tsv: an empty set");
    refused(b"de\ten\n", "a.tsv: an empty set");
    refused(b"de\teng\na\tb\n", "no column \"en\"; found \"de, eng\" (did you mean \"eng\"?)");
    refused(
        b"de\ten\na\tb\nc\t\n",
        "a.tsv, line 3, column \"en\": found nothing, expected the text that",
    );
    refused(b"de\ten\na\tb\n\t d\n", "a.tsv, line 3, column \"de\": found nothing");
    refused(b"de\ten\na\tb\nc\n", "a.tsv, line 3: found 1 fields, expected 2");
    refused(b"de\ten\na\t\xe9\n", "a.tsv, line 2, field 2: found ");
    let error = folder.refused::<Pairs>(("a.tsv", "a\tb\n"), &PairOptions::default(), None);
    assert!(error.contains("data.pairs.source is not given, expected the column of"), "{error}");

    // A tokenizer of characters that lacks one.
    let target_tokenizer = TokenizerOptions::new(TokenizerKind::Characters);
    let options = PairOptions { target_tokenizer, ..options() };
    let train = folder.read::<Pairs>(("a.tsv", "de\ten\na\tb\n"), &options, None).unwrap();
    let table = "de\ten\na\tb\nz\tc\n";
    let error = folder.refused::<Pairs>(("b.tsv", table), &options, Some(&Like::of(&*train)));
    assert!(error.starts_with("b.tsv, line 3: found the vocabulary has no \"c\""), "{error}");
}
