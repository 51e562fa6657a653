//! Dialogues in JSON lines.

use fgn_data::fgn_schema::IGNORED;
use fgn_data::{
    Batches, DialogueOptions, Dialogues, Like, Order, TargetSchema, TokenizerKind, TokenizerOptions,
};

use super::*;

const LINES: &str = r#"[{"speaker":"user","text":"hi"},{"speaker":"bot","text":"hello you"}]

{"turns":[{"speaker":"guide","text":"come"},{"speaker":"bot","text":""},{"speaker":"user","text":"hi"}]}
{"messages":[{"role":"bot","content":"you"},{"role":"bot","content":"hello"}]}
"#;

/// The dialogues of [`LINES`].
const TURNS: [&[(&str, &str)]; 3] = [
    &[("user", "hi"), ("bot", "hello you")],
    &[("guide", "come"), ("bot", ""), ("user", "hi")],
    &[("bot", "you"), ("bot", "hello")],
];

#[test]
fn the_turns_of_one_speaker_are_the_targets() {
    for kind in [TokenizerKind::Words, TokenizerKind::Bytes, TokenizerKind::Characters] {
        let options =
            DialogueOptions { tokenizer: TokenizerOptions::new(kind), ..Default::default() };
        let chats = Folder::new().read::<Dialogues>(("a.jsonl", LINES), &options, None).unwrap();
        let tokenizer = chats.schema().input.tokenizer().unwrap();
        let special = |name: &str| tokenizer.special(&format!("<{name}>")).unwrap();
        let first = special("end");
        assert_eq!(["end", "bot", "guide", "user"].map(special), [0, 1, 2, 3].map(|at| first + at));
        assert_eq!(tokenizer.vocabulary(), first as usize + 4);

        let (mut input, mut target) = (Vec::new(), Vec::new());
        for turns in TURNS {
            let (mut tokens, mut counted) = (Vec::new(), Vec::new());
            for &(speaker, text) in turns {
                let text = [tokenizer.encode(text).unwrap(), vec![special("end")]].concat();
                counted.push(false);
                counted.extend(vec![speaker == "bot"; text.len()]);
                tokens.push(special(speaker));
                tokens.extend(text);
            }
            let next = tokens.iter().zip(&counted).skip(1);
            target.push(next.map(|(&id, &is)| if is { id } else { IGNORED }).collect::<Vec<_>>());
            tokens.pop();
            input.push(tokens);
        }
        assert_eq!(inputs(&*chats, &[0, 1, 2]), input);
        assert_eq!(targets(&*chats, &[0, 1, 2]), target);
        assert_eq!(chats.title(1), "line 3");
        assert_eq!(
            chats.schema().target,
            TargetSchema::NextToken { vocabulary: first as usize + 4 }
        );
        assert!(chats.windows().is_none());
    }
}

#[test]
fn batches_are_the_same_from_a_temporary_file() {
    let line = |(user, bot): (String, String)| {
        format!(
            "[{{\"speaker\":\"u\",\"text\":\"{user}\"}},{{\"speaker\":\"b\",\"text\":\"{bot}\"}}]\n"
        )
    };
    let lines: String = words(37, 2).into_iter().zip(words(37, 3)).map(line).collect();
    let read = |memory| {
        let options = DialogueOptions { memory, replies: "b".into(), ..Default::default() };
        Folder::new().read::<Dialogues>(("a.jsonl", &lines), &options, None).unwrap()
    };
    let [one, other] = [0, 1 << 20].map(read);
    assert_eq!(one.fingerprint().unwrap(), other.fingerprint().unwrap());
    let batches = |samples: &dyn Samples| -> Vec<_> {
        let batches = Batches::new(samples, Order::AsGiven, 5, &Device::Cpu).unwrap();
        batches
            .map(|batch| batch.map(|it| (sequences(it.input()), sequences(it.target()))).unwrap())
            .collect()
    };
    let all = batches(&*one);
    assert_eq!((all.len(), &all), (8, &batches(&*other)));
}

#[test]
fn later_dialogues_are_read_for_the_model() {
    let folder = Folder::new();
    let options = DialogueOptions::default();
    let train = folder.read::<Dialogues>(("a.jsonl", LINES), &options, None).unwrap();
    let like = Like::of(&*train);
    let line = r#"[{"speaker":"user","text":"hello stranger"},{"speaker":"bot","text":"hi"}]"#;
    let other = folder.read::<Dialogues>(("b.jsonl", line), &options, Some(&like)).unwrap();
    like.check(&*other).unwrap();
    assert_eq!(inputs(&*other, &[0])[0][2], 0, "<unk>");
    let error = r#"[{"speaker":"robot","text":"hello"}]"#;
    let error = folder.refused::<Dialogues>(("b.jsonl", error), &options, Some(&like));
    assert!(
        error.starts_with("b.jsonl, line 1: found the speaker \"robot\", expected a speaker of"),
        "{error}"
    );

    let unlabelled = like.unlabelled();
    let line = r#"[{"speaker":"user","text":"hi"}]"#;
    let other = folder.read::<Dialogues>(("b.jsonl", line), &options, Some(&unlabelled)).unwrap();
    assert_eq!((&other.schema().target, inputs(&*other, &[0])[0].len()), (&TargetSchema::None, 3));
}

#[test]
fn what_is_wrong_is_reported_with_its_line() {
    let folder = Folder::new();
    let refused = |lines: &[u8], expected: &str| {
        let error =
            folder.refused::<Dialogues>(("a.jsonl", lines), &DialogueOptions::default(), None);
        assert!(error.contains(expected), "{error}");
    };
    let good = br#"[{"speaker":"bot","text":"hi"}]"#;
    let after = |line: &[u8]| [&good[..], b"\n\n", line].concat();
    refused(b"", "a.jsonl: an empty set");
    refused(b"\n \n", "a.jsonl: an empty set");
    refused(
        &after(b"{"),
        "a.jsonl, line 3, column 1: found EOF while parsing an object, expected an array of turns",
    );
    refused(&after(b"hi"), "a.jsonl, line 3, column 1: found expected value");
    refused(&after(br#"[{"speaker":"bot"}]"#), "line 3, column 18: found missing field `text`");
    refused(&after(br#"{"text":"x"}"#), "line 3, column 12: found missing field `turns`");
    refused(&after(b"[]"), "a.jsonl, line 3: found no turns, expected a turn of \"bot\"");
    refused(
        &after(br#"[{"speaker":"b","text":"x"},{"speaker":"a","text":"x"}]"#),
        "line 3: found only turns of \"a, b\", expected a turn of \"bot\" (data.dialogues.replies says",
    );
    refused(
        &after(br#"[{"speaker":"end","text":"x"}]"#),
        "line 3: found the speaker \"end\", expected another name",
    );
    refused(&after(br#"[{"speaker":" ","text":"x"}]"#), "line 3: found the speaker \" \"");
    refused(
        &after(b"[{\"speaker\":\"\xff\"}]"),
        "a.jsonl: byte 46 is 0xff, expected text in UTF-8",
    );
    refused(
        &after(&vec![b'['; 100 << 20]),
        "a.jsonl, line 3: found a line that goes on after 16777216 bytes",
    );
    refused(
        &after(&vec![b'['; 1 << 20]),
        "a.jsonl, line 3, column 2: found invalid type: sequence, expected a string",
    );
}

#[test]
fn a_speaker_in_a_text_is_text() {
    let line = r#"[{"speaker":"bot","text":"<bot> <end>"}]"#;
    let chats =
        Folder::new().read::<Dialogues>(("a.jsonl", line), &DialogueOptions::default(), None);
    let chats = chats.unwrap();
    let tokenizer = chats.schema().input.tokenizer().unwrap();
    let end = tokenizer.special("<end>").unwrap();
    assert_eq!(inputs(&*chats, &[0])[0].iter().filter(|&&token| token >= end).count(), 1);
}
