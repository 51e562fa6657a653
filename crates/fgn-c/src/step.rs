//! The functions of the header, in C.

use crate::code::{Code, float, product};
use crate::matrix::{Format, Matrix};
use crate::network::{Head, Image, Input, Linear, Network};

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
    match &network.head {
        Head::Classification { linear, .. }
        | Head::Regression { linear, .. }
        | Head::NextToken(linear) => {
            code.matrix("head_weight", &linear.weight);
            code.floats("head_bias", &linear.bias);
        }
        Head::Tied { projection, bias } => {
            if let Some(projection) = projection {
                code.matrix("head_projection", projection);
            }
            code.floats("head_bias", bias);
        }
    }
    if let Head::Regression { scale: Some([mean, std]), .. } = &network.head {
        code.floats("output_mean", mean);
        code.floats("output_std", std);
    }
}

/// Writes all functions of the header. Returns the bytes of the arrays on the stack of a step, beside those of a
/// layer.
pub(crate) fn write_functions(code: &mut Code, network: &Network, name: &str) -> usize {
    code.line(format!("void {name}_reset({name}_state *state) {{"));
    code.line("    memset(state, 0, sizeof *state);\n}\n");
    let bytes = write_step(code, network, name);
    if let Input::Image(image) = &network.input {
        write_image(code, network, image, name);
    }
    if network.head.gives_logits() {
        write_logits(code, network.head.outputs(), name);
    }
    bytes
}

fn write_step(code: &mut Code, network: &Network, name: &str) -> usize {
    let outputs = network.stack.outputs;
    let is_token = matches!(network.input, Input::Embedding(_));
    let (result, input) =
        if is_token { ("int", "uint32_t token") } else { ("void", "const float *input") };
    code.line(format!("{result} {name}_step({name}_state *state, {input}, float *output) {{"));
    let buffers = network.stack.layers.len().min(2);
    let mut bytes = 4 * buffers * outputs;
    code.line(format!("    float results[{buffers}][{outputs}];"));
    for (array, size) in arrays(network) {
        code.line(format!("    float {array}[{size}];"));
        bytes += 4 * size;
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
    write_layers(code, network);
    write_head(code, network);
    if is_token {
        code.line("    return 0;");
    }
    code.line("}\n");
    bytes
}

/// The arrays that a step needs beside those of the layers' results.
fn arrays(network: &Network) -> Vec<(&'static str, usize)> {
    let mut arrays = Vec::new();
    match &network.input {
        Input::Series { features, scale: Some(_) } => arrays.push(("scaled", *features)),
        Input::Embedding(vectors) if is_int8(vectors) => arrays.push(("vector", vectors.columns)),
        _ => {}
    }
    arrays.extend(network.dense.iter().map(|dense| ("dense", dense.weight.rows)));
    if let Head::Tied { projection: Some(projection), .. } = &network.head {
        arrays.push(("projected", projection.rows));
    }
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
        code.line(format!(
            "            for (size_t unit = 0; unit < {}; unit++) {{",
            stack.outputs
        ));
        code.line("                y[unit] += x[unit];\n            }\n        }");
    }
    code.line("        x = y;\n    }");
}

fn write_head(code: &mut Code, network: &Network) {
    code.line("    if (output != NULL) {");
    let outputs = network.head.outputs();
    code.line("        memcpy(output, head_bias, sizeof head_bias);");
    match &network.head {
        Head::Classification { linear, .. }
        | Head::Regression { linear, .. }
        | Head::NextToken(linear) => {
            let columns = linear.weight.columns.to_string();
            let call = product(&linear.weight, "head_weight", &columns, "x", "output");
            code.line(format!("        {call}"));
        }
        Head::Tied { projection, .. } => {
            let mut x = "x";
            if let Some(projection) = projection {
                code.line("        memset(projected, 0, sizeof projected);");
                let columns = projection.columns.to_string();
                let call = product(projection, "head_projection", &columns, "x", "projected");
                code.line(format!("        {call}"));
                x = "projected";
            }
            if let Input::Embedding(vectors) = &network.input {
                let columns = vectors.columns.to_string();
                let call = product(vectors, "embedding", &columns, x, "output");
                code.line(format!("        {call}"));
            }
        }
    }
    if let Head::Regression { scale: Some(_), .. } = &network.head {
        code.line(format!("        for (size_t index = 0; index < {outputs}; index++) {{"));
        code.line(
            "            output[index] = output[index] * output_std[index] + output_mean[index];",
        );
        code.line("        }");
    }
    code.line("    }");
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

/// The functions that read logits.
fn write_logits(code: &mut Code, outputs: usize, name: &str) {
    code.line(format!("size_t {name}_argmax(const float *logits) {{"));
    code.line("    size_t best = 0;\n");
    code.line(format!("    for (size_t index = 1; index < {outputs}; index++) {{"));
    code.line("        if (logits[index] > logits[best]) {\n            best = index;\n        }");
    code.line("    }\n    return best;\n}\n");
    code.line(format!("void {name}_softmax(const float *logits, float *probabilities) {{"));
    code.line(format!("    const float largest = logits[{name}_argmax(logits)];"));
    code.line(format!("    float sum = {};\n", float(0.0)));
    code.line(format!("    for (size_t index = 0; index < {outputs}; index++) {{"));
    code.line("        probabilities[index] = expf(logits[index] - largest);");
    code.line("        sum += probabilities[index];\n    }");
    code.line(format!("    for (size_t index = 0; index < {outputs}; index++) {{"));
    code.line("        probabilities[index] /= sum;\n    }\n}\n");
}
