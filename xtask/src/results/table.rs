//! What a table is: data. `tables/` has all of them.

use super::column::Column;
use super::experiment::Experiment;

/// A table of results.
pub(super) struct Table {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What a result is to be compared with, and what its goal is; may be empty.
    pub(super) bar: &'static str,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// A row for each network, a column for each measure.
    Rows { columns: Vec<Column>, rows: Vec<Row> },
    /// A row for each network, a column for each task.
    Grid(Grid),
}

pub(super) enum Row {
    Published(Published),
    Measured(Measured),
}

/// A figure of somebody else.
pub(super) struct Published {
    pub(super) network: &'static str,
    pub(super) source: &'static str,
    /// The head of a column, and what stands there.
    pub(super) values: Vec<(&'static str, &'static str)>,
}

/// What is measured here.
pub(super) struct Measured {
    pub(super) network: String,
    pub(super) experiment: Experiment,
    /// The heads of the columns that it has; empty for all.
    pub(super) columns: Vec<&'static str>,
    /// Whether rows with its baselines follow.
    pub(super) has_baselines: bool,
}

/// The same networks on several tasks.
pub(super) struct Grid {
    pub(super) networks: Vec<Network>,
    pub(super) tasks: Vec<Task>,
}

/// A row of a [`Grid`].
pub(super) struct Network {
    pub(super) label: &'static str,
    /// What its runs add to the arguments of the task.
    pub(super) args: Vec<String>,
    /// One for each task.
    pub(super) entries: Vec<Entry>,
}

/// A network on a task.
pub(super) struct Entry {
    pub(super) experiment: Experiment,
    pub(super) hidden_size: u64,
}

/// A column of a [`Grid`].
pub(super) struct Task {
    pub(super) column: Column,
    /// The arguments of `fgn train` that its runs share.
    pub(super) args: Vec<String>,
}

impl Table {
    /// All experiments, in the order of their rows.
    pub(super) fn experiments(&self) -> Vec<&Experiment> {
        match &self.body {
            Body::Rows { rows, .. } => {
                let measured = rows.iter().filter_map(|row| match row {
                    Row::Measured(measured) => Some(&measured.experiment),
                    Row::Published(_) => None,
                });
                measured.collect()
            }
            Body::Grid(grid) => {
                let entries = grid.networks.iter().flat_map(|network| &network.entries);
                entries.map(|entry| &entry.experiment).collect()
            }
        }
    }

    /// The number of its rows.
    pub(super) fn rows(&self) -> usize {
        match &self.body {
            Body::Rows { rows, .. } => rows.len(),
            Body::Grid(grid) => grid.networks.len(),
        }
    }
}

impl Row {
    /// A row of somebody else's figure in one column.
    pub(super) fn published(
        network: &'static str,
        source: &'static str,
        column: &'static str,
        value: &'static str,
    ) -> Row {
        Row::Published(Published { network, source, values: vec![(column, value)] })
    }

    /// A row with all columns.
    pub(super) fn measured(network: impl Into<String>, experiment: Experiment) -> Row {
        Row::with_columns(network, experiment, &[])
    }

    /// A row with these columns alone.
    pub(super) fn with_columns(
        network: impl Into<String>,
        experiment: Experiment,
        columns: &[&'static str],
    ) -> Row {
        let network = network.into();
        Row::Measured(Measured {
            network,
            experiment,
            columns: columns.into(),
            has_baselines: false,
        })
    }

    /// A row that those of its baselines follow.
    pub(super) fn with_baselines(network: impl Into<String>, experiment: Experiment) -> Row {
        let network = network.into();
        Row::Measured(Measured { network, experiment, columns: Vec::new(), has_baselines: true })
    }
}
