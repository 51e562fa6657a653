//! Cells as configurations name them.
#![cfg(feature = "serde")]

use fgn_core::AnyCell;
use fgn_core::cells::Z;

#[test]
fn every_cell_reads_back_as_it_was_written() {
    for cell in AnyCell::all() {
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<AnyCell>(&text).unwrap(), cell, "{text}");
    }
}

#[test]
fn options_have_defaults_and_unknown_ones_are_refused() {
    let read = |text| serde_json::from_str::<AnyCell>(text);
    assert_eq!(read(r#"{"name": "fgn"}"#).unwrap(), AnyCell::FGN);
    let linear = read(r#"{"name": "fgn", "z": "linear"}"#).unwrap();
    assert!(matches!(linear, AnyCell::Fgn { z: Z::Linear, .. }));
    for wrong in [
        r#"{"name": "fng"}"#,
        r#"{"name": "fgn", "zz": "linear"}"#,
        r#"{"name": "fgn", "z": "one"}"#,
        r#"{"name": "lstm", "z": "zero"}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong} was read");
    }
}
