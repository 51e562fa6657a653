//! Models of sounds: trained, evaluated, and used on files and streams.

use std::f32::consts::TAU;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use fgn_audio::files::to_wav;
use serde_json::Value;

use crate::place::{Done, Place};

const RATE: u32 = 4000;

/// A tone of that frequency for so many seconds, with a little noise.
fn tone(frequency: f32, seconds: f32, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let count = (seconds * RATE as f32) as usize;
    let sample = |at: usize| 0.3 * (TAU * frequency * at as f32 / RATE as f32).sin();
    (0..count).map(|at| sample(at) + 0.02 * noise()).collect()
}

fn silence(seconds: f32) -> Vec<f32> {
    tone(0.0, seconds, 3)
}

fn frequency(letter: char) -> f32 {
    match letter {
        'a' => 400.0,
        'b' => 700.0,
        _ => 1200.0,
    }
}

/// The letters as tones, with silence between them.
fn said(text: &str, seed: u32) -> Vec<f32> {
    let mut sound = silence(0.1);
    for (at, letter) in text.chars().enumerate() {
        let length = 0.1 + 0.02 * ((seed + at as u32) % 4) as f32;
        sound.extend(tone(frequency(letter), length, seed + at as u32));
        sound.extend(silence(0.08));
    }
    sound
}

fn write(place: &Place, name: &str, sound: &[f32]) {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, to_wav(sound, RATE).unwrap()).unwrap();
}

fn train(place: &Place, more: &[&str]) -> Done {
    let quick = [
        "--set",
        "training.warmup_steps=0",
        "--set",
        "training.average=0.9",
        "--set",
        "training.batch_size=8",
        "--set",
        "optimizer.learning_rate=0.01",
        "--set",
        "model.recurrent.hidden_size=24",
        "--set",
        "model.input.front_end={stack=2,n_mels=16}",
        "--out",
        "run",
    ];
    place.fgn(&[more, &quick].concat()).succeeds()
}

/// A model that writes down tones, in the folder `run`, and the sound `abca.wav`.
fn writer() -> Place {
    let place = Place::new();
    let texts = ["a", "b", "c", "ab", "ba", "ca", "bc", "abc", "cab", "cc", "aab", "bcb"];
    let mut table = String::from("path,text\n");
    for at in 0..72 {
        let text = texts[at % texts.len()];
        write(&place, &format!("tones/{at}.wav"), &said(text, at as u32));
        table += &format!("tones/{at}.wav,{text}\n");
    }
    fs::write(place.path("tones.csv"), table).unwrap();
    write(&place, "abca.wav", &said("abca", 5));
    let args = [
        "train",
        "dtmf",
        "--data",
        "tones.csv",
        "--epochs",
        "25",
        "--set",
        "data.audio.task=transcription",
        "--set",
        "data.audio.target=text",
    ];
    let done = train(&place, &args);
    assert!(done.out.contains("Test character error rate = "), "{}", done.out);
    place
}

fn piped(place: &Place, args: &[&str], input: &[u8]) -> String {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let mut command = place.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tones_are_written_down_from_files_and_from_streams() {
    let place = writer();
    let data = place.fgn(&[
        "data",
        "tones.csv",
        "--set",
        "data.audio.task=transcription",
        "--set",
        "data.audio.target=text",
    ]);
    let data = data.succeeds().out;
    for part in
        ["sounds at 4000 Hz", "length    0.2", "answers   \"a\" \"b\" \"c\"", "example   \""]
    {
        assert!(data.contains(part), "no {part:?} in {data}");
    }
    let whole = place.fgn(&["transcribe", "run", "abca.wav"]).succeeds().out;
    assert_eq!(whole, "abca.wav: abca\n");
    let object =
        &objects(&place.fgn(&["transcribe", "run", "abca.wav", "--json"]).succeeds().out)[0];
    assert_eq!((&object["text"], &object["file"]), (&"abca".into(), &"abca.wav".into()));
    let starts: Vec<f64> = object["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["time"].as_f64().unwrap())
        .collect();
    assert_eq!(starts.len(), 4);
    assert!(starts.is_sorted() && starts[3] < 1.0, "{starts:?}");
    assert_eq!(place.fgn(&["predict", "run", "abca.wav"]).succeeds().out, whole);

    // The same from a stream, whatever it comes in.
    let heard = |lines: &str| -> Vec<(String, f64)> {
        let pair =
            |it: &Value| (it["text"].as_str().unwrap().to_owned(), it["time"].as_f64().unwrap());
        objects(lines).iter().map(pair).collect()
    };
    let expected: Vec<(String, f64)> = "abca".chars().map(String::from).zip(starts).collect();
    let listen = place.fgn(&["listen", "run", "abca.wav", "--json"]).succeeds();
    assert_eq!(heard(&listen.out), expected);
    assert!(listen.err.contains("real-time factor"), "{}", listen.err);
    let wav = fs::read(place.path("abca.wav")).unwrap();
    assert_eq!(heard(&piped(&place, &["listen", "run", "--json"], &wav)), expected);
    let raw = ["listen", "run", "-", "--raw", "s16le", "--rate", "4000", "--json"];
    assert_eq!(heard(&piped(&place, &raw, &wav[44..])), expected);
    let lines = place.fgn(&["listen", "run", "abca.wav"]).succeeds().out;
    let texts: String = lines.lines().filter_map(|line| line.split("  ").last()).collect();
    assert_eq!(texts, "abca");

    // At another rate: what is heard stays.
    let sound = said("abca", 5);
    let double: Vec<f32> = sound.iter().flat_map(|&sample| [sample, sample]).collect();
    let faster = to_wav(&double, 2 * RATE).unwrap();
    let texts: String = heard(&piped(&place, &["listen", "run", "--json"], &faster))
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(texts, "abca");

    let report = place.fgn(&["report", "run"]).succeeds();
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    for part in ["What is heard when", "data:audio/wav;base64,"] {
        assert!(page.contains(part), "no {part:?} in the report; {}", report.out);
    }
}

#[test]
fn sounds_that_cannot_be_heard_are_refused() {
    let place = writer();
    let wav = fs::read(place.path("abca.wav")).unwrap();
    fs::write(place.path("short.wav"), &wav[..60]).unwrap();
    fs::write(place.path("none.wav"), to_wav(&[], RATE).unwrap()).unwrap();
    fs::write(place.path("text.wav"), "these are letters, and no samples at all").unwrap();
    for command in ["transcribe", "predict", "listen"] {
        for (file, expected) in [
            ("short.wav", "short.wav"),
            ("none.wav", "none.wav"),
            ("text.wav", "expected WAV"),
            ("missing.wav", "missing.wav"),
        ] {
            let done = place.fgn(&[command, "run", file]);
            assert_eq!(done.code, Some(1), "{command} {file}: {}", done.out);
            assert!(done.err.contains(expected), "{command} {file}: {}", done.err);
        }
    }
    fs::write(place.path("raw"), [0; 100]).unwrap();
    // Those that can be read are, beside one that cannot.
    let done = place.fgn(&["transcribe", "run", "short.wav", "abca.wav"]);
    assert_eq!((done.code, &done.out[..]), (Some(1), "abca.wav: abca\n"));
    for (args, expected) in [
        (&["listen", "run", "abca.wav", "--raw", "s16le"][..], "--rate"),
        (&["listen", "run", "raw", "--raw", "s16le", "--rate", "0"], "0 Hz"),
        (&["listen", "run", "abca.wav", "--raw", "s16le", "--rate", "4000"], "leave out --raw"),
        (&["listen", "run", "abca.wav", "--window", "1"], "--window is given, expected to be left"),
    ] {
        let done = place.fgn(args);
        assert_ne!(done.code, Some(0), "{args:?}");
        assert!(done.err.contains(expected), "{args:?}: {}", done.err);
    }
}

#[test]
fn words_are_found_in_a_long_sound() {
    let place = Place::new();
    for at in 0..20 {
        for (class, pitch) in [("low", 400.0), ("high", 1200.0), ("none", 0.0)] {
            write(&place, &format!("words/{class}/{at}.wav"), &tone(pitch, 0.4, at));
        }
    }
    let args = [
        "train",
        "keywords",
        "--data",
        "words",
        "--epochs",
        "12",
        "--set",
        "model.input.augment={}",
    ];
    let done = train(&place, &args);
    assert!(done.out.contains("Test accuracy = "), "{}", done.out);
    let long =
        [silence(1.0), tone(400.0, 0.4, 1), silence(1.0), tone(1200.0, 0.4, 2), silence(1.0)];
    write(&place, "long.wav", &long.concat());
    let args = [
        "listen",
        "run",
        "long.wav",
        "--window",
        "0.4",
        "--hop",
        "0.1",
        "--background",
        "none",
        "--json",
    ];
    let found = objects(&place.fgn(&args).succeeds().out);
    let mut names: Vec<_> = found.iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.dedup();
    assert_eq!(names, ["low", "high"], "{found:?}");
    for (it, [begin, end]) in found.iter().zip([[0.9, 1.9], [2.2, 3.3]]) {
        let at = it["end"].as_f64().unwrap();
        assert!((begin..end).contains(&at), "{it}");
        assert!(it["probability"].as_f64().unwrap() >= 0.8);
    }
    for (args, expected) in [
        (&["--background", "nothing"][..], "--background is \"nothing\""),
        (&["--window", "0"], "`window` is 0, expected seconds above 0"),
        (&["--threshold", "2"], "`threshold` is 2, expected a probability"),
    ] {
        let done = place.fgn(&[&["listen", "run", "long.wav"], args].concat());
        assert_eq!(done.code, Some(1), "{args:?}");
        assert!(done.err.contains(expected), "{args:?}: {}", done.err);
    }
    let done = place.fgn(&["transcribe", "run", "long.wav"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("this model is for sounds at 4000 Hz, 3 classes"), "{}", done.err);
    let saved = place.fgn(&["data", "words", "--save", "2"]).succeeds().out;
    assert!(saved.contains(".wav"), "{saved}");
}
