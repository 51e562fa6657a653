//! What comes next in a session, beside the baselines that a run measures.

use super::super::column::Column;
use super::super::experiment::Experiment;
use super::super::table::{Body, Published, Row, Table};

const NEEDS_A_FILE: &str =
    "Rows that need a file are not run here: `fgn train RECIPE --data PATH` trains them.";

pub(super) fn shop() -> Table {
    Table {
        name: "shop",
        title: "Recommendation: a generated shop",
        bar: "",
        body: Body::Rows {
            columns: vec![
                Column::percent("Recall@20", "test_recall@20"),
                Column::percent("MRR@20", "test_mrr@20"),
                Column::percent("NDCG@20", "test_ndcg@20"),
            ],
            rows: vec![Row::with_baselines("`shop`", Experiment::new("shop", &["shop"], 4.0))],
        },
    }
}

pub(super) fn movielens() -> Table {
    let experiment = Experiment::new("movielens", &["movielens"], 1.0).seeds(5);
    Table {
        name: "movielens",
        title: "Recommendation: MovieLens-100K",
        bar: NEEDS_A_FILE,
        body: Body::Rows {
            columns: vec![
                Column::percent("Recall@10", "test_recall@10"),
                Column::percent("MRR@10", "test_mrr@10"),
                Column::percent("NDCG@10", "test_ndcg@10"),
            ],
            rows: vec![
                Row::Published(Published {
                    network: "GRU4Rec",
                    source: "RecBole's documentation",
                    values: vec![
                        ("Recall@10", "11.03 %"),
                        ("MRR@10", "3.37 %"),
                        ("NDCG@10", "5.13 %"),
                    ],
                }),
                Row::with_baselines("`movielens`", experiment.needs("ml-100k.inter")),
            ],
        },
    }
}

pub(super) fn msnbc() -> Table {
    let experiment = Experiment::new("msnbc", &["msnbc"], 5.0).needs("msnbc990928.seq");
    Table {
        name: "msnbc",
        title: "Recommendation: pages of msnbc.com",
        bar: NEEDS_A_FILE,
        body: Body::Rows {
            columns: vec![
                Column::percent("Recall@1", "test_recall@1"),
                Column::number("perplexity", "test_perplexity"),
                Column::percent("MRR@10", "test_mrr@10"),
            ],
            rows: vec![Row::with_baselines("`msnbc`", experiment)],
        },
    }
}
