//! `fgn recommend`.

use std::path::PathBuf;
use std::process::ExitCode;

use candle_core::Device;
use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;
use fgn_data::{Like, Samples};
use fgn_schema::decimals;
use fgn_train::{DataConfig, TrainedModel, like, log_progress, override_data};
use serde::Serialize;

use crate::answers::each_file;
use crate::complete;
use crate::error::Result;
use crate::event::fields;
use crate::event_stream::EventStream;
use crate::items::session;
use crate::output::{in_line, note, print, print_json};
use crate::recommendations::{History, Options, Recommendations, Recommended};
use crate::sampling::Weights;
use crate::settings;
use crate::stdin::{self, Source};
use crate::table::aligned;

pub(crate) const HELP: &str = "\
Examples:
  fgn recommend runs/shop-1 --history 'ITEM,ITEM'
  fgn recommend runs/sessions-1 --history '\"tea, green\",cup' --top 5 --exclude-seen
  fgn recommend runs/sessions-1 new.csv
  fgn recommend runs/sessions-1 new.csv --json --precision int8
  fgn recommend weights.safetensors --history tea      a file of `fgn export` in place of the run
  tail -f events.tsv | fgn recommend runs/sessions-1 --stream --top 5

--history names the items of one session in their order, as a line of CSV. A FILE holds sessions; it is read as the
run's data was, and each of its sessions is a line: the session, and its best items, separated by tabs.

With --stream, each line of standard input is an event, SESSION<tab>ITEM, SESSION,ITEM or
{\"session\":\"…\",\"item\":\"…\"}. After each event a line is written at once: the session, and its best items,
separated by tabs. A line that cannot be read is reported to standard error and skipped; the exit code is 1 then.

Items that the model does not know are left out, and named on standard error. For a session without known items, the
most popular items of the training are recommended; their scores are their shares of its events. Other scores are
unnormalised log-probabilities.

With --json:
  {\"items\":[{\"item\":\"milk\",\"score\":1.2},…],\"unknown\":[\"z\"]}                with --history
  {\"session\":\"s1\",\"items\":[{\"item\":\"milk\",\"score\":1.2},…]}              for each session or event

It computes on the CPU.";

/// Unknown items that are named.
const NAMED: usize = 5;
/// The sessions of a stream that are kept.
const SESSIONS: usize = 100_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).args(["files", "history", "stream"]))]
pub(crate) struct RecommendArgs {
    /// The run folder of a model that predicts the next item, or a file that `fgn export` wrote
    run: PathBuf,
    /// Files of sessions, of the kind that the model was trained on; - for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The items of a session in their order, separated by commas; names with commas are quoted
    #[arg(long, value_name = "ITEMS")]
    history: Option<String>,
    /// Read events from standard input as they come, and recommend after each
    #[arg(long)]
    stream: bool,
    /// With --stream: how many sessions to keep; the least recently used are forgotten [default: 100000]
    #[arg(long, value_name = "N", conflicts_with_all = ["files", "history"], value_parser = clap::value_parser!(u32).range(1..))]
    sessions: Option<u32>,
    /// How many items to recommend [default: 10]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Leave out the items of the session itself
    #[arg(long)]
    exclude_seen: bool,
    /// Set a key of the run's [data]: how the files are read; may be repeated
    #[arg(long, value_name = "KEY=VALUE", conflicts_with_all = ["history", "stream"],
        add = ArgValueCompleter::new(complete::data_keys))]
    set: Vec<String>,
    /// What standard input holds, as the ending of a file [default: csv]
    #[arg(long, value_name = "ENDING", conflicts_with_all = ["history", "stream"])]
    format: Option<String>,
    /// The numbers that weights and items are stored in: fewer bytes are read faster
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Weights::F32)]
    precision: Weights,
    /// Print JSON: one object, or one for each session or event
    #[arg(long)]
    json: bool,
}

/// The answer for one history.
#[derive(Serialize)]
struct OfHistory<'a> {
    items: &'a [Recommended<'a>],
    unknown: &'a [String],
}

/// The answer for one session of a file or a stream.
#[derive(Serialize)]
struct OfSession<'a> {
    session: &'a str,
    items: &'a [Recommended<'a>],
}

impl RecommendArgs {
    /// An unreadable file among several, or line of a stream, is reported and skipped; the exit code is 1 then.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let TrainedModel { model, data, .. } = TrainedModel::open(&self.run, &Device::Cpu)?;
        let data = override_data(&data, &settings::parsed(&self.set)?)?;
        let precision = self.precision.precision();
        let options = Options { top: self.top, exclude_seen: self.exclude_seen, precision };
        let mut recommendations = Recommendations::new(&model, &self.run, options)?;
        if let Some(history) = &self.history {
            self.of_history(&mut recommendations, history)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.stream {
            let most = self.sessions.map_or(SESSIONS, |most| most as usize);
            let mut stream = EventStream::new(&mut recommendations, most);
            return stream.run(&mut |session, items| self.print(session, items));
        }
        let input = model.config().input.samples();
        let format = stdin::format(self.format.as_deref(), input, &self.files)?;
        let like = like(&model).unlabelled();
        each_file(&self.files, format, &mut |_, file| {
            self.of_file(&mut recommendations, (&data, &like), file)
        })
    }

    fn of_history(&self, recommendations: &mut Recommendations, text: &str) -> Result<()> {
        let names = fields(text).map_err(|found| fgn_nn::Error::Config {
            field: "--history",
            found,
            expected: "names of items on a line, separated by commas".into(),
        })?;
        let (mut history, mut unknown) = (History::default(), Vec::new());
        for name in names {
            match recommendations.item(&name) {
                Some(item) => recommendations.read(&mut history, item)?,
                None => unknown.push(name),
            }
        }
        if !unknown.is_empty() {
            note(&format!("unknown items, left out: {}\n", listed(&unknown)));
        }
        if history.is_empty() {
            note(
                "no known item: these are the most popular ones, with their shares of all events\n",
            );
        }
        let items = &recommendations.best(&history)?;
        match self.json {
            true => print_json(&OfHistory { items, unknown: &unknown }),
            false => print(&table(items)),
        }
    }

    fn of_file(
        &self,
        recommendations: &mut Recommendations,
        (data, like): (&DataConfig, &Like),
        file: &Source<'_>,
    ) -> Result<()> {
        let samples = data.read(file.path(), like, &mut log_progress)?;
        like.check_input(samples.name(), &samples.schema().input)?;
        let mut unknown = 0;
        for index in 0..samples.len() as u32 {
            let mut history = History::default();
            for item in session(&*samples, index)? {
                recommendations.read(&mut history, item)?;
            }
            unknown += usize::from(history.is_empty());
            let title = samples.title(index);
            self.print(&file.as_typed(&title), &recommendations.best(&history)?)?;
        }
        if unknown > 0 {
            note(&format!(
                "{unknown} sessions have no known item: for them, these are the most popular ones\n"
            ));
        }
        Ok(())
    }

    /// A line for a session.
    fn print(&self, session: &str, items: &[Recommended<'_>]) -> Result<()> {
        if self.json {
            return print_json(&OfSession { session, items });
        }
        let names = items.iter().map(|recommended| recommended.item);
        let cells: Vec<_> = [session].into_iter().chain(names).map(in_line).collect();
        print(&(cells.join("\t") + "\n"))
    }
}

/// The first of some names.
fn listed(names: &[String]) -> String {
    let named: Vec<_> = names.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Rank, item and score.
fn table(items: &[Recommended<'_>]) -> String {
    let width = items.len().to_string().len().max("rank".len());
    let mut rows = vec![vec![format!("{:>width$}  item", "rank"), "score".into()]];
    rows.extend((1..).zip(items).map(|(rank, Recommended { item, score })| {
        vec![format!("{rank:>width$}  {item}"), decimals(f64::from(*score), 4)]
    }));
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_names_stand_below_each_other() {
        let recommended = |item, score| Recommended { item, score };
        let items = [recommended("tea", 12.5), recommended("a\tb", -0.25)];
        let expected = "\
rank  item    score
   1  tea   12.5000
   2  a\\tb  -0.2500
";
        assert_eq!(table(&items), expected);
    }

    #[test]
    fn a_few_unknown_items_are_named() {
        let names: Vec<String> = (0..7).map(|at| at.to_string()).collect();
        assert_eq!(listed(&names[..2]), "\"0\", \"1\"");
        assert_eq!(listed(&names), "\"0\", \"1\", \"2\", \"3\", \"4\" and 2 more");
    }
}
