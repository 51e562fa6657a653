//! Files of a session a line.

use std::io::Read;
use std::path::Path;

use lzma_rust2::XzReader;

use super::*;

fn plain() -> SessionOptions {
    SessionOptions { batches: SessionBatches::Padded, ..SessionOptions::default() }
}

#[test]
fn a_line_is_a_session() {
    let folder = Folder::new();
    let log = folder.read(("a.seq", "# a comment\nx y\n\n  % another\nz\ny x\t x"), &plain(), None);
    let log = log.unwrap();
    assert_eq!(texts(&*log), ["line 2: x y", "line 6: y x x"]);
    assert_eq!(
        (catalogue(&*log).names(), catalogue(&*log).counts()),
        (&["x".into(), "y".into()][..], &[3, 2][..])
    );
    // Columns are of tables.
    let with_columns = folder.read(("b.seq", "x y"), &options(), None).unwrap();
    assert_eq!(texts(&*with_columns), ["line 1: x y"]);
}

const MSNBC: &str = "% Different categories found in input file:\n\nfrontpage news tech\n\n\n\
                     % Sequences:\n\n1 1 \n2 \n3 2 2 \n";

#[test]
fn items_may_be_numbers_of_names() {
    let folder = Folder::new();
    let log = folder.read(("a.seq", MSNBC), &plain(), None).unwrap();
    assert_eq!(texts(&*log), ["line 8: frontpage frontpage", "line 10: tech news news"]);
    for (wrong, found) in [("0", "\"0\""), ("4", "\"4\""), ("-1", "\"-1\""), ("news", "\"news\"")] {
        let text = format!("{MSNBC}1 {wrong} 2\n");
        let expected =
            format!("a.seq, line 11: found {found}, expected the number of an item, 1 to 3");
        assert_eq!(folder.refused(("a.seq", text), &plain()), expected);
    }
    let twice = MSNBC.replace("tech", "news");
    assert_eq!(
        folder.refused(("a.seq", twice), &plain()),
        "a.seq, line 3: found two items called \"news\", expected a name of its own for each"
    );
}

#[test]
fn files_without_sessions_and_broken_texts_are_refused() {
    let folder = Folder::new();
    for nothing in ["", "\n\n", "# only a comment\n", "x\ny\n"] {
        let error = folder.refused(("a.seq", nothing), &plain());
        assert_eq!(error, "a.seq: found no session of 2 or more events, expected at least one");
    }
    let error = folder.refused(("a.seq", b"x y\nx \xff\n"), &plain());
    assert!(error.starts_with("a.seq: byte 6 is 0xff"), "{error}");
}

#[test]
fn filters_are_those_of_tables() {
    let folder = Folder::new();
    let text = "x x z z\nx y\ny\n";
    let table = "s,i\n1,x\n1,x\n1,z\n1,z\n2,x\n2,y\n3,y\n";
    for (min_support, min_length, deduplicate) in [(1, 2, false), (2, 2, false), (1, 2, true)] {
        let filters = SessionOptions { min_support, min_length, deduplicate, ..plain() };
        let columns =
            SessionOptions { time: None, session: "s".into(), item: "i".into(), ..filters.clone() };
        let lines = folder.read(("a.seq", text), &filters, None).unwrap();
        let rows = folder.read(("a.csv", table), &columns, None).unwrap();
        let named = |samples: &dyn Samples| texts(samples).join("\n").replace("line ", "");
        assert_eq!(named(&*lines), named(&*rows));
        assert_eq!(lines.schema(), rows.schema());
        assert_eq!(lines.fingerprint().unwrap(), rows.fingerprint().unwrap());
    }
}

#[test]
fn the_visits_of_msnbc_are_read() {
    let archive = "../../../shared/data/msnbc990928.seq.xz";
    let Ok(archive) = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(archive)) else {
        println!("skipped: no data");
        return;
    };
    let mut bytes = Vec::new();
    XzReader::new(&archive[..], false).read_to_end(&mut bytes).unwrap();
    let folder = Folder::new();
    let (streams, lines) =
        logged(|| folder.read(("msnbc.seq", &bytes), &SessionOptions::default(), None).unwrap());
    // Of 989,818 visits and 4,698,794 pages.
    assert!(lines[0].contains("left out 365435 sessions of fewer than 2 events"), "{lines:?}");
    assert_eq!(streams.windows().unwrap().steps(), 4_333_359 - 624_383);
    let items = catalogue(&*streams);
    assert_eq!(
        (items.len(), items.name(0), items.counts().iter().sum::<u64>()),
        (17, "frontpage", 4_333_359)
    );
}
