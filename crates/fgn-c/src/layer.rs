//! One step of a recurrent layer, in C: one function for all layers, and a table of their weights.

use crate::cell::CellFunction;
use crate::code::{Code, float, product};
use crate::stack::{Layer, Stack};
use crate::table::{Field, Fields};

/// The functions of the stack's cell that a step calls.
pub(crate) struct CellFunctions {
    step: CellFunction,
    /// With a normalised memory: the step from its value.
    normalized: Option<CellFunction>,
}

impl CellFunctions {
    pub(crate) fn new(stack: &Stack) -> Self {
        let normalized = stack.norm.memory.then(|| CellFunction::new(stack.cell, true));
        Self { step: CellFunction::new(stack.cell, false), normalized }
    }

    pub(crate) fn all(&self) -> Vec<&CellFunction> {
        [&self.step].into_iter().chain(&self.normalized).collect()
    }
}

/// The weights of all layers.
pub(crate) fn tables(stack: &Stack) -> Vec<Fields<'_>> {
    stack.layers.iter().map(|layer| fields(stack, layer)).collect()
}

fn fields<'a>(stack: &Stack, layer: &'a Layer) -> Fields<'a> {
    let mut fields = vec![("inputs".to_owned(), Field::Size(layer.inputs))];
    let parts = layer.parts.iter();
    fields.extend(parts.map(|part| (part.name.clone(), Field::Matrix(&part.matrix))));
    let mut add = |name: &str, field| fields.push((name.to_owned(), field));
    if let Some(bias) = &layer.bias {
        add("bias", Field::Floats(bias));
    }
    if let Some(projection) = &layer.projection {
        add("weight_hr", Field::Matrix(projection));
    }
    for (name, vector) in stack.spec.vectors.iter().zip(&layer.vectors) {
        add(name, Field::Floats(vector));
    }
    if let Some(gains) = &layer.norm_pre {
        add("norm_pre", Field::Floats(gains));
    }
    if let Some([gain, bias]) = &layer.norm_memory {
        add("norm_memory", Field::Floats(gain));
        add("norm_memory_bias", Field::Floats(bias));
    }
    fields
}

/// Writes the function of one step of one layer, for the state type `state`.
pub(crate) fn write_function(code: &mut Code, stack: &Stack, cell: &CellFunctions, state: &str) {
    let Some(first) = stack.layers.first() else { return };
    let (units, outputs) = (stack.units, stack.outputs);
    code.line("/* One step of a layer: reads x, changes the layer's states, writes y. */");
    code.line("static void run_layer(const layer_weights *weights, size_t layer, const float *x,");
    code.line(format!("                      {state} *state, float *y) {{"));
    code.line(format!("    float sums[{}];", stack.blocks() * units));
    if stack.norm.memory {
        code.line(format!("    float memory[{units}];"));
    }
    if stack.is_projected() {
        code.line(format!("    float unprojected[{units}];"));
    }
    code.line("");
    write_sums(code, stack, first);
    if stack.norm.pre {
        for (block, _) in stack.spec.blocks.iter().enumerate().filter(|(_, b)| b.is_normalized()) {
            code.line(format!("    normalize_row(sums + {}, {units});", block * units));
        }
    }
    let units_loop = |code: &mut Code, function: &CellFunction| {
        code.line(format!("    for (size_t unit = 0; unit < {units}; unit++) {{"));
        write_arguments(code, stack, first, function);
    };
    let last = match (&cell.normalized, stack.spec.memory) {
        (Some(normalized), Some(memory)) => {
            units_loop(code, &cell.step);
            code.line(format!("        {}", cell.step.call()));
            code.line(format!("        memory[unit] = next[{memory}];"));
            code.line("    }");
            code.line(format!("    normalize_row(memory, {units});"));
            normalized
        }
        _ => &cell.step,
    };
    units_loop(code, last);
    if stack.norm.memory {
        code.line(
            "        const float normal = memory[unit] * weights->norm_memory[unit]\n            \
             + weights->norm_memory_bias[unit];",
        );
    }
    code.line(format!("        {}", last.call()));
    write_results(code, stack);
    code.line("    }");
    if let Some(projection) = &first.projection {
        code.line(format!("    memset(y, 0, {outputs} * sizeof *y);"));
        let columns = units.to_string();
        let call = product(projection, "weights->weight_hr", &columns, "unprojected", "y");
        code.line(format!("    {call}"));
        code.line(format!("    for (size_t unit = 0; unit < {outputs}; unit++) {{"));
        code.line(format!("        y[unit] = {};", next_state(stack, 0, "y[unit]")));
        code.line(format!("        {} = y[unit];", state_of_unit(stack, 0)));
        code.line("    }");
    }
    code.line("}\n");
}

/// The pre-activations of all blocks. Where they are normalised, the biases are added later.
fn write_sums(code: &mut Code, stack: &Stack, layer: &Layer) {
    match layer.bias.is_some() && !stack.norm.pre {
        true => code.line("    memcpy(sums, weights->bias, sizeof sums);"),
        false => code.line("    memset(sums, 0, sizeof sums);"),
    }
    let hidden = format!("state->{}[layer]", stack.spec.states[0]);
    for part in &layer.parts {
        let columns = stack.outputs.to_string();
        let (columns, x) = match part.of_input {
            true => ("weights->inputs", "x"),
            false => (&*columns, &*hidden),
        };
        let name = format!("weights->{}", part.name);
        let y = format!("sums + {}", part.block * stack.units);
        code.line(format!("    {}", product(&part.matrix, &name, columns, x, &y)));
    }
}

/// The variables that the cell's function takes, for the present unit.
fn write_arguments(code: &mut Code, stack: &Stack, layer: &Layer, function: &CellFunction) {
    let (spec, units) = (stack.spec, stack.units);
    code.line(format!(
        "        float pre[{}], output, next[{}];",
        stack.blocks(),
        spec.states.len()
    ));
    if function.reads_states() {
        code.line(format!("        float prev[{}];", spec.states.len()));
    }
    if function.reads_vectors() {
        code.line(format!("        float vectors[{}];", spec.vectors.len()));
    }
    let normalized = spec.indices(|block| stack.norm.pre && block.is_normalized());
    for block in 0..stack.blocks() {
        let at = |block: usize| match block {
            0 => "unit".to_owned(),
            _ => format!("{} + unit", block * units),
        };
        let mut value = format!("sums[{}]", at(block));
        if let Some(gains) = normalized.iter().position(|&found| found == block) {
            value += &format!(" * weights->norm_pre[{}]", at(gains));
        }
        if stack.norm.pre && layer.bias.is_some() {
            value += &format!(" + weights->bias[{}]", at(block));
        }
        code.line(format!("        pre[{block}] = {value};"));
    }
    for state in (0..spec.states.len()).filter(|state| function.reads(&format!("prev[{state}]"))) {
        let value = state_of_unit(stack, state);
        match stack.state_size(state) < units {
            // Of a projected hidden state, only so many units are there.
            true => code.line(format!(
                "        prev[{state}] = unit < {} ? {value} : 0.0f;",
                stack.outputs
            )),
            false => code.line(format!("        prev[{state}] = {value};")),
        }
    }
    for (index, name) in spec.vectors.iter().enumerate() {
        if function.reads(&format!("vectors[{index}]")) {
            code.line(format!("        vectors[{index}] = weights->{name}[unit];"));
        }
    }
}

/// What becomes of the cell's results, for the present unit.
fn write_results(code: &mut Code, stack: &Stack) {
    let projected = stack.is_projected();
    for state in usize::from(projected)..stack.spec.states.len() {
        let next = next_state(stack, state, &format!("next[{state}]"));
        code.line(format!("        {} = {next};", state_of_unit(stack, state)));
    }
    match (projected, stack.spec.output_is_state) {
        (true, _) => code.line("        unprojected[unit] = next[0];"),
        (false, true) => code.line(format!("        y[unit] = {};", state_of_unit(stack, 0))),
        (false, false) => code.line("        y[unit] = output;"),
    }
}

fn state_of_unit(stack: &Stack, state: usize) -> String {
    format!("state->{}[layer][unit]", stack.spec.states[state])
}

/// A state after zoneout, of which inference takes the expected value, and clipping.
fn next_state(stack: &Stack, state: usize, new: &str) -> String {
    let mut next = new.to_owned();
    let rate = stack.zoneout.get(state).copied().unwrap_or(0.0);
    if rate > 0.0 {
        let (kept, rest) = (float(rate), float(1.0 - rate));
        next = format!("{kept} * {} + {rest} * {new}", state_of_unit(stack, state));
    }
    match stack.clip {
        Some(_) => format!("clip_state({next})"),
        None => next,
    }
}

/// The bytes of the arrays on the stack in the function of [`write_function`].
pub(crate) fn stack_bytes(stack: &Stack) -> usize {
    let rows = stack.blocks() + usize::from(stack.norm.memory) + usize::from(stack.is_projected());
    4 * rows * stack.units
}
