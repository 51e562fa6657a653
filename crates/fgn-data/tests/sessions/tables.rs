//! Tables: columns, times, filters, and what is refused.

use super::*;

const LOG: &str = "t,s,i\n5,b,x\n1,a,x\n3,a,y\n2,a,z\n6,b,x\n";

#[test]
fn events_are_grouped_and_sorted_by_time() {
    let folder = Folder::new();
    let log = folder.read(("a.csv", LOG), &options(), None).unwrap();
    assert_eq!(texts(&*log), ["a: x z y", "b: x x"]);
    // x is the most frequent; y is in the file before z.
    assert_eq!(catalogue(&*log).names(), ["x", "y", "z"]);
    assert_eq!(catalogue(&*log).counts(), [3, 1, 1]);
    assert_eq!(
        log.schema().to_string(),
        "sequences over a vocabulary of 3 tokens, the next of 3 items"
    );
    // Without times the order of the file counts.
    let as_given = SessionOptions { time: None, ..options() };
    let log = folder.read(("a.csv", LOG), &as_given, None).unwrap();
    assert_eq!(texts(&*log), ["b: x x", "a: x y z"]);
}

#[test]
fn equal_times_keep_the_order_of_the_file() {
    let folder = Folder::new();
    let rows = "s,i,t\nb,1,0\na,1,0\nb,2,0\na,2,-0\nb,3,-1e3\na,3,0.0\n";
    let log = folder.read(("a.csv", rows), &options(), None).unwrap();
    assert_eq!(texts(&*log), ["b: 3 1 2", "a: 1 2 3"]);
    // Two sessions that begin together: the one whose first event is first in the file.
    let rows = "s,i,t\nc,1,1\nb,1,0\na,1,0\nc,2,0\nb,2,1\na,2,1\n";
    let log = folder.read(("a.csv", rows), &options(), None).unwrap();
    assert_eq!(texts(&*log), ["b: 1 2", "a: 1 2", "c: 2 1"]);
}

#[test]
fn names_keep_all_their_digits() {
    let folder = Folder::new();
    let rows = "s,i,t\n9007199254740992,7,1\n9007199254740993,7,2\n\
                9007199254740992,9007199254740993,3\n9007199254740993,9007199254740992,4\n";
    let log = folder.read(("a.csv", rows), &options(), None).unwrap();
    assert_eq!(
        texts(&*log),
        ["9007199254740992: 7 9007199254740993", "9007199254740993: 7 9007199254740992"]
    );
}

#[test]
fn a_text_file_is_read_as_its_format_says() {
    let folder = Folder::new();
    let columns = |session: &str, item: &str| SessionOptions {
        session: session.into(),
        item: item.into(),
        time: None,
        ..options()
    };
    let quoted =
        folder.read(("a.csv", "s,i\na,\"x, y\"\na,z\n"), &columns("s", "i"), None).unwrap();
    assert_eq!(texts(&*quoted), ["a: x, y z"]);
    let plain = SessionOptions { quotes: false, header: false, ..columns("1", "2") };
    let plain = folder.read(("a.tsv", "a\t\"x\na\tz\n"), &plain, None).unwrap();
    assert_eq!(texts(&*plain), ["a: \"x z"]);
    let delimited = SessionOptions { delimiter: Some(';'), ..columns("s", "i") };
    let delimited = folder.read(("a.csv", "s;i\na;x\na;z\n"), &delimited, None).unwrap();
    assert_eq!(texts(&*delimited), ["a: x z"]);
}

#[test]
fn atomic_files_have_columns_of_their_own() {
    let folder = Folder::new();
    let none = SessionOptions { batches: SessionBatches::Padded, ..SessionOptions::default() };
    let rows = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n\
                1\t10\t4\t2\n1\t11\t3\t1\n";
    let log = folder.read(("a.inter", rows), &none, None).unwrap();
    assert_eq!(texts(&*log), ["1: 11 10"]);
    let rows = "item_id:token\tsession_id:token\tother:token\n10\t1\t7\n11\t1\t7\n";
    let log = folder.read(("a.INTER", rows), &none, None).unwrap();
    assert_eq!(texts(&*log), ["1: 10 11"]);
    let other = SessionOptions { session: "other".into(), ..none.clone() };
    let log = folder.read(("a.inter", rows), &other, None).unwrap();
    assert_eq!(texts(&*log), ["7: 10 11"]);
    let error = folder.refused(("a.inter", "user_id:token\tfilm\n1\t2\n"), &none);
    assert_eq!(error, "data.sessions.item is not given, expected the column of items");
}

#[test]
fn short_sessions_and_rare_items_are_left_out_in_that_order() {
    let folder = Folder::new();
    // Session c is short at once, so that y is rare; then b is short.
    let rows = "s,i,t\na,x,1\na,x,2\na,z,3\na,z,4\nb,x,5\nb,y,6\nc,y,7\n";
    let read = |options: &SessionOptions| {
        let (log, lines) = logged(|| folder.read(("a.csv", rows), options, None).unwrap());
        (texts(&*log), catalogue(&*log).counts().to_vec(), lines)
    };
    let (all, counts, lines) = read(&options());
    assert_eq!(all, ["a: x x z z", "b: x y"]);
    assert_eq!(counts, [3, 2, 1]);
    let left_out = |sessions, events, items, repeated| {
        let path = folder.0.path().join("a.csv");
        format!(
            "INFO {}: left out {sessions} sessions of fewer than 2 events, {events} events of {items} rare items, \
             and {repeated} repeated events",
            path.display()
        )
    };
    assert_eq!(lines, [left_out(1, 0, 0, 0)]);
    let (all, counts, lines) = read(&SessionOptions { min_support: 2, ..options() });
    assert_eq!((&all[..], &counts[..]), (&["a: x x z z".to_owned()][..], &[2, 2][..]));
    assert_eq!(lines, [left_out(2, 1, 1, 0)]);
    let (all, counts, lines) = read(&SessionOptions { deduplicate: true, ..options() });
    assert_eq!(all, ["a: x z", "b: x y"]);
    assert_eq!((&counts[..], lines), (&[2, 1, 1][..], vec![left_out(1, 0, 0, 2)]));
    let (all, ..) = read(&SessionOptions { min_length: 3, ..options() });
    assert_eq!(all, ["a: x x z z"]);
    let nothing_left_out = "s,i,t\na,x,1\na,x,2\n";
    let (_, lines) = logged(|| folder.read(("b.csv", nothing_left_out), &options(), None));
    assert!(lines.is_empty(), "{lines:?}");
}

/// Rows that are in the file twice are events too, unless repeated events are left out.
#[test]
fn duplicated_rows_are_events() {
    let folder = Folder::new();
    let rows = "s,i,t\na,x,1\na,x,1\na,y,2\na,y,2\n";
    let log = folder.read(("a.csv", rows), &options(), None).unwrap();
    assert_eq!(texts(&*log), ["a: x x y y"]);
    let once = SessionOptions { deduplicate: true, ..options() };
    let log = folder.read(("a.csv", rows), &once, None).unwrap();
    assert_eq!(texts(&*log), ["a: x y"]);
}

#[test]
fn what_is_wrong_is_reported_with_its_line() {
    let folder = Folder::new();
    let refused = |rows: &str| folder.refused(("a.csv", rows), &options());
    for (rows, expected) in [
        ("", "a.csv: an empty set, expected at least one sample"),
        ("s,i,t\n", "a.csv: found no session of 2 or more events, expected at least one"),
        (
            "s,i,t\na,x,1\nb,x,1\n",
            "a.csv: found no session of 2 or more events, expected at least one",
        ),
        (
            "s,i,t\na,x,1\n\n,y,2\n",
            "a.csv, line 4, column \"s\": found nothing, expected a session (NA, NaN, null and ? are nothing)",
        ),
        (
            "s,i,t\na,x,1\na,NA,2\n",
            "a.csv, line 3, column \"i\": found nothing, expected an item (NA, NaN, null and ? are nothing)",
        ),
        (
            "s,i,t\na,x,1\na,y,noon\n",
            "a.csv, line 3, column \"t\": found \"noon\", expected a finite number, as 1.5 or -2e3",
        ),
        (
            "s,i,t\na,x,1\na,y,\n",
            "a.csv, line 3, column \"t\": found nothing, expected a finite number, as 1.5 or -2e3",
        ),
        (
            "s,i,t\na,x,inf\n",
            "a.csv, line 2, column \"t\": found \"inf\", expected a finite number, as 1.5 or -2e3",
        ),
        // Cut in the middle of a line, with and without a line end.
        (
            "s,i,t\na,x,1\na,y",
            "a.csv, line 3: found 2 fields, expected 3, as in the first line (is the delimiter right?)",
        ),
        (
            "s,i,t\na,x,1\na\n",
            "a.csv, line 3: found 1 fields, expected 3, as in the first line (is the delimiter right?)",
        ),
        (
            "s,item,t\na,x,1\n",
            "a.csv: no column \"i\"; found \"s, item, t\" (did you mean \"item\"?)",
        ),
    ] {
        assert_eq!(refused(rows), expected, "{rows:?}");
    }
    let empty = folder.refused(("a.inter", ""), &options());
    assert_eq!(empty, "a.inter: an empty set, expected at least one sample");
    let inter = "s:token\ti:token\tt:float\na\tx\t1\na\ty";
    let cut = folder.refused(("a.inter", inter), &options());
    assert!(cut.starts_with("a.inter, line 3: found 2 fields, expected 3"), "{cut}");
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = Folder::new();
    let refused = |options: &SessionOptions| folder.refused(("a.csv", LOG), options);
    let expected = |option: &str, found: usize, least: usize| {
        format!("data.sessions.{option} is {found}, expected {least} to 16777216")
    };
    assert_eq!(refused(&SessionOptions { window: 0, ..options() }), expected("window", 0, 1));
    assert_eq!(
        refused(&SessionOptions { max_length: 1, ..options() }),
        expected("max_length", 1, 2)
    );
    let long = SessionOptions { min_length: 1 << 25, ..options() };
    assert_eq!(refused(&long), expected("min_length", 1 << 25, 2));
    let error = refused(&SessionOptions { min_support: 0, ..options() });
    assert!(error.starts_with("data.sessions.min_support is 0, expected 1 to"), "{error}");
    let error = refused(&SessionOptions { session: String::new(), ..options() });
    assert_eq!(
        error,
        "data.sessions.session is not given, expected the column of sessions or users"
    );
    let error = refused(&SessionOptions { delimiter: Some('\n'), ..options() });
    assert!(error.starts_with("data.sessions.delimiter is '\\n'"), "{error}");
}

#[test]
fn reading_reports_how_far_it_has_come() {
    let folder = Folder::new();
    let rows = (0..10_000).map(|row| format!("{},{},{row}\n", row / 4, row % 7));
    let text = "s,i,t\n".to_owned() + &rows.collect::<String>();
    let path = folder.write("a.csv", &text);
    let mut reports = Vec::new();
    InteractionLogs::read(&path, &options(), None, &mut |progress| {
        assert_eq!(progress.name, path.display().to_string());
        reports.push((progress.done, progress.total));
    })
    .unwrap();
    assert!(reports.len() >= 3 && reports.is_sorted(), "{reports:?}");
    let total = text.len() as u64;
    assert!(reports[0].0 < total && reports.last() == Some(&(total, total)), "{reports:?}");
}
