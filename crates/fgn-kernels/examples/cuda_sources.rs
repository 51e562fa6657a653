//! Writes the CUDA source of every cell to a folder, for `cargo xtask cuda-check`.

use std::path::PathBuf;

use fgn_core::AnyCell;
use fgn_kernels::cuda::{Number, source};

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cuda_sources FOLDER");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&folder)?;
    for cell in AnyCell::all() {
        // As in `fgn(z linear, single readout)`.
        let words: Vec<_> =
            cell.to_string().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
        let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        for number in Number::ALL {
            let file = format!("{name}.{}.cu", format!("{number:?}").to_lowercase());
            std::fs::write(folder.join(file), source(cell, number))?;
        }
    }
    Ok(())
}
