//! What kernels and layouts rely on in every cell's description.

use std::collections::HashSet;

use fgn_core::{AnyCell, Layout, MAX_BLOCKS, MAX_STATES, MAX_VECTORS};

#[test]
fn every_spec_keeps_the_rules() {
    for cell in AnyCell::all() {
        let spec = cell.spec();
        assert!((1..=MAX_BLOCKS).contains(&spec.blocks.len()), "{cell}");
        assert!((1..=MAX_STATES).contains(&spec.states.len()), "{cell}");
        assert!(spec.vectors.len() <= MAX_VECTORS, "{cell}");
        let fed: Vec<_> = spec.blocks.iter().map(|block| block.reads_input()).collect();
        assert!(fed.is_sorted_by(|a, b| a >= b), "{cell}: blocks fed by the input come first");
        let names: HashSet<_> = spec.blocks.iter().map(|block| block.name).collect();
        assert_eq!(names.len(), spec.blocks.len(), "{cell}: two blocks of one name");
    }
}

#[test]
fn a_layout_covers_its_parameters_once_and_in_order() {
    for cell in AnyCell::all() {
        for (input, hidden) in [(1, 1), (7, 17), (28, 128)] {
            let layout = Layout::new(cell.spec(), input, hidden);
            let mut end = 0;
            for slot in layout.tensors() {
                assert_eq!(slot.offset, end, "{cell}: {}", slot.name);
                assert_eq!(layout.tensor(slot.name), Some(slot));
                end = slot.range().end;
            }
            assert_eq!(end, layout.len(), "{cell}");
        }
        assert!(Layout::new(cell.spec(), 3, 0).is_empty());
    }
}

#[test]
fn every_cell_has_a_name_and_a_display_of_its_own() {
    let shown: HashSet<_> = AnyCell::all().iter().map(AnyCell::to_string).collect();
    assert_eq!(shown.len(), AnyCell::all().len());
    assert!(shown.contains("fgn(z linear, single readout, binary forgetting)"), "{shown:?}");
}
