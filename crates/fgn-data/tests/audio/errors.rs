//! Sounds, tables and options that are wrong.

use super::*;

/// The error for what must be refused, without the folder's name.
#[track_caller]
fn refused(folder: &Folder, name: &str, options: &AudioOptions, like: Option<&Like>) -> String {
    let path = format!("{}{}", folder.0.path().display(), std::path::MAIN_SEPARATOR);
    let error = folder.read(name, options, like).expect_err("accepted").to_string();
    error.replace(&path, "").replace('\\', "/")
}

#[test]
fn a_damaged_file_is_named() {
    let folder = Folder::new();
    spoken(&folder, &["ada"]);
    let whole = fs::read(folder.path("all/0_ada_1.wav")).unwrap();
    folder.write("all/0_ada_1.wav", &whole[..48]);
    assert_eq!(
        refused(&folder, "all", &named(), None),
        "all/0_ada_1.wav: found the end after 2 samples, expected 4 more bytes, as the header says: is it cut short?"
    );
    folder.sound("all/0_ada_1.wav", 1_000, &[0; 61_000]);
    assert_eq!(
        refused(&folder, "all", &named(), None),
        "all/0_ada_1.wav: found 61.000 seconds, expected at most 60 seconds"
    );
    let longer = AudioOptions { max_seconds: 61.0, ..named() };
    assert_eq!(folder.read("all", &longer, None).unwrap().len(), 6);
    folder.sound("all/0_ada_1.wav", 8_000, &[]);
    assert_eq!(
        refused(&folder, "all", &named(), None),
        "all/0_ada_1.wav: found no samples, expected one or more"
    );
}

#[test]
fn names_that_do_not_fit_and_fields_that_are_missing() {
    let folder = Folder::new();
    spoken(&folder, &["ada"]);
    let other = folder.sound("all/hello.wav", 8_000, &values(0));
    assert_eq!(
        refused(&folder, "all", &named(), None),
        "all/hello.wav: found the name \"hello\", expected one like {class}_{speaker}_{index} (data.audio.names)"
    );
    fs::remove_file(other).unwrap();
    let options = AudioOptions { group: Some("who".into()), ..named() };
    assert_eq!(
        refused(&folder, "all", &options, None),
        "data.audio.group is \"who\", expected one of the fields: class, speaker, index"
    );
    let options = AudioOptions { target: Some("digit".into()), ..named() };
    assert!(refused(&folder, "all", &options, None).starts_with("data.audio.target is \"digit\""));
    assert_eq!(
        refused(&folder, "all", &AudioOptions::default(), None),
        "all: found sounds whose targets are not known, expected a folder for each class, a table of the sounds, or \
         data.audio.names, which says what their names mean, as \"{class}_{index}\""
    );
    let names = Some("{class}".into());
    let classes = AudioOptions { names, ..AudioOptions::default() };
    folder.sound("words/yes/a.wav", 8_000, &values(0));
    assert!(refused(&folder, "words", &classes, None).contains("fields beside {class}"));
}

#[test]
#[cfg(not(feature = "symphonia"))]
fn compressed_sounds_need_a_feature() {
    let folder = Folder::new();
    folder.write("songs/yes/b.mp3", "");
    assert!(Sounds::accepts(&folder.path("songs")));
    assert_eq!(
        refused(&folder, "songs", &AudioOptions::default(), None),
        "songs/yes/b.mp3: found a file (.mp3), expected sounds (.wav) only, or a build with the feature `symphonia`: \
         convert it, move it away, or put a dot before its name"
    );
    folder.write("song.flac", "fLaC");
    folder.write("set.csv", "path,class\nsong.flac,yes\n");
    assert_eq!(
        refused(&folder, "set.csv", &AudioOptions::default(), None),
        "set.csv, line 2: song.flac: found a FLAC file, expected WAV, or a build with the feature `symphonia`"
    );
}

#[test]
fn folders_hold_sounds_alone() {
    let folder = Folder::new();
    folder.sound("words/yes/a.wav", 8_000, &values(0));
    let song = folder.write("words/yes/b.m4a", "");
    let default = AudioOptions::default();
    let error = refused(&folder, "words", &default, None);
    assert!(
        error.starts_with("words/yes/b.m4a: found a file (.m4a), expected sounds (.wav"),
        "{error}"
    );
    let advice = " only: convert it, move it away, or put a dot before its name";
    assert!(error.ends_with(advice), "{error}");
    fs::remove_file(song).unwrap();
    fs::create_dir(folder.path("words/no")).unwrap();
    assert!(refused(&folder, "words", &default, None).starts_with("words/no: found no sound"));
    // Another part may lack a class.
    let like = Like::of(
        &*folder
            .read(
                "words/yes",
                &AudioOptions { names: Some("{class}".into()), ..default.clone() },
                None,
            )
            .unwrap(),
    );
    let error = refused(&folder, "words", &default, Some(&like));
    assert_eq!(error, "words/yes/a.wav: found \"yes\", expected a known class: \"a\"");
}

#[test]
fn rows_are_named() {
    let folder = Folder::new();
    folder.sound("a.wav", 8_000, &values(0));
    let text = AudioOptions {
        task: AudioTask::Transcription,
        target: Some("text".into()),
        ..AudioOptions::default()
    };
    folder.write("set.csv", "path,text\na.wav,yes\nnone.wav,no\n");
    let error = refused(&folder, "set.csv", &text, None);
    assert!(error.starts_with("set.csv, line 3: none.wav: cannot be read: "), "{error}");
    folder.write("set.csv", "path,text\na.wav,yes\na.wav,\n");
    assert_eq!(
        refused(&folder, "set.csv", &text, None),
        "set.csv, line 3, column \"text\": found an empty field, expected a path, a class or a text"
    );
    folder.write("set.csv", "file,text\na.wav,yes\n");
    assert!(refused(&folder, "set.csv", &text, None).contains("no column \"path\""));
    folder.write("set.csv", "path,text\na.wav,yes\n");
    let like = Like::of(&*folder.read("set.csv", &text, None).unwrap());
    folder.write("set.csv", "path,text\na.wav,yes\na.wav,yeah\n");
    assert_eq!(
        refused(&folder, "set.csv", &text, Some(&like)),
        "set.csv, line 3: found the vocabulary has no \"a\", \"h\", expected symbols among its 4, expected a text of \
         the symbols that the tokenizer was trained on"
    );
    folder.write("set.csv", "path,text\n");
    assert!(refused(&folder, "set.csv", &text, None).contains("an empty set"));
}

#[test]
fn options_out_of_range() {
    let folder = Folder::new();
    spoken(&folder, &["ada"]);
    for (text, expected) in [
        ("sample_rate = 10", "data.audio.sample_rate is 10, expected 1000 to 768000 Hz"),
        ("max_seconds = 0.0", "data.audio.max_seconds is 0, expected above 0 and at most 3600"),
        ("max_seconds = nan", "data.audio.max_seconds is NaN"),
        ("names = \"class\"", "data.audio.names is \"class\", expected fields in braces"),
        ("target = \"\"", "data.audio.target is not given"),
        ("delimiter = \"é\"", "data.audio.delimiter is 'é'"),
        ("strings = {}", "data.audio.strings is given, expected task = \"transcription\""),
        (
            "task = \"transcription\"\nstrings = { count = [2, 1] }",
            "data.audio.strings.count is [2, 1]",
        ),
        (
            "task = \"transcription\"\nstrings = { count = [0, 1] }",
            "data.audio.strings.count is [0, 1]",
        ),
        (
            "task = \"transcription\"\nstrings = { gap = [0.2, 0.1] }",
            "data.audio.strings.gap is [0.2, 0.1]",
        ),
        (
            "task = \"transcription\"\nstrings = { gap = [nan, 0.1] }",
            "data.audio.strings.gap is [NaN, 0.1]",
        ),
        ("task = \"transcription\"\nstrings = { samples = 0 }", "data.audio.strings.samples is 0"),
        (
            "task = \"transcription\"\nstrings = {}\ntokenizer = { kind = \"words\" }",
            "data.audio.tokenizer.kind is Words",
        ),
    ] {
        let options: AudioOptions = toml::from_str(text).unwrap();
        let error = refused(&folder, "all", &options, None);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert!(toml::from_str::<AudioOptions>("rate = 8000").is_err());
    let options: AudioOptions =
        toml::from_str("test = { field = \"n\", values = [\"1\"] }").unwrap();
    let text = toml::to_string(&options).unwrap();
    assert_eq!(toml::from_str::<AudioOptions>(&text).unwrap(), options);
}
