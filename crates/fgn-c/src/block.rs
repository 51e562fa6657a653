//! One step of the residual blocks, in C.

use crate::code::{Code, product};
use crate::layer;
use crate::linear::Linear;
use crate::residual::{Block, Blocks, Conv, Mlp, RowNorm};
use crate::stack::Stack;
use crate::table::{Field, Fields};

/// The weights of all blocks.
pub(crate) fn tables(blocks: &Blocks) -> Vec<Fields<'_>> {
    blocks.blocks.iter().map(fields).collect()
}

fn fields(block: &Block) -> Fields<'_> {
    let Block { norm, conv, out, mlp } = block;
    let mut fields = norm_fields("norm", norm);
    if let Some(Conv { weight, bias }) = conv {
        fields.push(("conv_weight".to_owned(), Field::Floats(weight)));
        fields.push(("conv_bias".to_owned(), Field::Floats(bias)));
    }
    fields.extend(linear_fields("out", out));
    if let Some(Mlp { norm, up, down }) = mlp {
        fields.extend(norm_fields("mlp_norm", norm));
        fields.extend(linear_fields("mlp_up", up));
        fields.extend(linear_fields("mlp_down", down));
    }
    fields
}

fn linear_fields<'a>(name: &str, Linear { weight, bias }: &'a Linear) -> Fields<'a> {
    let weight = (format!("{name}_weight"), Field::Matrix(weight));
    vec![weight, (format!("{name}_bias"), Field::Floats(bias))]
}

fn norm_fields<'a>(name: &str, RowNorm { gains, bias }: &'a RowNorm) -> Fields<'a> {
    let gains = (format!("{name}_gains"), Field::Floats(gains));
    let bias = bias.iter().map(|bias| (format!("{name}_bias"), Field::Floats(bias)));
    [gains].into_iter().chain(bias).collect()
}

/// Writes the arrays of what is around the blocks.
pub(crate) fn write_weights(code: &mut Code, blocks: &Blocks) {
    code.matrix("embed_weight", &blocks.embed.weight);
    code.floats("embed_bias", &blocks.embed.bias);
    code.floats("last_norm_gains", &blocks.norm.gains);
    if let Some(bias) = &blocks.norm.bias {
        code.floats("last_norm_bias", bias);
    }
}

/// Writes the function of one step of one block, for the state type `state`, and those that it calls.
pub(crate) fn write_functions(code: &mut Code, stack: &Stack, blocks: &Blocks, state: &str) {
    let Some(first) = blocks.blocks.first() else { return };
    let width = stack.outputs;
    write_norm(code, &blocks.norm, width);
    if let Some(conv) = &first.conv {
        write_conv(code, conv, width);
    }
    if let Some(mlp) = &first.mlp {
        write_mlp(code, mlp, width);
    }
    code.line(
        "/* A residual block around a layer: what both its halves compute of x is added to it. */",
    );
    code.line(format!(
        "static void run_block(const block_weights *weights, size_t layer, {state} *state, float *x) {{"
    ));
    code.line(format!("    float row[{width}];\n"));
    code.line("    memcpy(row, x, sizeof row);");
    code.line(format!("    {}", norm(&first.norm, "weights->norm", "row")));
    if first.conv.is_some() {
        code.line("    convolve(weights, state->window[layer], row);");
    }
    code.line("    run_layer(&layers[layer], layer, row, state, row);");
    write_sum(code, &first.out, "weights->out", "row");
    if let Some(mlp) = &first.mlp {
        code.line("    memcpy(row, x, sizeof row);");
        code.line(format!("    {}", norm(&mlp.norm, "weights->mlp_norm", "row")));
        code.line("    run_mlp(weights, row, x);");
    }
    code.line("}\n");
}

/// Writes the part of a step that runs all blocks: reads `x`, and points it to the outputs in the array `stream`.
pub(crate) fn write_step(code: &mut Code, blocks: &Blocks) {
    let Linear { weight, .. } = &blocks.embed;
    code.line("    memcpy(stream, embed_bias, sizeof stream);");
    let columns = weight.columns.to_string();
    code.line(format!("    {}", product(weight, "embed_weight", &columns, "x", "stream")));
    code.line(format!("    for (size_t layer = 0; layer < {}; layer++) {{", blocks.blocks.len()));
    code.line("        run_block(&blocks[layer], layer, state, stream);\n    }");
    code.line(format!("    {}", norm(&blocks.norm, "last_norm", "stream")));
    code.line("    x = stream;");
}

fn write_norm(code: &mut Code, norm: &RowNorm, width: usize) {
    let (row, parameter, bias) = match norm.bias {
        None => ("scale_row", "", ""),
        Some(_) => ("normalize_row", ", const float *bias", " + bias[unit]"),
    };
    code.line(format!(
        "static void apply_norm(const float *gains{parameter}, float *row) {{\n    {row}(row, {width});"
    ));
    code.line(format!("    for (size_t unit = 0; unit < {width}; unit++) {{"));
    code.line(format!("        row[unit] = row[unit] * gains[unit]{bias};\n    }}\n}}\n"));
}

/// The statement that normalises `row` by the parameters whose names begin with `name`.
fn norm(norm: &RowNorm, name: &str, row: &str) -> String {
    let bias = norm.bias.iter().map(|_| format!(", {name}_bias")).collect::<String>();
    format!("apply_norm({name}_gains{bias}, {row});")
}

fn write_conv(code: &mut Code, conv: &Conv, width: usize) {
    let (taps, window) = (conv.taps(), conv.taps() - 1);
    code.line(format!(
        "/* The convolution of each feature over its last {taps} values: the window has those of the steps\n   \
         before, the oldest first. */"
    ));
    code.line(format!(
        "static void convolve(const block_weights *weights, float (*window)[{window}], float *row) {{"
    ));
    code.line(format!("    for (size_t unit = 0; unit < {width}; unit++) {{"));
    code.line(format!("        const float *taps = weights->conv_weight + unit * {taps};"));
    code.line("        float *past = window[unit];");
    code.line(format!(
        "        float sum = weights->conv_bias[unit] + taps[{window}] * row[unit];\n"
    ));
    code.line(format!("        for (size_t tap = 0; tap < {window}; tap++) {{"));
    code.line("            sum += taps[tap] * past[tap];\n        }");
    if window > 1 {
        code.line(format!("        memmove(past, past + 1, {} * sizeof *past);", window - 1));
    }
    code.line(format!("        past[{}] = row[unit];", window - 1));
    code.line("        row[unit] = sum;\n    }\n}\n");
}

fn write_mlp(code: &mut Code, mlp: &Mlp, width: usize) {
    let hidden = mlp.down.weight.columns;
    code.line("/* The gated multi-layer perceptron: reads row, adds to x. */");
    code.line("static void run_mlp(const block_weights *weights, const float *row, float *x) {");
    code.line(format!("    float hidden[{}];\n", 2 * hidden));
    code.line("    memcpy(hidden, weights->mlp_up_bias, sizeof hidden);");
    let up = product(&mlp.up.weight, "weights->mlp_up_weight", &width.to_string(), "row", "hidden");
    code.line(format!("    {up}"));
    code.line(format!("    for (size_t unit = 0; unit < {hidden}; unit++) {{"));
    code.line(format!(
        "        hidden[unit] = hidden[unit] / (1.0f + expf(-hidden[unit])) * hidden[unit + {hidden}];"
    ));
    code.line("    }");
    write_sum(code, &mlp.down, "weights->mlp_down", "hidden");
    code.line("}\n");
}

/// Adds what a linear map makes of `row` to `x`.
fn write_sum(code: &mut Code, linear: &Linear, name: &str, row: &str) {
    let Linear { weight, bias } = linear;
    let columns = weight.columns.to_string();
    code.line(format!("    add_row({name}_bias, {}, x);", bias.len()));
    let product = product(weight, &format!("{name}_weight"), &columns, row, "x");
    code.line(format!("    {product}"));
}

/// The bytes of the arrays on the stack in a step of a block, with those of the layer in it.
pub(crate) fn stack_bytes(stack: &Stack, blocks: &Blocks) -> usize {
    // The layer has returned when the multi-layer perceptron begins.
    let row = 4 * stack.outputs;
    row + layer::stack_bytes(stack).max(4 * 2 * blocks.mlp_size())
}
