//! `NAME.c`.

use crate::cell;
use crate::code::{Code, float, string, wrapped};
use crate::layer::{self, CellFunctions};
use crate::network::{Head, Network};
use crate::step;

/// The text of `NAME.c`, and its sizes.
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) weight_bytes: usize,
    pub(crate) stack_bytes: usize,
}

const HELPERS: [(&str, &str); 3] = [
    (
        "add_product",
        "/* Adds the product of a matrix [rows, columns] and x to y. */
static void add_product(const float *matrix, size_t rows, size_t columns, const float *x, float *y) {
    for (size_t row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (size_t column = 0; column < columns; column++) {
            sum += matrix[column] * x[column];
        }
        y[row] += sum;
        matrix += columns;
    }
}
",
    ),
    (
        "add_product_int8",
        "/* The same, of a matrix of whole numbers and a scale for each row. */
static void add_product_int8(const int8_t *matrix, const float *scale, size_t rows, size_t columns,
                             const float *x, float *y) {
    for (size_t row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (size_t column = 0; column < columns; column++) {
            sum += (float)matrix[column] * x[column];
        }
        y[row] += scale[row] * sum;
        matrix += columns;
    }
}
",
    ),
    (
        "normalize_row",
        "/* Gives a row a mean of 0 and a variance of 1. */
static void normalize_row(float *row, size_t count) {
    float sum = 0.0f, squares = 0.0f, mean, scale;

    for (size_t index = 0; index < count; index++) {
        sum += row[index];
    }
    mean = sum / (float)count;
    for (size_t index = 0; index < count; index++) {
        row[index] -= mean;
        squares += row[index] * row[index];
    }
    scale = 1.0f / sqrtf(squares / (float)count + 1e-5f);
    for (size_t index = 0; index < count; index++) {
        row[index] *= scale;
    }
}
",
    ),
];

/// Writes the source of a model called `name`.
pub(crate) fn write(network: &Network, name: &str) -> Source {
    let stack = &network.stack;
    let functions = CellFunctions::new(stack);
    // The weights, the cell, and what calls the helpers; put together below, with those helpers that are called.
    let mut weights = Code::default();
    step::write_weights(&mut weights, network);
    layer::write_weights(&mut weights, stack);
    let mut equations = Code::default();
    cell::write(&mut equations, stack.cell, &functions.all());
    let mut callers = Code::default();
    layer::write_table(&mut callers, stack);
    layer::write_function(&mut callers, stack, &functions, &format!("{name}_state"));
    let step_bytes = step::write_functions(&mut callers, network, name);

    let mut code = Code::default();
    code.line(format!(
        "/* Written by fgn {}. {name}.h says how it is used. */",
        env!("CARGO_PKG_VERSION")
    ));
    code.line(format!("#include \"{name}.h\"\n\n#include <math.h>\n#include <string.h>\n"));
    code.text += &weights.text;
    if let Head::Classification { names, .. } = &network.head {
        let names: Vec<_> = names.iter().map(|class| string(class)).collect();
        code.line(format!("const char *const {name}_class_names[{}] = {{", names.len()));
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
        stack_bytes: step_bytes + layer::stack_bytes(stack),
    }
}
