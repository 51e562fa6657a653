//! `NAME.h`.

use fgn_nn::ModelConfig;

use crate::code::{Code, comment, wrapped};
use crate::head::{Head, Kind, Map, Pool};
use crate::matrix::Format;
use crate::network::{Image, Input, Network};
use crate::output;
use crate::residual::Blocks;

/// The most names that the comment lists.
const LISTED: usize = 100;

/// What the comment says beside the model itself.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) parameters: usize,
    pub(crate) weight_bytes: usize,
    pub(crate) state_bytes: usize,
    pub(crate) stack_bytes: usize,
}

/// The bytes of the states.
pub(crate) fn state_bytes(network: &Network) -> usize {
    states(network).iter().map(|(_, count)| 4 * count).sum()
}

/// The states, as C declares them, with the number of `float` in each.
fn states(network: &Network) -> Vec<(String, usize)> {
    let stack = &network.stack;
    let layers = stack.layers.len();
    let of_cell = stack.spec.states.iter().enumerate().map(|(state, name)| {
        let size = stack.state_size(state);
        (format!("{name}[{layers}][{size}]"), layers * size)
    });
    let mut states: Vec<_> = of_cell.collect();
    let window = stack.blocks.as_ref().map_or(0, Blocks::window);
    if window > 0 {
        let size = stack.outputs;
        states.push((format!("window[{layers}][{size}][{window}]"), layers * size * window));
    }
    states.extend(output::pool_states(&network.head.pool, stack.outputs));
    states
}

/// The names that a program may read, and what they are the names of.
pub(crate) fn exported_names(head: &Head) -> Option<(&'static str, &[String])> {
    match &head.kind {
        Kind::Classes { names, .. } => Some(("class", names)),
        Kind::Items { names } => Some(("item", names)),
        Kind::Values { .. } | Kind::Tokens | Kind::Labels => None,
    }
}

/// Writes the header of a model called `name`.
pub(crate) fn write(network: &Network, name: &str, facts: &Facts<'_>) -> String {
    let mut code = Code::default();
    let capitals = name.to_ascii_uppercase();
    code.text += &about(network, name, facts);
    code.line(format!("#ifndef {capitals}_H\n#define {capitals}_H\n"));
    code.line("#include <stddef.h>\n#include <stdint.h>\n");
    code.line("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    constants(&mut code, network, &capitals);
    code.line("/* What is kept of the steps so far. */\ntypedef struct {");
    for (state, _) in states(network) {
        code.line(format!("    float {state};"));
    }
    code.line(format!("}} {name}_state;\n"));
    functions(&mut code, network, name, &capitals);
    code.line("#ifdef __cplusplus\n}\n#endif\n");
    code.line(format!("#endif /* {capitals}_H */"));
    code.text
}

/// The comment at the top.
fn about(network: &Network, name: &str, facts: &Facts<'_>) -> String {
    let recurrent = &facts.config.recurrent;
    let (layers, units) = (counted(recurrent.layers, "layer"), recurrent.hidden_size);
    let mut lines = vec![
        format!("{name}: written by fgn {}.", env!("CARGO_PKG_VERSION")),
        String::new(),
        format!(
            "Model:   {}, {layers} of {units} units, {} parameters{}",
            recurrent.cell,
            facts.parameters,
            if is_int8(network) { ", matrices as whole numbers of 8 bits" } else { "" }
        ),
        format!("Input:   {}", of_input(&network.input)),
        format!("Output:  {}", of_output(&network.head)),
    ];
    if let Kind::Classes { names, .. } | Kind::Values { names, .. } | Kind::Items { names } =
        &network.head.kind
    {
        let listed = names.iter().take(LISTED).enumerate();
        let mut listed: Vec<_> =
            listed.map(|(index, name)| format!("{index} {}", comment(name))).collect();
        if names.len() > LISTED {
            listed.push(format!("and {} more", names.len() - LISTED));
        }
        let text = wrapped(listed.iter().map(String::as_str), "         ", ";");
        lines.extend(text.trim_end().trim_end_matches(';').lines().map(str::to_owned));
    }
    lines.push(format!(
        "Bytes:   {} of weights (constants), {} of state, {} of arrays on the stack",
        facts.weight_bytes, facts.state_bytes, facts.stack_bytes
    ));
    lines.push(String::new());
    lines.push("A compiler must not reorder sums of float: do not use -ffast-math.".into());
    let lines = lines.iter().map(|line| format!(" * {line}").trim_end().to_owned() + "\n");
    format!("/*\n{} */\n", lines.collect::<String>())
}

fn is_int8(network: &Network) -> bool {
    let mut parts = network.stack.layers.iter().flat_map(|layer| &layer.parts);
    parts.any(|part| part.matrix.format() == Format::Int8)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn of_input(input: &Input) -> String {
    match input {
        Input::Series { features, scale } => format!(
            "{} a step, {}",
            counted(*features, "number"),
            match scale {
                Some(_) => "in the units of the training data: they are standardised here",
                None => "as the model was trained on: they are not scaled here",
            }
        ),
        Input::Embedding(vectors) => format!("a token a step, 0 to {}", vectors.rows - 1),
        Input::Image(Image { height, width, channels, steps, order }) => format!(
            "images of {height} x {width} pixels of {}, from 0 to 1; a step is a {}{}",
            counted(*channels, "number"),
            if steps == height && *width > 1 { "row" } else { "pixel" },
            if order.is_some() { ", in a permuted order" } else { "" }
        ),
    }
}

fn of_output(head: &Head) -> String {
    let when = |per_step: &bool| match (&head.pool, per_step) {
        (Pool::Last, true) => "after each step",
        (Pool::Last, false) => "after the last step of a sequence",
        _ => "after each step for the sequence so far",
    };
    match &head.kind {
        Kind::Classes { names, per_step } => {
            format!("the logits of {} classes, {}:", names.len(), when(per_step))
        }
        Kind::Values { names, per_step, scale } => format!(
            "{}, {}, {}:",
            counted(names.len(), "value"),
            match scale {
                Some(_) => "in the units of the training data",
                None => "as the model was trained on",
            },
            when(per_step)
        ),
        Kind::Tokens => {
            let what = match head.map {
                Map::Clusters { .. } => "logarithms of the probabilities",
                Map::Linear(_) | Map::Tied { .. } => "logits",
            };
            format!("the {what} of {} tokens, of which one is next", head.outputs())
        }
        Kind::Labels => format!(
            "the logits of {} labels at each step, of which the last one is the blank",
            head.outputs()
        ),
        Kind::Items { names } => {
            format!("the scores of {} items, of which one is next:", names.len())
        }
    }
}

fn constants(code: &mut Code, network: &Network, capitals: &str) {
    match &network.input {
        Input::Series { features, .. } => {
            code.line("/* Numbers that a step reads. */");
            code.line(format!("#define {capitals}_INPUTS {features}"));
        }
        Input::Embedding(vectors) => {
            code.line("/* Tokens are below it. */");
            code.line(format!("#define {capitals}_VOCABULARY {}", vectors.rows));
        }
        Input::Image(image) => {
            let size = image.height * image.width * image.channels;
            code.line(
                "/* Numbers that a step reads, numbers of an image, and steps of an image. */",
            );
            code.line(format!("#define {capitals}_INPUTS {}", size / image.steps));
            code.line(format!("#define {capitals}_IMAGE {size}"));
            code.line(format!("#define {capitals}_STEPS {}", image.steps));
        }
    }
    code.line("/* Numbers that a step writes. */");
    let outputs = network.head.outputs();
    code.line(format!("#define {capitals}_OUTPUTS {outputs}"));
    if let Kind::Labels = network.head.kind {
        code.line(format!(
            "/* The label that stands for none. */\n#define {capitals}_BLANK {}",
            outputs - 1
        ));
    }
    code.line("");
}

fn functions(code: &mut Code, network: &Network, name: &str, capitals: &str) {
    if let Some((what, _)) = exported_names(&network.head) {
        code.line("/* The names of the outputs, in UTF-8. */");
        code.line(format!("extern const char *const {name}_{what}_names[{capitals}_OUTPUTS];\n"));
    }
    code.line("/* Begins a new sequence. A state must be reset before its first step. */");
    code.line(format!("void {name}_reset({name}_state *state);\n"));
    code.line(
        "/* The next step of a sequence. The output may be NULL: then it is not computed. */",
    );
    match &network.input {
        Input::Embedding(_) => {
            code.line(
                "/* Returns 0; -1 for a token out of the vocabulary: then nothing has changed. */",
            );
            code.line(format!(
                "int {name}_step({name}_state *state, uint32_t token, float *output);\n"
            ));
        }
        _ => code.line(format!(
            "void {name}_step({name}_state *state, const float *input, float *output);\n"
        )),
    }
    if let Input::Image(image) = &network.input {
        let output = match network.head.is_per_step() {
            true => format!("{capitals}_OUTPUTS numbers for each step"),
            false => format!("{capitals}_OUTPUTS numbers"),
        };
        code.line(format!(
            "/* Resets the state and runs all steps of an image [{}, {}, {}]. Writes {output}. */",
            image.height, image.width, image.channels
        ));
        code.line(format!(
            "void {name}_image({name}_state *state, const float *image, float *output);\n"
        ));
    }
    if network.head.gives_logits() {
        code.line("/* The index of the largest logit. */");
        code.line(format!("size_t {name}_argmax(const float *logits);\n"));
        code.line("/* The probabilities that belong to the logits; both may be the same array. */");
        code.line(format!("void {name}_softmax(const float *logits, float *probabilities);\n"));
    }
}
