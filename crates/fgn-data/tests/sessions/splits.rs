//! Training, validation and test parts.

use fgn_data::{SessionSplit, Share};

use super::*;

/// Ten sessions of three events, each later than the one before. Item `n` is only in session `n`.
fn ten() -> String {
    let rows = (0..10).map(|n| format!("{n},a,{n}1\n{n},only{n},{n}2\n{n},b,{n}3\n"));
    "s,i,t\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn the_sessions_that_begin_last_are_the_test_part() {
    let folder = Folder::new();
    let (data, lines) = logged(|| folder.open(("a.csv", ten()), &options()).unwrap());
    assert_eq!((data.train.len(), data.test.len(), data.valid.is_none()), (8, 2, true));
    // What training has not is left out.
    assert_eq!(texts(&*data.test), ["8: a b", "9: a b"]);
    assert_eq!(texts(&*data.train)[7], "7: a only7 b");
    assert_eq!(catalogue(&*data.train).len(), 10);
    assert_eq!(catalogue(&*data.train).counts()[..3], [8, 8, 1]);
    assert_eq!(data.train.schema(), data.test.schema());
    let path = folder.0.path().join("a.csv");
    let expected = format!(
        "WARN {}: left out 2 events of items that the training part lacks, as \"only8\", \"only9\"",
        path.display()
    );
    assert_eq!(lines, [expected]);

    let split = TestSplit { share: Share::Count(3), seed: 1 };
    let data = InteractionLogs::open(&path, &options(), split, &mut |_| ()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (7, 3));
    for (share, expected) in
        [(Share::Count(10), "10 of 10 samples held out"), (Share::Count(0), "data.test is 0")]
    {
        let split = TestSplit { share, seed: 1 };
        let error = InteractionLogs::open(&path, &options(), split, &mut |_| ()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    // A test part of items that training lacks.
    let strange = "s,i,t\na,x,1\na,x,2\nb,y,3\nb,y,4\n";
    let error = folder.open(("b.csv", strange), &options()).unwrap_err().to_string();
    assert!(
        error.ends_with("b.csv: found no session to test with, expected sessions of 2 or more events of items that the training part has"),
        "{error}"
    );
}

#[test]
fn sessions_are_drawn_by_the_seed() {
    let folder = Folder::new();
    let path = folder.write("a.csv", ten());
    let drawn = SessionOptions { split: SessionSplit::Sessions, ..options() };
    let titles = |seed: u64| {
        let split = TestSplit { share: Share::Of(0.3), seed };
        let data = InteractionLogs::open(&path, &drawn, split, &mut |_| ()).unwrap();
        let titles = |samples: &dyn Samples| {
            sessions(samples).into_iter().map(|(title, _)| title).collect::<Vec<_>>()
        };
        let (train, test) = (titles(&*data.train), titles(&*data.test));
        assert_eq!((train.len(), test.len()), (7, 3));
        assert!(train.is_sorted() && test.is_sorted());
        let mut all = [train, test.clone()].concat();
        all.sort();
        assert!(all.into_iter().eq((0..10).map(|n| n.to_string())));
        assert!(catalogue(&*data.train).counts().iter().sum::<u64>() == 21);
        test
    };
    assert_eq!(titles(1), titles(1));
    assert!((2..10).any(|seed| titles(seed) != titles(1)));
    assert_ne!(titles(1), ["7", "8", "9"]);
}

#[test]
fn the_last_events_are_left_out_one_by_one() {
    let folder = Folder::new();
    let log = "s,i,t\na,x,1\na,y,2\na,x,3\na,z,4\na,w,5\nb,x,1\nb,z,2\nc,x,3\nc,y,4\nc,x,5\n";
    for batches in [SessionBatches::Padded, SessionBatches::Parallel] {
        let split = SessionSplit::LeaveOneOut;
        let options = SessionOptions { split, max_length: 2, batches, ..options() };
        let data = folder.open(("a.csv", log), &options).unwrap();
        // Of a x y x are for training, of b both; c has one event left, which is counted but has no step.
        let items = catalogue(&*data.train);
        assert_eq!(
            (items.names(), items.counts()),
            (&["x", "y", "z", "w"].map(String::from)[..], &[4, 1, 1, 0][..])
        );
        let [x, y, z, w] = [0, 1, 2, 3];
        let valid = data.valid.as_ref().unwrap();
        let of = |title: &str, input: &[u32], target: &[u32]| {
            (title.to_string(), input.to_vec(), target.to_vec())
        };
        // Two events are read at most, and the last target counts.
        assert_eq!(rows(&**valid), [of("a", &[y, x], &[IGNORED, z]), of("c", &[x], &[y])]);
        assert_eq!(
            rows(&*data.test),
            [of("a", &[x, z], &[IGNORED, w]), of("c", &[x, y], &[IGNORED, x])]
        );
        if batches == SessionBatches::Padded {
            assert_eq!(texts(&*data.train), ["a: x y x", "b: x z"]);
        } else {
            assert_eq!(data.train.windows().unwrap().steps(), 3);
        }
        // There is a validation part already.
        let held_out = data.clone().hold_out(1, 1).unwrap();
        assert!(
            Arc::ptr_eq(&held_out.train, &data.train)
                && Arc::ptr_eq(&held_out.valid.unwrap(), valid)
        );
    }
    let short = "s,i,t\na,x,1\na,y,2\n";
    let only = SessionOptions { split: SessionSplit::LeaveOneOut, ..options() };
    let error = folder.open(("b.csv", short), &only).unwrap_err().to_string();
    assert!(
        error.ends_with("found no session to test with, expected sessions of 3 or more events"),
        "{error}"
    );
    let error = folder.open(("b.csv", format!("{short}a,z,3\n")), &only).unwrap_err().to_string();
    assert!(
        error.ends_with("found no session to train on, expected sessions of 2 or more events"),
        "{error}"
    );
}

#[test]
fn parts_side_by_side_are_of_whole_sessions() {
    let folder = Folder::new();
    folder.write("train.csv", "s,i,t\na,x,1\na,y,2\na,x,3\na,y,4\nb,x,1\nb,y,2\nb,x,3\nb,y,4\n");
    folder.write("valid.csv", "s,i,t\na,y,1\na,x,2\na,strange,3\n");
    let open = |split| {
        let options = SessionOptions { split, ..options() };
        let share = Share::Count(1);
        InteractionLogs::open(folder.0.path(), &options, TestSplit { share, seed: 1 }, &mut |_| ())
            .unwrap()
    };
    let data = open(SessionSplit::Time);
    assert_eq!(
        (texts(&*data.train), texts(&*data.test)),
        (vec!["a: x y x y".into()], vec!["b: x y x y".into()])
    );
    assert_eq!(texts(&**data.valid.as_ref().unwrap()), ["a: y x"]);
    // The parts that there are come before those that are made.
    let data = open(SessionSplit::LeaveOneOut);
    assert_eq!(texts(&**data.valid.as_ref().unwrap()), ["a: y x"]);
    assert_eq!(rows(&*data.test).len(), 2);
    folder.write("test.csv", "s,i,t\nc,x,1\nc,x,2\n");
    for split in [SessionSplit::Time, SessionSplit::Sessions, SessionSplit::LeaveOneOut] {
        let data = open(split);
        assert_eq!((data.train.len(), texts(&*data.test)), (2, vec!["c: x x".into()]));
        assert_eq!(data.test.schema(), data.train.schema());
    }
}
