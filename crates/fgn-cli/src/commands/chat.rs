//! `fgn chat`.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use clap::Args;
use fgn_nn::{Model, ModelInput, State, Stop, TextGenerator};
use fgn_schema::Padded;
use fgn_train::TrainedModel;

use super::generate::{is_language_model, threads};
use crate::error::{Error, Result};
use crate::output::{in_line, note, print, print_error};
use crate::recommendations::refuse_recommender;
use crate::sampling::SamplingArgs;
use crate::stdin::unreadable;
use crate::table::aligned;

pub(crate) const HELP: &str = "\
Examples:
  fgn chat runs/booking-1
  fgn chat runs/booking-1 --restore talk.safetensors
  fgn chat runs/shakespeare-1 --temperature 0.5
  printf 'hello\\nmay i have a table\\n' | fgn chat runs/booking-1 --temperature 0

A line is what you say; the model answers. The model remembers the conversation in its state alone, in constant
memory. A model of dialogues answers as the speaker that it has learned; a model of texts continues your line, to
the end of its next one.

Lines that begin with / are commands:
  /gates         the gates of each layer at each token of the last two turns: the means over the units
  /reset         forget the conversation
  /save FILE     write the state of the conversation to a safetensors file
  /restore FILE  continue from such a file
  /help          this list
  /quit          end; the end of the input does it too";

const COMMANDS: &str = "/gates, /reset, /save FILE, /restore FILE, /help, /quit";

/// The longest answer, in tokens.
const LONGEST: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The run folder of a language model, or a file that `fgn export` wrote
    run: PathBuf,
    /// Continue a conversation that /save wrote
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

impl ChatArgs {
    pub(crate) fn run(self, device: &Device) -> Result<()> {
        let TrainedModel { model, data, .. } = TrainedModel::open(&self.run, device)?;
        refuse_recommender(&model, &self.run, "a model that writes texts")?;
        let sampler = self.sampling.sampler(0)?;
        if !is_language_model(&model) {
            if let Some(file) = &self.restore {
                let found = file.display().to_string();
                let expected = "left out: this model keeps no conversation".to_owned();
                return Err(fgn_nn::Error::Config { field: "--restore", found, expected }.into());
            }
            return lines(|line| {
                match line {
                    "" => {}
                    "/quit" => return Ok(false),
                    line => print(&format!("{}\n", model.answer(line)?))?,
                }
                Ok(true)
            });
        }
        let generator =
            model.text_generator(self.sampling.precision(), threads(&model), sampler)?;
        let roles = Roles::of(&generator, &data.dialogues.replies);
        let mut chat = Conversation { model: &model, generator, roles, turn: None };
        if let Some(file) = &self.restore {
            chat.restore(file)?;
        }
        lines(|line| chat.answer(line))
    }
}

/// Reads line after line, until `answer` says that it was the last.
fn lines(mut answer: impl FnMut(&str) -> Result<bool>) -> Result<()> {
    let is_terminal = std::io::stdin().is_terminal();
    let ask = || if is_terminal { print("> ") } else { Ok(()) };
    ask()?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(unreadable)?;
        match answer(line.trim()) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error @ (Error::Closed | Error::Output(_))) => return Err(error),
            // A word that the vocabulary lacks ends no conversation.
            Err(error) => print_error(&error),
        }
        ask()?;
    }
    Ok(())
}

/// The special tokens of a model of dialogues.
struct Roles {
    user: Option<u32>,
    reply: u32,
    end: u32,
}

impl Roles {
    /// `None` for a model of texts without speakers.
    fn of(generator: &TextGenerator<'_>, replies: &str) -> Option<Roles> {
        let tokenizer = generator.tokenizer();
        let end = tokenizer.special("<end>")?;
        let reply = tokenizer.special(&format!("<{replies}>"))?;
        let all = (0..tokenizer.vocabulary() as u32).rev();
        let user = all.take_while(|&token| token > end).find(|&token| token != reply);
        Some(Roles { user, reply, end })
    }
}

/// The last two turns: the state before them, and their tokens.
struct Turn {
    before: State,
    tokens: Vec<u32>,
}

struct Conversation<'m> {
    model: &'m Model,
    generator: TextGenerator<'m>,
    roles: Option<Roles>,
    turn: Option<Turn>,
}

impl Conversation<'_> {
    /// Answers a line, or does as it says. False at the end.
    fn answer(&mut self, line: &str) -> Result<bool> {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match (command, argument.trim()) {
            ("", _) => {}
            ("/quit", _) => return Ok(false),
            ("/help", _) => note(&format!("{COMMANDS}\n")),
            ("/gates", _) => self.print_gates()?,
            ("/reset", _) => {
                self.generator.tokens().reset()?;
                self.turn = None;
                note("forgotten\n");
            }
            ("/save" | "/restore", "") => note(&format!("{command} FILE: a file is missing\n")),
            ("/save", file) => {
                self.generator.tokens().state()?.save(Path::new(file))?;
                note(&format!("saved to {}\n", in_line(file)));
            }
            ("/restore", file) => self.restore(Path::new(file))?,
            (command, _) if command.starts_with('/') => {
                note(&format!("{} is unknown; known: {COMMANDS}\n", in_line(command)));
            }
            _ => self.reply(line)?,
        }
        Ok(true)
    }

    fn restore(&mut self, file: &Path) -> Result<()> {
        let state = State::load(file, DType::F32, &Device::Cpu)?;
        self.generator.tokens().set_state(&state)?;
        self.turn = None;
        note(&format!("restored from {}\n", in_line(&file.display().to_string())));
        Ok(())
    }

    fn reply(&mut self, line: &str) -> Result<()> {
        let tokens = self.said(line)?;
        let before = self.generator.tokens().state()?;
        self.generator.read_tokens(&tokens)?;
        let stop = match &self.roles {
            Some(roles) => Stop { texts: Vec::new(), tokens: vec![roles.end] },
            None => Stop { texts: vec!["\n".into()], tokens: Vec::new() },
        };
        let mut turn = Turn { before, tokens };
        let mut pieces = self.generator.pieces(&stop);
        while turn.tokens.len() < LONGEST {
            let Some(piece) = pieces.next().transpose()? else { break };
            turn.tokens.extend(pieces.last_token());
            print(&piece)?;
        }
        let rest = pieces.rest();
        self.turn = Some(turn);
        print(&format!("{rest}\n"))
    }

    /// The tokens of a line and of the beginning of its answer.
    fn said(&self, line: &str) -> Result<Vec<u32>> {
        let encode = |text: &str| {
            let tokens = self.generator.tokenizer().encode(text);
            tokens.map_err(fgn_nn::Error::from)
        };
        match &self.roles {
            None => Ok(encode(&format!("{line}\n"))?),
            Some(roles) => {
                let mut tokens: Vec<u32> = roles.user.into_iter().collect();
                tokens.extend(encode(line)?);
                tokens.extend([roles.end, roles.reply]);
                Ok(tokens)
            }
        }
    }

    fn print_gates(&self) -> Result<()> {
        let Some(turn) = &self.turn else {
            note("nothing was said yet\n");
            return Ok(());
        };
        let steps = turn.tokens.len();
        let tokens = Tensor::from_slice(&turn.tokens, (1, steps), self.model.device())?;
        let tokens = Padded::new(tokens);
        let input = ModelInput::new(&tokens).with_state(&turn.before);
        let (_, layers) = self.model.trace(input, None)?;
        let mut rows = vec![vec!["token".to_owned()]];
        let name =
            |&token: &u32| vec![in_line(&self.generator.tokenizer().name(token)).into_owned()];
        rows.extend(turn.tokens.iter().map(name));
        for layer in &layers {
            let size = layer.trace.shape[2];
            for gate in &layer.trace.gates {
                rows[0].push(format!("{}_l{}", gate.name, layer.layer));
                for (row, values) in rows[1..].iter_mut().zip(gate.values.chunks(size)) {
                    row.push(format!("{:.3}", values.iter().sum::<f64>() / size as f64));
                }
            }
        }
        print(&format!("{}\n", aligned(&rows)))
    }
}
