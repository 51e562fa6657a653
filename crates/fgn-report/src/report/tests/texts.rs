//! Reports of tiny language models.

use fgn_nn::NextToken;
use fgn_train::{SampleRecorder, evaluate};

use super::*;

const PARTS: [&str; 8] = [
    "summary",
    "curves",
    "samples",
    "token-losses",
    "gates",
    "memory",
    "text-gates",
    "configuration",
];

/// A text with all that a page could take for its own.
fn corpus() -> String {
    "<script>alert(\"1 & 2\")</script>\nA cat sat. (The dog ran.)\n\n".repeat(40)
}

/// A training on it in two epochs, of characters unless `more` says otherwise.
fn text(more: &[&str]) -> (Config, Dataset) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.txt");
    fs::write(&file, corpus()).unwrap();
    let source = format!("data.source={:?}", file.to_str().unwrap());
    let small = [
        &source[..],
        "data.text.window=16",
        "training.epochs=2",
        "training.batch_size=4",
        "training.warmup_steps=1",
        "model.recurrent.hidden_size=8",
        "model.recurrent.cell.name=fgn",
        "model.input.embedding_dim=4",
        "report.prompt=\"<script>\"",
        "report.sample_length=50",
    ];
    let all = small.iter().chain(more).map(|text| text.parse());
    let all = all.collect::<fgn_train::Result<Vec<_>>>().unwrap();
    let (config, dataset) = Config::open("text", &all).unwrap();
    let dataset = config.data.divide(dataset.unwrap(), config.training.seed).unwrap();
    (config, dataset)
}

/// Trains, and gives the page and the model.
fn report(config: &Config, dataset: &Dataset) -> (String, Model) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let mut trainer = Trainer::new(config, model).unwrap();
    let recorder = Recorder::create(Some(&folder), config).unwrap();
    let gates = GateRecorder::new(&folder, dataset, config.report.gate_samples);
    let samples = SampleRecorder::new(&folder, &config.report, config.training.seed);
    let mut observers = (recorder, (gates, samples));
    trainer.run(dataset, &mut observers).unwrap();
    let trained = trainer.evaluate_and_finish(dataset, &mut observers).unwrap();
    let file = write_report(&folder, config, &trained.model, dataset).unwrap();
    let html = fs::read_to_string(file).unwrap();
    check_parts(&html, &PARTS);
    (html, trained.model)
}

fn section<'a>(html: &'a str, id: &str) -> &'a str {
    let rest = html.split(&format!("<section id=\"{id}\">")).nth(1).expect("the section");
    rest.split("</section>").next().unwrap()
}

#[test]
fn a_language_model_has_its_own_parts_and_its_text_is_escaped() {
    let (config, dataset) = text(&[]);
    let (html, _) = report(&config, &dataset);
    for other in ["id=\"mistakes\"", "id=\"maps\"", "Confusion matrix", "<code class=\"tokens\">"] {
        assert!(!html.contains(other), "{other}");
    }
    for part in [
        "Test perplexity",
        "Streaming perplexity",
        "Streaming loss",
        "test tokens",
        "Perplexity</text>",
    ] {
        assert!(html.replace('\n', "").contains(part), "no {part:?}");
    }
    let samples = section(&html, "samples");
    assert_eq!(samples.matches("<b>&lt;script&gt;</b>").count(), 2, "the prompt, of each epoch");
    let losses = section(&html, "token-losses");
    assert!(losses.contains(" nats\">&lt;</span>") && losses.contains("↵\n"));
    assert!(html.len() < 400_000, "{}", html.len());
}

#[test]
fn the_losses_of_tokens_are_those_of_the_evaluation() {
    for clusters in [false, true] {
        let (mut config, dataset) = text(&["training.epochs=1"]);
        let vocabulary = dataset.test.schema().input.tokenizer().unwrap().vocabulary();
        if clusters {
            config.model.head = NextToken { cutoffs: vec![9], ..NextToken::new(vocabulary) }.into();
        }
        let model = Model::new(&config.model, 3, DType::F32, &Device::Cpu).unwrap();
        let found = held_out::read(&model, &dataset.test).unwrap().unwrap();
        let [passage] = &found.passages[..] else { panic!("one text is one passage") };
        let steps = dataset.test.windows().unwrap().steps().min(held_out::TOKENS as u64);
        assert_eq!(passage.tokens.len() as u64, steps + 1);
        assert_eq!(passage.losses[0], None);
        // One window of all these tokens.
        let same = dataset.test.windows().unwrap().cut(0..steps, steps as usize).unwrap();
        let expected = evaluate(&model, &same).unwrap();
        let (mean, count) = found.mean_loss().unwrap();
        assert_eq!(count, expected.targets);
        assert!((mean - expected.loss()).abs() < 1e-5, "{mean} {}", expected.loss());
        // The pieces are the text again.
        let pieces = found.pieces(&passage.tokens);
        let shown: String = pieces.iter().map(|piece| &piece.text[..]).collect();
        assert!(corpus().ends_with(&shown) && shown.len() as u64 == steps + 1);
    }
}

#[test]
fn bytes_a_part_less_and_a_cell_without_gates_are_shown_too() {
    let more =
        ["data.text.tokenizer.kind=bytes", "data.validation=0", "model.recurrent.cell.name=rnn"];
    let (config, dataset) = text(&more);
    let (html, _) = report(&config, &dataset);
    assert_eq!(html.matches("The model (rnn) has no gates.").count(), 3);
    assert!(!section(&html, "curves").contains("validation</text>"));
}

#[test]
fn characters_of_several_tokens_are_one_piece_and_special_tokens_have_names() {
    let tokenizer = fgn_schema::Tokenizer::bytes(&["<end>"]).unwrap();
    let text = held_out::HeldOut { tokenizer: Some(tokenizer), passages: Vec::new() };
    let tokens: Vec<u32> = "aé".bytes().map(u32::from).chain([256, 0xc3]).collect();
    let pieces = text.pieces(&tokens);
    let found: Vec<_> =
        pieces.iter().map(|piece| (&piece.text[..], piece.tokens.clone())).collect();
    assert_eq!(found, [("a", 0..1), ("é", 1..3), ("<end>", 3..4), ("\u{fffd}", 4..5)]);
    let text = held_out::HeldOut { tokenizer: None, passages: Vec::new() };
    assert_eq!(text.pieces(&[7, 12])[1].text, "12 ");
}
