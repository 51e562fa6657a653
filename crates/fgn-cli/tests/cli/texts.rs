//! Models of text: trained, evaluated, and used to generate and to talk.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::place::Place;

const TEXT: &str = "the cat sat on the mat. the dog lay on the log. ";

/// A small language model of a text, in the folder `run`.
fn trained() -> Place {
    let place = Place::new();
    fs::write(place.path("book.txt"), TEXT.repeat(60)).unwrap();
    let done = place.fgn(&[
        "train",
        "text",
        "--data",
        "book.txt",
        "--epochs",
        "4",
        "--out",
        "run",
        "--set",
        "training.batch_size=4",
        "--set",
        "training.warmup_steps=0",
        "--set",
        "training.average=0.5",
        "--set",
        "optimizer.learning_rate=0.02",
        "--set",
        "data.text.window=16",
        "--set",
        "model.recurrent.hidden_size=24",
    ]);
    let done = done.succeeds();
    assert!(done.out.contains("validation perplexity = "), "{}", done.out);
    assert!(done.out.contains("Test perplexity = "), "{}", done.out);
    assert!(done.out.contains(" tokens)"), "{}", done.out);
    place
}

/// Runs `fgn` with this standard input.
fn talk(place: &Place, args: &[&str], input: &str) -> (String, String) {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let mut command = place.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_language_model_is_measured_and_continues_texts() {
    let place = trained();
    let data = place.fgn(&["data", "book.txt"]).succeeds().out;
    for part in
        ["texts over a vocabulary of 15 characters", "the next of 15 tokens", "\"the cat sat"]
    {
        assert!(data.contains(part), "no {part:?} in {data}");
    }
    let eval = place.fgn(&["eval", "run"]).succeeds().out;
    for part in ["Test perplexity = ", "bits per token = ", "streaming loss = "] {
        assert!(eval.contains(part), "no {part:?} in {eval}");
    }
    let eval = place.fgn(&["eval", "run", "--json"]).succeeds().out;
    let eval: Value = serde_json::from_str(&eval).unwrap();
    let [loss, perplexity] = ["loss", "perplexity"].map(|key| eval[key].as_f64().unwrap());
    assert!((loss.exp() - perplexity).abs() < 1e-4 * perplexity, "{eval}");

    let generate = |more: &[&str]| {
        let args = ["generate", "run", "--prompt", "the cat", "--length", "60"];
        place.fgn(&[&args, more].concat()).succeeds().out
    };
    let first = generate(&[]);
    assert!(first.starts_with("the cat"), "{first}");
    assert_eq!(first.trim_end_matches('\n').chars().count(), 67);
    assert_eq!(first, generate(&[]), "the same seed");
    assert_ne!(first, generate(&["--seed", "2", "--temperature", "3"]));
    let object: Value = serde_json::from_str(&generate(&["--json"])).unwrap();
    assert_eq!(first, format!("the cat{}\n", object["text"].as_str().unwrap()));
    assert_eq!((&object["tokens"], &object["stopped"]), (&60.into(), &false.into()));
    let lines = generate(&["--json", "--count", "3", "--stop", "o"]);
    let texts: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        texts.iter().map(|text| text["seed"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    assert!(texts.iter().all(|text| !text["text"].as_str().unwrap().contains('o')), "{lines}");
    for precision in ["bf16", "int8"] {
        assert_eq!(generate(&["--precision", precision, "--temperature", "0"]).chars().count(), 68);
    }
    let (out, _) = talk(&place, &["generate", "run", "--prompt", "-", "--length", "5"], "the dog");
    assert!(out.starts_with("the dog"), "{out}");

    // An exported file works in place of the run.
    place.fgn(&["export", "run", "model.safetensors"]).succeeds();
    let args = ["generate", "model.safetensors", "--prompt", "the cat", "--length", "60"];
    assert_eq!(place.fgn(&args).succeeds().out, first);
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let place = trained();
    for (args, expected) in [
        (&["--prompt", "the zebra"][..], "the vocabulary has no \"z\", \"b\""),
        (&["--temperature=-1"], "`temperature` is -1, expected at least 0"),
        (&["--top-p", "0"], "`top_p` is 0, expected above 0"),
        (&["--top-k", "0"], "`top_k` is 0, expected at least 1"),
        (&["--min-p", "2"], "`min_p` is 2, expected above 0"),
        (&["--repetition-penalty", "0"], "`repetition_penalty` is 0"),
        (&["--complete", "half.png"], "--complete is for a model that generates images"),
        (&["--out", "a.png"], "--out is for a model that generates images, found one of another"),
    ] {
        let done = place.fgn(&[&["generate", "run"], args].concat());
        assert_eq!(done.code, Some(1), "{args:?}");
        assert!(done.err.contains(expected), "{args:?}: {}", done.err);
    }
    let done = place.fgn(&["predict", "run", "book.txt"]);
    assert!(done.err.contains("`fgn generate`"), "{}", done.err);
    fs::write(place.path("other.txt"), "the cäts").unwrap();
    let done = place.fgn(&["eval", "run", "--data", "other.txt"]);
    assert!(done.err.contains("no \"ä\""), "{}", done.err);
}

#[test]
fn a_conversation_is_kept_saved_and_restored() {
    let place = Place::new();
    let turn =
        |speaker: &str, text: &str| format!("{{\"speaker\":\"{speaker}\",\"text\":\"{text}\"}}");
    let mut lines = String::new();
    for at in 0..120 {
        let (name, answer) = [("ann", "tea"), ("bob", "milk"), ("cat", "fish")][at % 3];
        let turns = [
            turn("user", &format!("i am {name}")),
            turn("bot", &format!("hello {name}")),
            turn("user", "what do i like"),
            turn("bot", answer),
        ];
        lines += &format!("[{}]\n", turns.join(","));
    }
    fs::write(place.path("talks.jsonl"), lines).unwrap();
    let done = place.fgn(&[
        "train",
        "dialogues",
        "--data",
        "talks.jsonl",
        "--epochs",
        "12",
        "--out",
        "run",
        "--set",
        "training.batch_size=8",
        "--set",
        "model.recurrent.hidden_size=24",
        "--set",
        "optimizer.learning_rate=0.02",
    ]);
    let done = done.succeeds();
    assert!(done.out.contains("Test reply accuracy = 100.00 %"), "{}", done.out);

    let chat = ["chat", "run", "--temperature", "0"];
    let (out, err) =
        talk(&place, &chat, "i am bob\n/save talk.safetensors\nwhat do i like\n/gates\n");
    let (said, gates) = out.split_at(out.find("token").unwrap());
    assert_eq!(said, "hello bob\nmilk\n");
    assert!(
        gates.contains("<user>") && gates.contains("<bot>") && gates.contains("milk"),
        "{gates}"
    );
    assert!(err.contains("saved to talk.safetensors"), "{err}");
    let restored = [&chat[..], &["--restore", "talk.safetensors"]].concat();
    assert_eq!(talk(&place, &restored, "what do i like\n/quit\nnever said\n").0, "milk\n");
    let (out, err) = talk(
        &place,
        &chat,
        "i am ann\n/reset\ni am cat\nwhat do i like\n/restore no.file\n/what\n",
    );
    assert_eq!(out, "hello ann\nhello cat\nfish\n");
    assert!(err.contains("no.file") && err.contains("/what is unknown"), "{err}");
}

#[test]
fn pairs_are_answered_one_by_one() {
    let place = Place::new();
    let mut table = "question\tanswer\n".to_owned();
    for at in 0..240 {
        let words = [["red", "rot"], ["blue", "blau"], ["green", "grün"]];
        let (one, two) = (words[at % 3], words[at / 3 % 3]);
        table += &format!("{} and {}\t{} und {}\n", one[0], two[0], one[1], two[1]);
    }
    fs::write(place.path("colours.tsv"), table).unwrap();
    let done = place.fgn(&[
        "train",
        "pairs",
        "--data",
        "colours.tsv",
        "--epochs",
        "15",
        "--out",
        "run",
        "--set",
        "data.pairs.source=question",
        "--set",
        "data.pairs.target=answer",
        "--set",
        "training.batch_size=16",
        "--set",
        "optimizer.learning_rate=0.01",
        "--set",
        "model.recurrent.hidden_size=24",
        "--set",
        "model.head.recurrent.hidden_size=24",
    ]);
    let done = done.succeeds();
    assert!(done.out.contains("Test exact match = 100.00 %"), "{}", done.out);
    let answer = place.fgn(&["generate", "run", "--prompt", "green and red"]).succeeds().out;
    assert_eq!(answer, "grün und rot\n");
    let said = "blue and blue\n\nred and green\n/quit\nblue and red\n";
    let (out, err) = talk(&place, &["chat", "run"], said);
    assert_eq!((&out[..], &err[..]), ("blau und blau\nrot und grün\n", ""));
    fs::write(place.path("new.tsv"), "question\nred and blue\n").unwrap();
    let no_target = ["predict", "run", "new.tsv", "--json", "--set", "data.pairs.target=''"];
    let predicted = place.fgn(&no_target).succeeds().out;
    let predicted: Value = serde_json::from_str(&predicted).unwrap();
    assert_eq!(predicted["text"], "rot und blau", "{predicted}");
}
