//! Sessions end to end: targets and resets, windows and cuts, and the validation part.

use proptest::prelude::*;

use super::*;

/// A log of sessions of these lengths. Its events are numbered through.
fn log(lengths: &[usize]) -> String {
    let mut text = "s,i,t\n".to_owned();
    let mut event = 0;
    for (session, &length) in lengths.iter().enumerate() {
        for _ in 0..length {
            text += &format!("{session},{},{event}\n", event * event % 17);
            event += 1;
        }
    }
    text
}

fn parallel(window: usize) -> SessionOptions {
    let (batches, max_length) = (SessionBatches::Parallel, 6);
    SessionOptions { batches, window, max_length, ..options() }
}

/// All steps, one after the other: what is read, the target, and whether a session begins.
fn naive(folder: &Folder, text: &str) -> Vec<(u32, u32, u8)> {
    let whole = SessionOptions { max_length: 1000, ..options() };
    let padded = folder.read(("naive.csv", text), &whole, None).unwrap();
    let steps = |(_, input, target): (String, Vec<u32>, Vec<u32>)| {
        let resets = (0..input.len()).map(|at| u8::from(at == 0));
        input
            .into_iter()
            .zip(target)
            .zip(resets)
            .map(|((input, target), reset)| (input, target, reset))
            .collect::<Vec<_>>()
    };
    rows(&*padded).into_iter().flat_map(steps).collect()
}

/// The steps of the samples at `indices`, row by row.
fn steps(samples: &dyn Samples, indices: &[u32]) -> Vec<Vec<(u32, u32, u8)>> {
    let batch = samples.batch(indices, &Device::Cpu).unwrap();
    let resets = batch.resets().expect("resets").to_vec2::<u8>().unwrap();
    let inputs = batch.input().tensor().to_vec2::<u32>().unwrap();
    let targets = batch.target().tensor().to_vec2::<u32>().unwrap();
    let longest = inputs[0].len();
    let lengths = batch.input().lengths().map_or(vec![longest; indices.len()], <[usize]>::to_vec);
    assert_eq!(batch.input().lengths(), batch.target().lengths());
    let row = |at: usize| {
        let all = (0..longest).map(|step| (inputs[at][step], targets[at][step], resets[at][step]));
        let mut all: Vec<_> = all.collect();
        assert!(all.drain(lengths[at]..).all(|padding| padding == (0, 0, 0)));
        all
    };
    (0..indices.len()).map(row).collect()
}

fn all(samples: &dyn Samples) -> Vec<u32> {
    (0..samples.len() as u32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn streams_are_the_sessions_one_after_the_other(
        lengths in prop::collection::vec(2_usize..9, 1..30),
        window in 1_usize..12,
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        spills in any::<bool>(),
    ) {
        let folder = Folder::new();
        let text = log(&lengths);
        let expected = naive(&folder, &text);
        let memory = if spills { 0 } else { 1 << 20 };
        let options = SessionOptions { memory, ..parallel(window) };
        let streams = folder.read(("a.csv", &text), &options, None).unwrap();
        let windows = streams.windows().unwrap();
        prop_assert_eq!(windows.steps(), expected.len() as u64);
        prop_assert_eq!((windows.window(), windows.evaluation_window()), (window, 6));
        prop_assert_eq!(streams.len(), expected.len().div_ceil(window));
        let found = steps(&*streams, &all(&*streams));
        prop_assert!(found.iter().take(found.len() - 1).all(|row| row.len() == window));
        prop_assert_eq!(&found.concat(), &expected);

        // Any cut, in windows of another length, and rows in any order.
        let [one, other] = [cut.0, cut.1].map(|at| at.index(expected.len() + 1));
        let range = one.min(other)..one.max(other);
        let part = windows.cut(range.start as u64..range.end as u64, 5);
        if range.is_empty() {
            prop_assert!(part.is_err());
            return Ok(());
        }
        let part = part.unwrap();
        let mut indices = all(&*part);
        prop_assert_eq!(steps(&*part, &indices).concat(), &expected[range.clone()]);
        indices.reverse();
        let mut reversed = steps(&*part, &indices);
        reversed.reverse();
        prop_assert_eq!(reversed.concat(), &expected[range.clone()]);
        // A cut of a cut.
        let steps_left = part.windows().unwrap().steps();
        let inner = part.windows().unwrap().cut(steps_left / 3..u64::MAX, 4).unwrap();
        let start = range.start + steps_left as usize / 3;
        prop_assert_eq!(steps(&*inner, &all(&*inner)).concat(), &expected[start..range.end]);
    }

    #[test]
    fn what_is_held_out_is_whole_sessions_and_the_rest_is_left(
        lengths in prop::collection::vec(2_usize..9, 2..30),
        window in 1_usize..6,
        count in 1_usize..8,
    ) {
        let folder = Folder::new();
        let text = log(&lengths);
        let expected = naive(&folder, &text);
        let streams = folder.read(("a.csv", &text), &parallel(window), None).unwrap();
        let test = streams.clone();
        let data = Dataset { train: streams, valid: None, test };
        // The fewest of the last sessions that have so many steps; at least one session is left.
        let (mut held_out, mut sessions) = (0, 0);
        while held_out < count * window && sessions < lengths.len() {
            sessions += 1;
            held_out += lengths[lengths.len() - sessions] - 1;
        }
        let data = data.hold_out(count, 1);
        if held_out < count * window || sessions == lengths.len() {
            let is_refused = matches!(data, Err(fgn_data::Error::HeldOut { .. }));
            prop_assert!(is_refused, "{:?}", data);
            return Ok(());
        }
        let data = data.unwrap();
        let left = expected.len() - held_out;
        prop_assert_eq!(steps(&*data.train, &all(&*data.train)).concat(), &expected[..left]);
        let valid = data.valid.unwrap();
        prop_assert!(valid.windows().is_none() && valid.schema() == data.train.schema());
        let targets: Vec<u32> = rows(&*valid).into_iter().flat_map(|(_, _, target)| target).collect();
        let counted: Vec<u32> = targets.into_iter().filter(|&target| target != IGNORED).collect();
        let of_expected: Vec<u32> = expected[left..].iter().map(|&(_, target, _)| target).collect();
        prop_assert_eq!(counted, of_expected);
        prop_assert_eq!(valid.group(valid.len() as u32 - 1) as usize + 1, sessions);
    }
}

#[test]
fn a_window_is_called_by_where_it_begins() {
    let folder = Folder::new();
    let streams = folder.read(("a.csv", log(&[5, 2, 4])), &parallel(3), None).unwrap();
    let titles: Vec<String> = all(&*streams).into_iter().map(|at| streams.title(at)).collect();
    assert_eq!(titles, ["0", "0, from event 4", "2, from event 2"]);
    assert_eq!((streams.group(0), streams.group(2)), (0, 0));
    assert!(streams.batch(&[3], &Device::Cpu).is_err());
}

/// A part of a stream that ends within a session holds out the whole sessions before it.
#[test]
fn a_cut_holds_out_what_is_whole() {
    let folder = Folder::new();
    let streams = folder.read(("a.csv", log(&[3, 3, 3, 9])), &parallel(2), None).unwrap();
    let cut = |end| streams.windows().unwrap().cut(0..end, 2).unwrap();
    let (left, held_out) = cut(10).hold_out(3, 1).unwrap().unwrap();
    assert_eq!((left.windows().unwrap().steps(), rows(&*held_out).len()), (4, 1));
    assert_eq!(held_out.title(0), "2");
    // Only a part of a session would be held out.
    assert!(cut(10).hold_out(1, 1).is_err());
}
