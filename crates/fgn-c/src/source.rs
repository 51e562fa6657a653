//! `NAME.c`.

use crate::code::{Code, float, string, wrapped};
use crate::helpers::HELPERS;
use crate::layer::{self, CellFunctions};
use crate::network::Network;
use crate::table::{self, write_arrays};
use crate::{block, cell, header, step};

/// The text of `NAME.c`, and its sizes.
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) weight_bytes: usize,
    pub(crate) stack_bytes: usize,
}

/// Writes the source of a model called `name`.
pub(crate) fn write(network: &Network, name: &str) -> Source {
    let stack = &network.stack;
    let functions = CellFunctions::new(stack);
    // The weights, the cell, and what calls the helpers; put together below, with those helpers that are called.
    let mut weights = Code::default();
    step::write_weights(&mut weights, network);
    let layers = layer::tables(stack);
    write_arrays(&mut weights, "layer", &layers);
    let blocks = stack.blocks.as_ref().map(|blocks| (blocks, block::tables(blocks)));
    if let Some((blocks, tables)) = &blocks {
        block::write_weights(&mut weights, blocks);
        write_arrays(&mut weights, "block", tables);
    }
    let mut equations = Code::default();
    cell::write(&mut equations, stack.cell, &functions.all());
    let mut callers = Code::default();
    let state = format!("{name}_state");
    table::write(&mut callers, "layer", &layers);
    layer::write_function(&mut callers, stack, &functions, &state);
    if let Some((blocks, tables)) = &blocks {
        table::write(&mut callers, "block", tables);
        block::write_functions(&mut callers, stack, blocks, &state);
    }
    let step_bytes = step::write_functions(&mut callers, network, name);

    let of_layers = match &stack.blocks {
        Some(blocks) => block::stack_bytes(stack, blocks),
        None => layer::stack_bytes(stack),
    };

    let mut code = Code::default();
    code.line(format!(
        "/* Written by fgn {}. {name}.h says how it is used. */",
        env!("CARGO_PKG_VERSION")
    ));
    code.line(format!("#include \"{name}.h\"\n\n#include <math.h>\n#include <string.h>\n"));
    code.text += &weights.text;
    if let Some((what, names)) = header::exported_names(&network.head) {
        let names: Vec<_> = names.iter().map(|name| string(name)).collect();
        code.line(format!("const char *const {name}_{what}_names[{}] = {{", names.len()));
        code.text += &wrapped(names.iter().map(String::as_str), "    ", ",");
        code.line("};\n");
    }
    for (helper, text) in HELPERS {
        if callers.text.contains(&format!("{helper}(")) {
            code.line(text);
        }
    }
    if let Some(clip) = stack.clip {
        let (low, high) = (float(-clip), float(clip));
        code.line("static inline float clip_state(float x) {");
        code.line(format!("    return x > {high} ? {high} : x < {low} ? {low} : x;\n}}\n"));
    }
    code.text += &equations.text;
    code.text += &callers.text;
    Source {
        text: code.text.trim_end().to_owned() + "\n",
        weight_bytes: weights.bytes + callers.bytes,
        stack_bytes: step_bytes + of_layers,
    }
}
