//! Models that recommend what comes next in sessions.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{Embedding, Mode, Model, ModelConfig, NextItem, RecurrentConfig};
use fgn_schema::{Catalogue, Prediction};
use fgn_train::{Config, TrainedRun};
use serde_json::{Value, json};

use crate::place::{Done, Place};

const NAMES: [&str; 8] =
    ["tea", "milk", "tea, green", "cup", "a\tb", "say \"x\"", "größe", "spoon"];
const COUNTS: [u64; 8] = [10, 40, 5, 20, 1, 2, 3, 19];

/// A recommender in the file `items.safetensors`, whose parameters are those of its first step.
struct Shop {
    place: Place,
    model: Model,
}

impl Shop {
    fn new() -> Shop {
        let names = NAMES.map(str::to_owned).to_vec();
        let items = Catalogue::new(names, COUNTS.to_vec()).unwrap();
        let (input, recurrent) =
            (Embedding::new(NAMES.len(), 4), RecurrentConfig::new(AnyCell::GRU, 6));
        let mut config = Config::load("mnist-rows", &[]).unwrap();
        config.model = ModelConfig::new(input, recurrent, NextItem::new(items));
        let model = Model::new(&config.model, 3, DType::F32, &Device::Cpu).unwrap();
        // What was read matters more than at first.
        for (_, var) in model.parameters() {
            var.set(&(var.as_tensor() * 4.0).unwrap()).unwrap();
        }
        let place = Place::new();
        let run = TrainedRun { config, model };
        run.export(&place.path("items.safetensors")).unwrap();
        Shop { place, model: run.model }
    }

    /// All items after some, the best first, with their scores: those of a forward pass over all of them.
    fn ranked(&self, items: &[u32]) -> Vec<(&'static str, f32)> {
        let input = Tensor::from_slice(items, (1, items.len()), &Device::Cpu).unwrap();
        let found = self.model.forward(&input, Mode::Eval).unwrap().prediction;
        let Prediction::Ranking(ranking) = found else { panic!("a ranking") };
        let best = ranking.items().tensor().to_vec2::<u32>().unwrap().remove(0);
        let scores = ranking.scores().to_vec2::<f32>().unwrap().remove(0);
        assert_eq!(best.len(), NAMES.len());
        best.into_iter().map(|item| NAMES[item as usize]).zip(scores).collect()
    }

    /// The names of the best items after some, as a line of text has them.
    fn best(&self, items: &[u32], count: usize) -> Vec<String> {
        let ranked = self.ranked(items).into_iter().take(count);
        ranked.map(|(name, _)| name.replace('\t', "\\t")).collect()
    }

    fn recommend(&self, args: &[&str]) -> Done {
        self.place.fgn(&[&["recommend", "items.safetensors"], args].concat())
    }

    /// The program, waiting for events.
    fn stream(&self, args: &[&str]) -> Stream {
        let args = [&["recommend", "items.safetensors", "--stream"], args].concat();
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let mut command = self.place.command(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Stream { child, input, output: BufReader::new(output) }
    }
}

struct Stream {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Stream {
    fn send(&mut self, line: &[u8]) {
        self.input.write_all(&[line, b"\n"].concat()).unwrap();
        self.input.flush().unwrap();
    }

    /// The answer to an event, which must come while the stream is open.
    fn ask(&mut self, line: &str) -> String {
        self.send(line.as_bytes());
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end_matches('\n').to_owned()
    }

    /// Ends the input: the exit code, and standard error.
    fn end(self) -> (Option<i32>, String) {
        let Stream { mut child, input, mut output } = self;
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (child.wait().unwrap().code(), err)
    }
}

fn names(object: &Value) -> Vec<&str> {
    object["items"].as_array().unwrap().iter().map(|it| it["item"].as_str().unwrap()).collect()
}

#[test]
fn a_history_is_answered_by_the_best_items() {
    let shop = Shop::new();
    let history = "tea,\"tea, green\", cup ,\"say \"\"x\"\"\"";
    let expected = shop.ranked(&[0, 2, 3, 5]);
    assert_ne!(expected, shop.ranked(&[5, 3, 2, 0]), "order matters");
    let done = shop.recommend(&["--history", history]).succeeds();
    assert_eq!(done.err, "");
    let lines: Vec<Vec<&str>> = done
        .out
        .lines()
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect())
        .collect();
    let trimmed = |cell: &str| cell.trim().to_owned();
    let head: Vec<_> = lines[0].iter().map(|cell| trimmed(cell)).collect();
    assert_eq!((head, lines.len()), (vec!["rank".to_owned(), "item".into(), "score".into()], 9));
    for ((rank, line), (name, score)) in (1..).zip(&lines[1..]).zip(&expected) {
        let cells: Vec<_> = line.iter().map(|cell| trimmed(cell)).collect();
        assert_eq!(cells[..2], [format!("{rank}"), name.replace('\t', "\\t")]);
        assert!((cells[2].parse::<f32>().unwrap() - score).abs() < 2e-4, "{cells:?} {score}");
    }

    let done = shop.recommend(&["--history", history, "--top", "3", "--json"]).succeeds();
    let object: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(object["unknown"], json!([]));
    for (found, (name, score)) in object["items"].as_array().unwrap().iter().zip(&expected) {
        assert_eq!(found["item"], *name);
        assert!((found["score"].as_f64().unwrap() - f64::from(*score)).abs() < 1e-5, "{found}");
    }
    assert_eq!(names(&object).len(), 3);
    for precision in ["bf16", "int8"] {
        let done = shop.recommend(&["--history", history, "--precision", precision, "--json"]);
        let found: Value = serde_json::from_str(&done.succeeds().out).unwrap();
        let first = found["items"][0]["score"].as_f64().unwrap();
        assert!((first - f64::from(expected[0].1)).abs() < 0.25, "{first} {:?}", expected[0]);
    }
}

#[test]
fn items_of_the_session_can_be_left_out() {
    let shop = Shop::new();
    let seen = ["tea", "cup", "milk", "spoon", "größe"];
    let done = shop.recommend(&["--history", &seen.join(","), "--exclude-seen", "--json"]);
    let object: Value = serde_json::from_str(&done.succeeds().out).unwrap();
    let ranked = shop.ranked(&[0, 3, 1, 7, 6]);
    let left = ranked.iter().map(|it| it.0).filter(|name| !seen.contains(name));
    // Fewer are left than the 8 that are recommended otherwise.
    assert_eq!(names(&object), left.collect::<Vec<_>>());
    assert_eq!(names(&object).len(), 3);
}

#[test]
fn unknown_items_are_named_and_popular_ones_stand_in() {
    let shop = Shop::new();
    let done = shop.recommend(&["--history", "nothing,tea,,z", "--json"]).succeeds();
    assert_eq!(done.err, "unknown items, left out: \"nothing\", \"\", \"z\"\n");
    let object: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(object["unknown"], json!(["nothing", "", "z"]));
    assert_eq!(names(&object), shop.ranked(&[0]).iter().map(|it| it.0).collect::<Vec<_>>());

    for history in ["", "a,b,c,d,e,f,g"] {
        let done = shop.recommend(&["--history", history, "--top", "4"]).succeeds();
        let rows: Vec<Vec<&str>> =
            done.out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        let expected = [
            ["1", "milk", "0.4000"],
            ["2", "cup", "0.2000"],
            ["3", "spoon", "0.1900"],
            ["4", "tea", "0.1000"],
        ];
        assert_eq!(rows, expected);
        assert!(done.err.contains("these are the most popular ones"), "{}", done.err);
        let is_cut = done.err.contains("\"a\", \"b\", \"c\", \"d\", \"e\" and 2 more\n");
        assert_eq!(is_cut, !history.is_empty(), "{}", done.err);
    }
}

#[test]
fn what_cannot_be_recommended_is_an_error() {
    let shop = Shop::new();
    for top in ["0", "9", "1000000000000"] {
        let parts = [&format!("`--top` is {top}, expected 1 to 8, the items of the catalogue")[..]];
        shop.recommend(&["--history", "tea", "--top", top]).fails_with(&parts);
    }
    shop.recommend(&["--history", "tea\ncup"])
        .fails_with(&["`--history` is several lines, expected names of items on a line"]);
    for (args, part) in [
        (&[][..], "--history <ITEMS>"),
        (&["--history", "tea", "--stream"], "cannot be used with"),
        (&["--history", "tea", "log.csv"], "cannot be used with"),
        (&["--history", "tea", "--sessions", "3"], "cannot be used with"),
        (&["--stream", "--sessions", "0"], "invalid value '0'"),
        (&["--stream", "--set", "data.validation=0"], "cannot be used with"),
    ] {
        shop.recommend(args).fails_with(&[part]);
    }
    shop.recommend(&["none.csv"]).fails_with(&["none.csv"]);

    let place = Place::new();
    place.train(1, &["--out", "run"]).succeeds();
    place.fgn(&["recommend", "run", "--history", "tea"]).fails_with(&[
        "run: this model is for images of 28 x 28 pixels, 10 classes",
        "expected items and the next of them",
        "model.head.kind = \"next-item\"",
    ]);
    place.fgn(&["recommend", "rum", "--history", "tea"]).fails_with(&["did you mean \"run\"?"]);
}

#[test]
fn other_commands_point_to_this_one() {
    let shop = Shop::new();
    fs::write(shop.place.path("a.wav"), b"").unwrap();
    for (args, expected) in [
        (&["generate", "items.safetensors", "--prompt", "tea"][..], "a model that writes texts"),
        (&["chat", "items.safetensors"], "a model that writes texts"),
        (&["transcribe", "items.safetensors", "a.wav"], "a model that reads sounds"),
        (&["listen", "items.safetensors", "a.wav"], "a model that reads sounds"),
    ] {
        let parts = ["items.safetensors holds a model of items", expected, "`fgn recommend`"];
        shop.place.fgn(args).fails_with(&parts);
    }
    let inspected = shop.place.fgn(&["inspect", "items.safetensors"]).succeeds().out;
    for part in ["kind = \"next-item\"\n", "catalogue = \"8 items\"\n", "head.weight"] {
        assert!(inspected.contains(part), "no {part:?} in {inspected}");
    }
    assert!(!inspected.contains("spoon"), "{inspected}");
    let inspected = shop.place.fgn(&["inspect", "items.safetensors", "--json"]).succeeds().out;
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["model"]["head"]["catalogue"]["names"][7], "spoon");
}

#[test]
fn events_are_answered_as_they_come() {
    let shop = Shop::new();
    let mut stream = shop.stream(&["--top", "3"]);
    let expected = |session: &str, items: &[u32]| {
        [&[session.to_owned()][..], &shop.best(items, 3)].concat().join("\t")
    };
    // Two sessions in turns, in three notations.
    assert_eq!(stream.ask("s1\ttea"), expected("s1", &[0]));
    assert_eq!(stream.ask("7,\"tea, green\""), expected("7", &[2]));
    assert_eq!(stream.ask("s1\ttea, green\r"), expected("s1", &[0, 2]));
    assert_eq!(stream.ask("{\"session\":7,\"item\":\"a\\tb\"}"), expected("7", &[2, 4]));
    // An unknown item leaves a session as it is; before the first known one, popular items are best.
    assert_eq!(stream.ask("s1\tcoffee"), expected("s1", &[0, 2]));
    assert_eq!(stream.ask("s3\tcoffee"), "s3\tmilk\tcup\tspoon");
    stream.send(b"");
    stream.send(b"no item");
    stream.send(b"\xff\xfe\tcup");
    stream.send(format!("{},tea", "x".repeat(1 << 17)).as_bytes());
    assert_eq!(stream.ask("s1\tcup"), expected("s1", &[0, 2, 3]));
    let (code, err) = stream.end();
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = err.lines().collect();
    for (line, part) in lines.iter().zip([
        "line 5: unknown item \"coffee\"",
        "error: standard input, line 8: found 1 field, expected SESSION<tab>ITEM",
        "error: standard input, line 9: found text that is not UTF-8",
        "error: standard input, line 10: found a line of more than 65536 bytes",
    ]) {
        assert!(line.starts_with(part), "no {part:?} in {line:?}");
    }
    assert_eq!(lines.len(), 4, "{err}");
}

#[test]
fn streams_are_json_too_and_leave_out_what_was_seen() {
    let shop = Shop::new();
    let mut stream = shop.stream(&["--json", "--exclude-seen"]);
    for (line, items) in [("s\ttea", &[0][..]), ("s\ttea", &[0, 0]), ("s\tcup", &[0, 0, 3])] {
        let object: Value = serde_json::from_str(&stream.ask(line)).unwrap();
        let left = shop.ranked(items).into_iter().map(|it| it.0);
        let left = left.filter(|&name| name != "tea" && (name != "cup" || items.len() < 3));
        assert_eq!((&object["session"], names(&object)), (&json!("s"), left.collect()));
    }
    assert_eq!(stream.end(), (Some(0), String::new()));
}

#[test]
fn the_least_recently_used_sessions_are_forgotten() {
    let shop = Shop::new();
    let mut stream = shop.stream(&["--sessions", "2", "--top", "8"]);
    let expected = |session: &str, items: &[u32]| {
        [&[session.to_owned()][..], &shop.best(items, 8)].concat().join("\t")
    };
    assert_eq!(stream.ask("a\ttea"), expected("a", &[0]));
    assert_eq!(stream.ask("b\tcup"), expected("b", &[3]));
    assert_eq!(stream.ask("a\tcup"), expected("a", &[0, 3]));
    // An unknown item takes nobody's place.
    stream.ask("d\tcoffee");
    assert_eq!(stream.ask("c\tspoon"), expected("c", &[7]));
    assert_eq!(stream.ask("a\tspoon"), expected("a", &[0, 3, 7]));
    assert_eq!(stream.ask("b\tmilk"), expected("b", &[1]), "it begins again");
    let (code, err) = stream.end();
    assert_eq!(code, Some(0));
    assert_eq!(err.matches("the least recently used are forgotten").count(), 1, "{err}");
}

#[test]
fn unknown_items_are_reported_once_and_not_without_end() {
    let shop = Shop::new();
    let mut stream = shop.stream(&["--top", "1"]);
    for item in (0..50).chain(0..50) {
        assert_eq!(stream.ask(&format!("s\tx{item}")), "s\tmilk");
    }
    let (code, err) = stream.end();
    assert_eq!((code, err.lines().count()), (Some(0), 21), "{err}");
    assert_eq!(err.matches("\"x7\"").count(), 1);
    assert!(err.ends_with("Further unknown items are not reported.\n"), "{err}");
}

#[test]
fn a_stream_that_nobody_reads_ends_quietly() {
    let shop = Shop::new();
    let Stream { mut child, mut input, output } = shop.stream(&[]);
    drop(output);
    // The program ends at its first answer; what is written after that goes nowhere.
    for _ in 0..10_000 {
        if input.write_all(b"s\ttea\n").is_err() {
            break;
        }
    }
    drop(input);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), &err[..]), (Some(0), ""));
}
