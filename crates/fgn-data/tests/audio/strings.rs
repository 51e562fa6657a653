//! Strings of sounds.

use fgn_data::StringOptions;

use super::*;

const SPEAKERS: [&str; 2] = ["ada", "bo"];

fn strings(samples: u32, more: impl FnOnce(&mut StringOptions)) -> AudioOptions {
    let mut strings = StringOptions {
        count: [1, 3],
        gap: [0.0, 0.01],
        samples,
        test_samples: 20,
        ..StringOptions::default()
    };
    more(&mut strings);
    let (group, strings) = (Some("speaker".into()), Some(strings));
    let test = Some(TestFiles { field: "index".into(), values: vec!["1".into()] });
    AudioOptions { group, strings, test, ..transcribed() }
}

/// Which of the files make up a sound, by their numbers, and the zeros before each but the first. The numbers are
/// those of [`spoken`] for two speakers; no sample but the first of number 0 is zero.
fn parts(sound: &[f32]) -> (Vec<usize>, Vec<usize>) {
    let (mut numbers, mut gaps, mut rest) = (Vec::new(), Vec::new(), sound);
    while !rest.is_empty() {
        let mut zeros = rest.iter().take_while(|&&sample| sample == 0.0).count();
        let first = rest[zeros] * 32768.0;
        let number = if first < 100.0 { 0 } else { first as usize / 100 };
        // Number 0 begins with a zero of its own.
        zeros -= usize::from(number == 0);
        let expected = samples_of(number);
        assert_eq!(rest[zeros..][..expected.len()], expected);
        if numbers.is_empty() {
            assert_eq!(zeros, 0);
        } else {
            gaps.push(zeros);
        }
        numbers.push(number);
        rest = &rest[zeros + expected.len()..];
    }
    (numbers, gaps)
}

#[test]
fn strings_are_joined_of_different_sounds_of_one_speaker_and_part() {
    let folder = Folder::new();
    spoken(&folder, &SPEAKERS);
    let data = folder.open("all", &strings(300, |_| ()), TestSplit::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (300, 20));
    assert_eq!(titles(&*data.train)[7], "string 7");
    let (mut counts, mut all_gaps, mut groups) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for (part, index) in [(&data.train, 0), (&data.test, 1)] {
        let texts = texts(&**part);
        for at in 0..part.len() as u32 {
            let (numbers, gaps) = parts(&sounds(&**part, &[at])[0]);
            let speaker = |number: usize| number / 2 % 2;
            assert!(numbers.iter().all(|&number| number % 2 == index));
            assert!(numbers.iter().all(|&number| speaker(number) == speaker(numbers[0])));
            assert_eq!(part.group(at) as usize, speaker(numbers[0]));
            assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
            let digits: String = numbers.iter().map(|number| (number / 4).to_string()).collect();
            assert_eq!(texts[at as usize], digits);
            counts.insert(numbers.len());
            groups.insert(part.group(at));
            all_gaps.extend(gaps);
        }
    }
    assert_eq!(counts, BTreeSet::from([1, 2, 3]));
    assert_eq!(groups, BTreeSet::from([0, 1]));
    // Ten milliseconds are 80 samples.
    let (least, most) = (all_gaps.iter().min().unwrap(), all_gaps.iter().max().unwrap());
    assert!(*least < 8 && (73..=80).contains(most), "{least} to {most}");
}

#[test]
fn a_string_depends_on_the_seed_its_part_and_its_index_alone() {
    let folder = Folder::new();
    spoken(&folder, &SPEAKERS);
    let open = |options: &AudioOptions| folder.open("all", options, TestSplit::default()).unwrap();
    let all = |samples: &dyn Samples| sounds(samples, &(0..20).collect::<Vec<_>>());
    let one = open(&strings(20, |_| ()));
    let longer = open(&strings(50, |_| ()));
    assert_eq!(all(&*one.train), all(&*longer.train));
    assert_eq!(sounds(&*longer.train, &[17, 3])[1], all(&*one.train)[3]);
    assert_eq!(one.test.fingerprint().unwrap(), longer.test.fingerprint().unwrap());
    assert_ne!(one.train.fingerprint().unwrap(), longer.train.fingerprint().unwrap());
    let other = open(&strings(20, |strings| strings.seed = 2));
    assert_ne!(all(&*one.train), all(&*other.train));
    // An evaluation reads the same strings as the test part; to predict, sounds are not joined.
    let like = Like::of(&*one.train);
    let again = folder.read("all", &strings(20, |_| ()), Some(&like)).unwrap();
    assert_eq!(all(&*again), all(&*one.test));
    let plain = folder.read("all", &strings(20, |_| ()), Some(&like.unlabelled())).unwrap();
    assert_eq!(plain.len(), 12);
}

#[test]
fn a_group_of_too_few_sounds_is_named() {
    let folder = Folder::new();
    spoken(&folder, &SPEAKERS);
    let options = strings(20, |strings| strings.count = [1, 4]);
    let error = folder.open("all", &options, TestSplit::default()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "found 3 sounds of the group \"ada\", expected 4 or more, as a string has (data.audio.strings.count)"
        ),
        "{error}"
    );
    // Without groups all sounds of a part are together.
    let options = AudioOptions { group: None, ..options };
    let data = folder.open("all", &options, TestSplit::default()).unwrap();
    assert_eq!((data.train.group(3), data.train.len()), (3, 20));
}
