use std::fmt::Write as _;

use fgn_core::{AnyCell, Block, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, Spec, print};

use super::sizes::{DEPTH, PAD, ROWS, UNITS};
use crate::run::gate_statistics::{CLOSED, OPEN};
use crate::run::plan::NORM_EPSILON;

/// What a run on a GPU computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// `f32` throughout. Products are in full precision unless Candle's settings say otherwise.
    F32,
    /// `f64` throughout.
    F64,
    /// Inputs, weights and outputs are `bf16`; states, sums and the equations are `f32`.
    Bf16,
}

impl Number {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F64, Self::Bf16];
}

/// The source in CUDA C++ of all kernels for `cell`: it needs no header, and no library but the device's.
///
/// ```
/// use fgn_core::AnyCell;
/// use fgn_kernels::cuda::{Number, source};
///
/// assert!(source(AnyCell::FGN, Number::F32).contains("void fgn_persistent_forward("));
/// ```
pub fn source(cell: AnyCell, number: Number) -> String {
    let define = match number {
        Number::F32 => "",
        Number::F64 => "#define FGN_DOUBLE\n",
        Number::Bf16 => "#define FGN_BF16\n",
    };
    [
        define,
        print::PRELUDE,
        include_str!("template/device.h"),
        &print::functions(cell, "cell"),
        &constants(number),
        &description(cell.spec()),
        include_str!("template/unit.h"),
        include_str!("template/kernels.h"),
        include_str!("template/rows.h"),
        include_str!("template/persistent.h"),
    ]
    .join("\n")
}

/// The constants that the kernels share with Rust.
fn constants(number: Number) -> String {
    let matrix_units = number == Number::Bf16;
    let sizes = [
        ("UNITS_EACH", UNITS),
        ("ROWS", ROWS),
        ("DEPTH", DEPTH),
        ("PAD", PAD[usize::from(matrix_units)]),
    ];
    let reals = [("EPSILON", NORM_EPSILON), ("CLOSED", CLOSED), ("OPEN", OPEN)];
    let mut text = String::new();
    for (name, value) in sizes {
        // Writing to a string does not fail.
        let _ = writeln!(text, "#define FGN_{name} {value}");
    }
    for (name, value) in reals {
        let _ = writeln!(text, "#define FGN_{name} ((real){value:e})");
    }
    text
}

/// What the kernels ask about a cell: counts as macros, and tables over its blocks as functions.
fn description(spec: &Spec) -> String {
    let places = Places::of(spec);
    let gates = spec.indices(Block::is_gate);
    let mut text = String::new();
    for (name, value) in [
        ("MAX_BLOCKS", MAX_BLOCKS as i64),
        ("MAX_STATES", MAX_STATES as i64),
        ("MAX_VECTORS", MAX_VECTORS as i64),
        ("BLOCKS", spec.blocks.len() as i64),
        ("STATES", spec.states.len() as i64),
        ("VECTORS", spec.vectors.len() as i64),
        ("GATES", gates.len() as i64),
        ("HIDDEN_BLOCKS", places.hidden.len() as i64),
        ("MEMORY", spec.memory.map_or(-1, |place| place as i64)),
        ("OUTPUT_IS_STATE", spec.output_is_state.into()),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "#define FGN_{name} ({value})");
    }
    let place_in = |list: &[usize], block| list.iter().position(|&of| of == block);
    #[cfg(any(test, feature = "cuda"))]
    let _ = writeln!(text, "#define FGN_RUN_BYTES ({})", size_of::<super::gpu::Run>());
    let tables: [(&str, &dyn Fn(usize) -> i64); 4] = [
        ("column", &|g| places.columns[g] as i64),
        ("hidden_place", &|g| place_in(&places.hidden, g).map_or(-1, |place| place as i64)),
        ("gate", &|g| place_in(&gates, g).map_or(-1, |place| place as i64)),
        ("normalised", &|g| spec.blocks[g].is_normalized().into()),
    ];
    for (name, of) in tables {
        let values: Vec<_> = (0..spec.blocks.len()).map(|g| of(g).to_string()).collect();
        let values = values.join(", ");
        let _ = writeln!(
            text,
            "FGN_FUNCTION int {name}(int block) {{ const int of[] = {{{values}}}; return of[block]; }}"
        );
    }
    text
}

/// In which columns the kernels keep a cell's blocks: those that the hidden state feeds come last, in their
/// order, so that one product serves all of them.
pub(super) struct Places {
    /// For each block, its column.
    pub(super) columns: Vec<usize>,
    /// The blocks that read the hidden state, in the order of `weight_hh`.
    pub(super) hidden: Vec<usize>,
}

impl Places {
    pub(super) fn of(spec: &Spec) -> Self {
        let hidden = spec.indices(Block::reads_hidden);
        let order = spec.indices(|block| !block.reads_hidden()).into_iter().chain(hidden.clone());
        let mut columns = vec![0; spec.blocks.len()];
        order.enumerate().for_each(|(column, block)| columns[block] = column);
        Self { columns, hidden }
    }
}
