//! The functions of the header, in C.

use crate::block;
use crate::code::{Code, product};
use crate::linear::Linear;
use crate::matrix::{Format, Matrix};
use crate::network::{Image, Input, Network};
use crate::output;

/// Writes the arrays of all parts but the recurrent layers.
pub(crate) fn write_weights(code: &mut Code, network: &Network) {
    match &network.input {
        Input::Series { scale: Some(scale), .. } => {
            code.floats("input_mean", &scale.high);
            if scale.low.iter().any(|&low| low != 0.0) {
                code.floats("input_mean_rest", &scale.low);
            }
            code.floats("input_std", &scale.std);
        }
        Input::Embedding(vectors) => code.matrix("embedding", vectors),
        Input::Series { scale: None, .. } | Input::Image(_) => {}
    }
    if let Some(Linear { weight, bias }) = &network.dense {
        code.matrix("dense_weight", weight);
        code.floats("dense_bias", bias);
    }
    output::write_weights(code, &network.head);
}

/// Writes all functions of the header. Returns the bytes of the arrays on the stack of a step, beside those of a
/// layer.
pub(crate) fn write_functions(code: &mut Code, network: &Network, name: &str) -> usize {
    let (head, size) = (&network.head, network.stack.outputs);
    code.line(format!("void {name}_reset({name}_state *state) {{"));
    code.line("    memset(state, 0, sizeof *state);");
    output::write_reset(code, &head.pool, size);
    code.line("}\n");
    output::write_pool(code, &head.pool, size, &format!("{name}_state"));
    let bytes = write_step(code, network, name);
    if let Input::Image(image) = &network.input {
        write_image(code, network, image, name);
    }
    if head.gives_logits() {
        output::write_logits(code, head.outputs(), name);
    }
    bytes
}

fn write_step(code: &mut Code, network: &Network, name: &str) -> usize {
    let is_token = matches!(network.input, Input::Embedding(_));
    let (result, input) =
        if is_token { ("int", "uint32_t token") } else { ("void", "const float *input") };
    code.line(format!("{result} {name}_step({name}_state *state, {input}, float *output) {{"));
    let arrays = arrays(network);
    for (array, _) in &arrays {
        code.line(format!("    float {array};"));
    }
    code.line(format!("    const float *x{};", if is_token { "" } else { " = input" }));
    code.line("");
    write_input(code, &network.input);
    if let Some(Linear { weight, .. }) = &network.dense {
        let size = weight.rows;
        code.line("    memcpy(dense, dense_bias, sizeof dense);");
        let columns = weight.columns.to_string();
        code.line(format!("    {}", product(weight, "dense_weight", &columns, "x", "dense")));
        code.line(format!("    for (size_t index = 0; index < {size}; index++) {{"));
        code.line("        dense[index] = dense[index] > 0.0f ? dense[index] : 0.0f;\n    }");
        code.line("    x = dense;");
    }
    match &network.stack.blocks {
        Some(blocks) => block::write_step(code, blocks),
        None => write_layers(code, network),
    }
    output::write_step(code, network);
    if is_token {
        code.line("    return 0;");
    }
    code.line("}\n");
    arrays.iter().map(|(_, size)| 4 * size).sum()
}

/// The arrays of a step, as C declares them, with the number of entries of each.
fn arrays(network: &Network) -> Vec<(String, usize)> {
    let row = |name: &str, size: usize| (format!("{name}[{size}]"), size);
    let mut arrays = Vec::new();
    match &network.input {
        Input::Series { features, scale: Some(_) } => arrays.push(row("scaled", *features)),
        Input::Embedding(vectors) if is_int8(vectors) => {
            arrays.push(row("vector", vectors.columns));
        }
        _ => {}
    }
    arrays.extend(network.dense.iter().map(|dense| row("dense", dense.weight.rows)));
    let stack = &network.stack;
    arrays.push(match (&stack.blocks, stack.layers.len().min(2)) {
        (Some(_), _) => row("stream", stack.outputs),
        (None, count) => (format!("results[{count}][{}]", stack.outputs), count * stack.outputs),
    });
    arrays.extend(output::arrays(&network.head).iter().map(|&(name, size)| row(name, size)));
    arrays
}

fn is_int8(matrix: &Matrix) -> bool {
    matrix.format() == Format::Int8
}

fn write_input(code: &mut Code, input: &Input) {
    match input {
        Input::Series { features, scale: Some(scale) } => {
            let has_rest = scale.low.iter().any(|&low| low != 0.0);
            let rest = if has_rest { " - input_mean_rest[index]" } else { "" };
            code.line(format!("    for (size_t index = 0; index < {features}; index++) {{"));
            code.line(format!(
                "        scaled[index] = (input[index] - input_mean[index]{rest}) / input_std[index];"
            ));
            code.line("    }\n    x = scaled;");
        }
        Input::Embedding(vectors) => {
            let size = vectors.columns;
            code.line(format!("    if (token >= {}) {{\n        return -1;\n    }}", vectors.rows));
            if !is_int8(vectors) {
                return code.line(format!("    x = embedding + (size_t)token * {size};"));
            }
            code.line(format!("    for (size_t index = 0; index < {size}; index++) {{"));
            code.line("        vector[index] = embedding_scale[token]");
            code.line(format!("            * (float)embedding[(size_t)token * {size} + index];"));
            code.line("    }\n    x = vector;");
        }
        Input::Series { scale: None, .. } | Input::Image(_) => {}
    }
}

fn write_layers(code: &mut Code, network: &Network) {
    let stack = &network.stack;
    if stack.layers.len() == 1 {
        code.line("    run_layer(&layers[0], 0, x, state, results[0]);");
        return code.line("    x = results[0];");
    }
    code.line(format!("    for (size_t layer = 0; layer < {}; layer++) {{", stack.layers.len()));
    code.line("        float *y = results[layer % 2];");
    code.line("        run_layer(&layers[layer], layer, x, state, y);");
    if stack.adds_input() {
        code.line("        if (layer > 0) {");
        code.line(format!("            add_row(x, {}, y);\n        }}", stack.outputs));
    }
    code.line("        x = y;\n    }");
}

/// The function that runs a whole image.
fn write_image(code: &mut Code, network: &Network, image: &Image, name: &str) {
    let Image { steps, order, .. } = image;
    let size = image.height * image.width * image.channels / steps;
    let mut index = "step";
    if let Some(order) = order {
        code.indices("pixel_order", order);
        index = "pixel_order[step]";
    }
    let output = match network.head.is_per_step() {
        true => format!("output + step * {}", network.head.outputs()),
        false => format!("step + 1 == {steps} ? output : NULL"),
    };
    code.line(format!(
        "void {name}_image({name}_state *state, const float *image, float *output) {{"
    ));
    code.line(format!("    {name}_reset(state);"));
    code.line(format!("    for (size_t step = 0; step < {steps}; step++) {{"));
    code.line(format!("        {name}_step(state, image + (size_t){index} * {size},"));
    code.line(format!("            {output});"));
    code.line("    }\n}\n");
}
