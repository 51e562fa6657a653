//! The table of cells and features in `docs/cells.md`.

use fgn_core::cells::{Unit, Z};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{
    Parameters, Precision, Recurrent, RecurrentConfig, RecurrentOptions, SequenceDropout,
};

use candle_core::{DType, Device};

use super::INPUT_SIZE;
use crate::common::random;

const HIDDEN: usize = 4;

/// Whether a layer with the feature of that column can be built and run.
fn works(cell: AnyCell, column: &str) -> bool {
    let plain = RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, HIDDEN) };
    let drop = SequenceDropout { rate: 0.5, per_step: false };
    let config = match column {
        "A" => RecurrentConfig { bidirectional: true, ..plain },
        "B" => RecurrentConfig { projection: Some(2), ..plain },
        "C" => RecurrentConfig { norm: Norm { pre: true, memory: false }, ..plain },
        "D" => RecurrentConfig { norm: Norm { pre: false, memory: true }, ..plain },
        "E" => RecurrentConfig { input_dropout: drop, dropout: drop, ..plain },
        "F" => RecurrentConfig { hidden_dropout: drop, weight_drop: 0.5, ..plain },
        "G" => RecurrentConfig { zoneout: vec![0.5], clip: Some(1.0), ..plain },
        _ => plain,
    };
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    let Ok(layer) = Recurrent::new(&mut parameters, "layer", INPUT_SIZE, &config) else {
        return false;
    };
    let x = random(&[5, 2, INPUT_SIZE], 1).to_dtype(DType::F32).unwrap();
    let lengths = Some(&[3, 5][..]);
    let run =
        RecurrentOptions { lengths, seed: Some(1), telemetry: true, ..RecurrentOptions::default() };
    let Ok(found) = layer.forward(&x, &run) else { return false };
    match column {
        "J" => layer.stream_weights(Precision::F32).is_ok(),
        "K" | "L" => found.gates.iter().all(|gates| !gates.is_empty()),
        _ => true,
    }
}

/// What the cell's row is called.
fn row_name(cell: AnyCell) -> String {
    match cell {
        AnyCell::Fgn { unit: Unit::Lstm, .. } => "`fgn`".into(),
        AnyCell::Fgn { unit, z, .. } => {
            let scan = matches!(unit, Unit::MinGru | Unit::Lru);
            let linear = if scan && z == Z::Linear { ", `z = \"linear\"`" } else { "" };
            format!("`fgn` over `{}`{linear}", unit.name())
        }
        _ => format!("`{}`", cell.name()),
    }
}

#[test]
fn the_table_of_the_docs_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cells.md");
    let Ok(docs) = std::fs::read_to_string(page) else {
        println!("skipped: a package of this crate alone has no {page}");
        return;
    };
    let table = docs.split("## What works with which cell").nth(1).unwrap();
    let mut rows = table.lines().filter(|line| line.starts_with('|')).map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let header = rows.next().unwrap();
    let columns: Vec<_> = header[1..].iter().map(|name| name.rsplit(' ').next().unwrap()).collect();
    let rows: Vec<_> = rows.skip(1).take_while(|row| row.len() == header.len()).collect();
    for cell in AnyCell::all() {
        let name = row_name(cell);
        let row = rows.iter().find(|row| row[0] == name);
        let row = row.unwrap_or_else(|| panic!("{cell} is not in the table of docs/cells.md"));
        for (column, entry) in columns.iter().zip(&row[1..]) {
            assert_eq!(works(cell, column), entry == "+", "{cell}, column {column}");
        }
    }
}
