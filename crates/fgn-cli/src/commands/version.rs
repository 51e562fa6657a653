//! `fgn version`.

use clap::Args;
use fgn_nn::Isa;
use serde_json::json;

use crate::error::Result;
use crate::output::{print, print_json};

pub(crate) const HELP: &str = "\
Example of --json:
  {\"features\":[\"parquet\"],\"isa\":\"avx2\",\"version\":\"0.1.0\"}

\"features\" are those of the build, \"isa\" is the instruction set in use.";

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl VersionArgs {
    pub(crate) fn run(self) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        if !self.json {
            return print(&format!("fgn {version}\n"));
        }
        let features = [
            ("cuda", cfg!(feature = "cuda")),
            ("mnist", cfg!(feature = "mnist")),
            ("parquet", cfg!(feature = "parquet")),
            ("symphonia", cfg!(feature = "symphonia")),
        ];
        let features = features.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name);
        let isa = Isa::active()?;
        print_json(&json!({
            "version": version,
            "features": features.collect::<Vec<_>>(),
            "isa": isa.name(),
        }))
    }
}
