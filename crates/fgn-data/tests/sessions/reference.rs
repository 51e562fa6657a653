//! Random logs against the plainest implementation.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use fgn_data::{SessionSplit, Share};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;

/// A row: session, item and time.
type Row = (usize, usize, f64);

/// A session: its name and its items.
type Session = (usize, Vec<usize>);

fn random_rows(rows: usize, sessions: usize, items: usize, seed: u64) -> Vec<Row> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut row = |_| {
        let item = random.random_range(0..items) * random.random_range(0..items) / items;
        (random.random_range(0..sessions), item, f64::from(random.random_range(-9..9_i32)) / 2.0)
    };
    let mut rows: Vec<Row> = (0..rows).map(&mut row).collect();
    if seed.is_multiple_of(2) {
        rows.sort_by_key(|&(session, ..)| session);
    } else {
        rows.shuffle(&mut random);
    }
    rows
}

fn csv(rows: &[Row]) -> String {
    let rows = rows.iter().map(|(session, item, time)| format!("u{session},i{item},{time}\n"));
    "s,i,t\n".to_owned() + &rows.collect::<String>()
}

/// All sessions in their order, without what the options leave out.
fn filtered(rows: &[Row], options: &SessionOptions) -> Vec<Session> {
    let mut groups: BTreeMap<usize, Vec<(f64, usize, usize)>> = BTreeMap::new();
    for (number, &(session, item, time)) in rows.iter().enumerate() {
        let time = if options.time.is_some() { time } else { 0.0 };
        groups.entry(session).or_default().push((time, number, item));
    }
    let mut sessions: Vec<_> = groups.into_iter().collect();
    for (_, events) in &mut sessions {
        events.sort_by(|one, other| one.partial_cmp(other).unwrap());
    }
    sessions.sort_by(|(_, one), (_, other)| one[0].partial_cmp(&other[0]).unwrap());
    let items = |(session, events): (usize, Vec<(f64, usize, usize)>)| {
        (session, events.into_iter().map(|(.., item)| item).collect::<Vec<_>>())
    };
    let mut sessions: Vec<Session> = sessions.into_iter().map(items).collect();
    if options.deduplicate {
        sessions.iter_mut().for_each(|(_, items)| items.dedup());
    }
    let is_long = |(_, items): &Session| items.len() >= options.min_length;
    sessions.retain(is_long);
    let all: Vec<usize> = sessions.iter().flat_map(|(_, items)| items.clone()).collect();
    let support = |item: usize| all.iter().filter(|&&other| other == item).count() as u64;
    sessions
        .iter_mut()
        .for_each(|(_, items)| items.retain(|&item| support(item) >= options.min_support));
    sessions.retain(is_long);
    sessions
}

/// The names and counts of a catalogue: of training events, and for all of these items.
fn expected_catalogue(rows: &[Row], train: &[usize], all: &[usize]) -> Vec<(String, u64)> {
    let mut items: Vec<usize> = Vec::new();
    for &(_, item, _) in rows {
        if all.contains(&item) && !items.contains(&item) {
            items.push(item);
        }
    }
    let count = |item: usize| train.iter().filter(|&&other| other == item).count() as u64;
    items.sort_by_key(|&item| Reverse(count(item)));
    items.into_iter().map(|item| (format!("i{item}"), count(item))).collect()
}

fn events(sessions: &[Session]) -> Vec<usize> {
    sessions.iter().flat_map(|(_, items)| items.clone()).collect()
}

fn named(sessions: &[Session]) -> Vec<(String, Vec<String>)> {
    let items = |items: &[usize]| items.iter().map(|item| format!("i{item}")).collect();
    sessions.iter().map(|(session, all)| (format!("u{session}"), items(all))).collect()
}

fn found_catalogue(samples: &dyn Samples) -> Vec<(String, u64)> {
    let catalogue = catalogue(samples);
    catalogue.names().iter().cloned().zip(catalogue.counts().iter().copied()).collect()
}

#[test]
fn random_logs_are_read_as_by_hand() {
    let folder = Folder::new();
    let mut read = 0;
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(1000 + seed);
        let (sessions, items) = (random.random_range(2..40), random.random_range(2..30));
        let rows = random_rows(random.random_range(60..400), sessions, items, seed);
        let options = SessionOptions {
            time: random.random::<bool>().then(|| "t".into()),
            min_support: [1, 1, 2, 5][random.random_range(0..4)],
            min_length: random.random_range(2..5),
            deduplicate: random.random(),
            memory: if random.random() { 0 } else { 1 << 20 },
            max_length: 1000,
            ..options()
        };
        let all = filtered(&rows, &options);
        let held_out = all.len() / 4;
        if held_out == 0 {
            continue;
        }
        read += 1;
        let path = folder.write("a.csv", csv(&rows));
        let whole = InteractionLogs::read(&path, &options, None, &mut |_| ()).unwrap();
        assert_eq!(super::sessions(&*whole), named(&all), "{seed}");
        let of_all = events(&all);
        assert_eq!(found_catalogue(&*whole), expected_catalogue(&rows, &of_all, &of_all));

        for split in [SessionSplit::Time, SessionSplit::Sessions] {
            let options = SessionOptions { split, ..options.clone() };
            let test_split = TestSplit { share: Share::Count(held_out), seed };
            let data = InteractionLogs::open(&path, &options, test_split, &mut |_| ()).unwrap();
            let (train, test): (Vec<Session>, Vec<Session>) = match split {
                SessionSplit::Time => {
                    let (train, test) = all.split_at(all.len() - held_out);
                    (train.to_vec(), test.to_vec())
                }
                _ => {
                    let titles: Vec<String> =
                        super::sessions(&*data.train).into_iter().map(|(title, _)| title).collect();
                    all.iter().cloned().partition(|(name, _)| titles.contains(&format!("u{name}")))
                }
            };
            assert_eq!((train.len(), test.len()), (all.len() - held_out, held_out));
            assert_eq!(super::sessions(&*data.train), named(&train));
            let trained = events(&train);
            let catalogue = expected_catalogue(&rows, &trained, &trained);
            assert_eq!(found_catalogue(&*data.train), catalogue, "{seed}");
            let known = |(name, items): Session| {
                (name, items.into_iter().filter(|item| trained.contains(item)).collect())
            };
            let mut test: Vec<Session> = test.into_iter().map(known).collect();
            test.retain(|(_, items)| items.len() >= 2);
            assert_eq!(super::sessions(&*data.test), named(&test), "{seed}");
        }
        leave_one_out(&rows, &path, &options, &all);
    }
    assert!(read > 30, "{read} logs had sessions enough");
}

fn leave_one_out(rows: &[Row], path: &std::path::Path, options: &SessionOptions, all: &[Session]) {
    let options = SessionOptions { split: SessionSplit::LeaveOneOut, ..options.clone() };
    let data = InteractionLogs::open(path, &options, TestSplit::default(), &mut |_| ());
    let until =
        |(name, items): &Session, left: usize| (*name, items[..items.len() - left].to_vec());
    let train: Vec<Session> =
        all.iter().map(|it| until(it, if it.1.len() < 3 { 0 } else { 2 })).collect();
    let long: Vec<&Session> = all.iter().filter(|(_, items)| items.len() >= 3).collect();
    let steps: Vec<Session> = train.iter().filter(|(_, items)| items.len() >= 2).cloned().collect();
    let Ok(data) = data else {
        assert!(long.is_empty() || steps.is_empty());
        return;
    };
    assert_eq!(super::sessions(&*data.train), named(&steps));
    assert_eq!(
        found_catalogue(&*data.train),
        expected_catalogue(rows, &events(&train), &events(all))
    );
    for (samples, left) in [(data.valid.as_ref().unwrap(), 1), (&data.test, 0)] {
        let catalogue = catalogue(&**samples);
        let index = |item: &usize| catalogue.index(&format!("i{item}")).unwrap();
        let expected = long.iter().map(|session| {
            let (name, items) = until(session, left);
            let mut input: Vec<u32> = items.iter().map(index).collect();
            let last = input.pop().unwrap();
            let mut target = vec![IGNORED; input.len()];
            *target.last_mut().unwrap() = last;
            (format!("u{name}"), input, target)
        });
        assert_eq!(super::rows(&**samples), expected.collect::<Vec<_>>());
    }
}

/// More events than are sorted together, and none in memory.
#[test]
fn what_spills_is_the_same() {
    let folder = Folder::new();
    let rows = random_rows(150_000, 5_000, 700, 1);
    let path = folder.write("a.csv", csv(&rows));
    for batches in [SessionBatches::Parallel, SessionBatches::Padded] {
        let read = |memory| {
            let options = SessionOptions { memory, batches, min_support: 10, ..options() };
            let data =
                InteractionLogs::open(&path, &options, TestSplit::default(), &mut |_| ()).unwrap();
            let titles: Vec<String> =
                (0..data.test.len() as u32).map(|at| data.test.title(at)).collect();
            let last = data.train.len() as u32 - 1;
            let batch = data.train.batch(&[last, 0, last / 2], &Device::Cpu).unwrap();
            let batch = batch.input().tensor().to_vec2::<u32>().unwrap();
            let prints = [&data.train, &data.test].map(|part| part.fingerprint().unwrap());
            (data.train.schema().clone(), prints, titles, batch)
        };
        assert_eq!(read(0), read(1 << 30));
    }
}
