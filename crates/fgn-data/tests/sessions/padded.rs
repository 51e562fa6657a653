//! Sessions as samples: long ones in pieces.

use super::*;

/// A session of that many different items.
fn session(name: &str, events: usize) -> String {
    (0..events).map(|event| format!("{name},i{event:04},{event}\n")).collect()
}

/// Every target counts once, and has half of a sample before it where the session has that.
#[test]
fn long_sessions_become_pieces_that_count_each_target_once() {
    let folder = Folder::new();
    for (most, events) in
        [(2, 2), (2, 9), (3, 4), (3, 10), (4, 5), (4, 6), (7, 100), (10, 99), (200, 7)]
    {
        let log = format!("s,i,t\n{}{}", session("a", events), session("b", 2));
        let options = SessionOptions { max_length: most, ..options() };
        let samples = folder.read(("a.csv", log), &options, None).unwrap();
        let items = catalogue(&*samples);
        let order = |item: u32| items.name(item)[1..].parse::<usize>().unwrap();
        let mut counted = Vec::new();
        for (index, (title, input, target)) in (0..).zip(rows(&*samples)) {
            assert!(input.len() <= most && input.len() == target.len());
            if samples.group(index) == 1 {
                assert_eq!((title, input.len(), index), ("b".into(), 1, samples.len() as u32 - 1));
                continue;
            }
            let first = order(input[0]);
            match first {
                0 => assert_eq!(title, "a"),
                _ => assert_eq!(title, format!("a, from event {}", first + 1)),
            }
            assert!(input.iter().enumerate().all(|(at, &item)| order(item) == first + at));
            for (at, &target) in target.iter().enumerate().filter(|(_, target)| **target != IGNORED)
            {
                assert_eq!(order(target), first + at + 1);
                assert!(at + 1 >= (most / 2).min(first + at + 1), "{at} of {first}");
                counted.push(order(target));
            }
        }
        counted.sort_unstable();
        assert!(counted.into_iter().eq(1..events), "{most}, {events}");
    }
}

#[test]
fn samples_of_one_session_are_held_out_together() {
    let folder = Folder::new();
    let log = (0..20).map(|name| session(&format!("s{name}"), 9)).collect::<String>();
    let options = SessionOptions { max_length: 4, ..options() };
    let data = folder.open(("a.csv", format!("s,i,t\n{log}")), &options).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (16 * 3, 4 * 3));
    let data = data.hold_out(4, 1).unwrap();
    let titles = |samples: &dyn Samples| {
        let title = |index| samples.title(index).split(',').next().unwrap().to_owned();
        let mut titles: Vec<String> = (0..samples.len() as u32).map(title).collect();
        titles.dedup();
        titles
    };
    let (train, valid) = (titles(&*data.train), titles(&**data.valid.as_ref().unwrap()));
    assert_eq!((train.len(), valid.len()), (14, 2));
    assert!(valid.iter().all(|title| !train.contains(title)));
}

#[test]
fn the_fingerprint_is_of_the_content() {
    let folder = Folder::new();
    let log = format!("s,i,t\n{}{}", session("a", 9), session("b", 5));
    let print = |name: &str, log: &str, options: &SessionOptions| {
        folder.read((name, log), options, None).unwrap().fingerprint().unwrap()
    };
    let of = print("a.csv", &log, &options());
    assert_eq!(print("b.csv", &log, &options()), of);
    assert_eq!(print("c.csv", &log, &SessionOptions { memory: 0, ..options() }), of);
    assert_ne!(print("d.csv", &log.replace("i0008", "j0008"), &options()), of);
    assert_ne!(print("e.csv", &log.replace("b,i0004", "a,i0004"), &options()), of);
    assert_ne!(print("f.csv", &log, &SessionOptions { max_length: 4, ..options() }), of);
    let parallel = SessionOptions { batches: SessionBatches::Parallel, ..options() };
    let streams = print("g.csv", &log, &parallel);
    assert_ne!(streams, of);
    assert_eq!(print("h.csv", &log, &parallel), streams);
    assert_ne!(print("i.csv", &log, &SessionOptions { window: 3, ..parallel }), streams);
}
