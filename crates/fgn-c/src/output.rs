//! The head of a step, in C.

use crate::code::{Code, float, product};
use crate::head::{Cluster, Head, Kind, Map, Pool};
use crate::network::{Input, Network};

/// Writes the arrays of the head.
pub(crate) fn write_weights(code: &mut Code, head: &Head) {
    if let Pool::Attention(query) = &head.pool {
        code.floats("pool_query", query);
    }
    match &head.map {
        Map::Linear(weight) => code.matrix("head_weight", weight),
        Map::Tied { projection, .. } => {
            projection.iter().for_each(|projection| code.matrix("head_projection", projection));
        }
        Map::Clusters { head, clusters } => {
            code.matrix("head_weight", head);
            for (index, Cluster { projection, weight }) in clusters.iter().enumerate() {
                code.matrix(&format!("tail{index}_projection"), projection);
                code.matrix(&format!("tail{index}_weight"), weight);
            }
        }
    }
    head.bias.iter().for_each(|bias| code.floats("head_bias", bias));
    if let Kind::Values { scale: Some([mean, std]), .. } = &head.kind {
        code.floats("output_mean", mean);
        code.floats("output_std", std);
    }
}

/// The arrays that a step needs for the head.
pub(crate) fn arrays(head: &Head) -> Vec<(&'static str, usize)> {
    match &head.map {
        Map::Tied { projection: Some(projection), .. } => vec![("projected", projection.rows)],
        Map::Clusters { clusters, .. } => {
            let sizes = clusters.iter().map(|cluster| cluster.projection.rows);
            vec![("tails", clusters.len()), ("projected", sizes.max().unwrap_or(1))]
        }
        Map::Linear(_) | Map::Tied { projection: None, .. } => Vec::new(),
    }
}

/// The states of a pool of outputs `[size]`, as C declares them, with the number of each.
pub(crate) fn pool_states(pool: &Pool, size: usize) -> Vec<(String, usize)> {
    let pooled = (format!("pooled[{size}]"), size);
    match pool {
        Pool::Last => Vec::new(),
        Pool::Max => vec![pooled],
        Pool::Mean => vec![pooled, ("pool_steps".into(), 1)],
        Pool::Attention(_) => vec![pooled, ("pool_score".into(), 1), ("pool_weight".into(), 1)],
    }
}

/// Writes what a reset of the state does beside setting all to zero.
pub(crate) fn write_reset(code: &mut Code, pool: &Pool, size: usize) {
    match pool {
        Pool::Last | Pool::Mean => {}
        Pool::Max => {
            code.line(format!("    for (size_t unit = 0; unit < {size}; unit++) {{"));
            code.line("        state->pooled[unit] = -INFINITY;\n    }");
        }
        Pool::Attention(_) => code.line("    state->pool_score = -INFINITY;"),
    }
}

/// Writes the function that adds an output of the recurrent layer to the pool.
pub(crate) fn write_pool(code: &mut Code, pool: &Pool, size: usize, state: &str) {
    let (what, prepare, next) = match pool {
        Pool::Last => return,
        Pool::Mean => (
            "mean",
            "    state->pool_steps += 1.0f;\n".to_owned(),
            "state->pooled[unit] += (x[unit] - state->pooled[unit]) / state->pool_steps;",
        ),
        Pool::Max => (
            "maximum",
            String::new(),
            "state->pooled[unit] = state->pooled[unit] > x[unit] ? state->pooled[unit] : x[unit];",
        ),
        Pool::Attention(_) => (
            "weighted mean",
            format!(
                "    float score = 0.0f, largest, weight;\n\n    \
                 for (size_t unit = 0; unit < {size}; unit++) {{\n        \
                 score += pool_query[unit] * x[unit];\n    }}\n    \
                 /* All weights so far are relative to the largest score. */\n    \
                 largest = state->pool_score > score ? state->pool_score : score;\n    \
                 weight = expf(score - largest);\n    \
                 state->pool_weight = state->pool_weight * expf(state->pool_score - largest) + weight;\n    \
                 state->pool_score = largest;\n"
            ),
            "state->pooled[unit] += (x[unit] - state->pooled[unit]) * weight / state->pool_weight;",
        ),
    };
    code.line(format!("/* The {what} of the outputs of the steps so far. */"));
    code.line(format!("static void add_to_pool({state} *state, const float *x) {{"));
    code.text += &prepare;
    code.line(format!("    for (size_t unit = 0; unit < {size}; unit++) {{"));
    code.line(format!("        {next}\n    }}\n}}\n"));
}

/// Writes the part of a step that reads the recurrent layer's output `x`.
pub(crate) fn write_step(code: &mut Code, network: &Network) {
    let head = &network.head;
    if !matches!(head.pool, Pool::Last) {
        code.line("    add_to_pool(state, x);\n    x = state->pooled;");
    }
    code.line("    if (output != NULL) {");
    let outputs = head.outputs();
    match head.bias {
        Some(_) => code.line("        memcpy(output, head_bias, sizeof head_bias);"),
        None => code.line(format!("        memset(output, 0, {outputs} * sizeof *output);")),
    }
    match &head.map {
        Map::Linear(weight) => {
            let columns = weight.columns.to_string();
            let call = product(weight, "head_weight", &columns, "x", "output");
            code.line(format!("        {call}"));
        }
        Map::Tied { projection, .. } => {
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
        Map::Clusters { head, clusters } => {
            let columns = head.columns.to_string();
            let call = product(head, "head_weight", &columns, "x", "output");
            code.line(format!("        {call}"));
            write_clusters(code, head.rows, clusters);
        }
    }
    if let Kind::Values { scale: Some(_), .. } = &head.kind {
        code.line(format!("        for (size_t index = 0; index < {outputs}; index++) {{"));
        code.line(
            "            output[index] = output[index] * output_std[index] + output_mean[index];",
        );
        code.line("        }");
    }
    code.line("    }");
}

/// The logarithms of the probabilities of all tokens, from the `rows` logits in `output`: those of the frequent tokens,
/// and one for each cluster.
fn write_clusters(code: &mut Code, rows: usize, clusters: &[Cluster]) {
    let frequent = rows - clusters.len();
    let rare: usize = clusters.iter().map(|cluster| cluster.weight.rows).sum();
    code.line(format!("        add_constant(-log_sum_exp(output, {rows}), {rows}, output);"));
    code.line(format!("        memcpy(tails, output + {frequent}, sizeof tails);"));
    code.line(format!("        memset(output + {frequent}, 0, {rare} * sizeof *output);"));
    let mut start = frequent;
    for (index, Cluster { projection, weight }) in clusters.iter().enumerate() {
        let (size, count) = (projection.rows, weight.rows);
        code.line(format!("        memset(projected, 0, {size} * sizeof *projected);"));
        let columns = projection.columns.to_string();
        let name = format!("tail{index}_projection");
        code.line(format!("        {}", product(projection, &name, &columns, "x", "projected")));
        let (name, y) = (format!("tail{index}_weight"), format!("output + {start}"));
        let call = product(weight, &name, &size.to_string(), "projected", &y);
        code.line(format!("        {call}"));
        code.line(format!(
            "        add_constant(tails[{index}] - log_sum_exp({y}, {count}), {count}, {y});"
        ));
        start += count;
    }
}

/// Writes the functions that read logits.
pub(crate) fn write_logits(code: &mut Code, outputs: usize, name: &str) {
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
