//! The Free Spoken Digit Dataset, where it is at hand.

use std::io::Read;
use std::path::Path;

use fgn_data::StringOptions;
use lzma_rust2::XzReader;

use super::*;

/// Writes the files of an archive of `tar` into a folder, without its folders.
fn unpack(archive: &[u8], folder: &Folder) {
    let mut rest = archive;
    while let Some((header, content)) = rest.split_first_chunk::<512>() {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8(bytes[..end].to_vec()).unwrap()
        };
        let (name, size) = (text(&header[..100]), text(&header[124..136]));
        if name.is_empty() {
            break;
        }
        let size = usize::from_str_radix(size.trim(), 8).unwrap();
        if !name.ends_with('/') {
            folder.write(&name, &content[..size]);
        }
        rest = &content[size.next_multiple_of(512).min(content.len())..];
    }
}

#[test]
fn spoken_digits_are_read_as_their_names_say() {
    let archive = "../../../shared/data/fsdd-recordings.tar.xz";
    let Ok(archive) = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(archive)) else {
        println!("skipped: no data");
        return;
    };
    let mut bytes = Vec::new();
    XzReader::new(&archive[..], false).read_to_end(&mut bytes).unwrap();
    let folder = Folder::new();
    unpack(&bytes, &folder);
    let values = ["0", "1", "2", "3", "4"].map(String::from).to_vec();
    let test = Some(TestFiles { field: "index".into(), values });
    let options = AudioOptions { test, group: Some("speaker".into()), ..named() };
    let data = folder.open("recordings", &options, TestSplit::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (2_700, 300));
    assert_eq!(data.train.schema().to_string(), "sounds at 8000 Hz, 10 classes");
    let speakers: BTreeSet<u32> = (0..2_700).map(|index| data.train.group(index)).collect();
    assert_eq!(speakers.len(), 6);
    let input = statistics(&*data.train).unwrap().input.unwrap();
    assert!(input.std[0] > 0.02 && input.std[0] < 0.2, "{input:?}");

    let strings = StringOptions { samples: 200, test_samples: 50, ..StringOptions::default() };
    let task = AudioTask::Transcription;
    let options = AudioOptions { strings: Some(strings), task, ..options };
    let data = folder.open("recordings", &options, TestSplit::default()).unwrap();
    let digits = texts(&*data.test);
    assert!(digits.iter().all(|text| (1..=7).contains(&text.len())));
    assert!(digits.concat().chars().all(|digit| digit.is_ascii_digit()));
}
