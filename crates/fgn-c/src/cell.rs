//! The cell's equations: the text that `fgn_core::print` makes of them, as functions of one unit.

use fgn_core::{AnyCell, print};

use crate::code::Code;

/// One function of a cell: its name, and which arrays it reads.
pub(crate) struct CellFunction {
    pub(crate) name: &'static str,
    body: String,
    normalized: bool,
}

impl CellFunction {
    /// The step, from the memory itself or from its `normalized` value.
    pub(crate) fn new(cell: AnyCell, normalized: bool) -> Self {
        let name = if normalized { "apply_cell_normalized" } else { "apply_cell" };
        let body = in_float(&print::step_body(cell, normalized));
        Self { name, body, normalized }
    }

    /// Whether it reads that entry of an array of arguments, such as `prev[0]`.
    pub(crate) fn reads(&self, argument: &str) -> bool {
        self.body.contains(argument)
    }

    pub(crate) fn reads_states(&self) -> bool {
        self.reads("prev[")
    }

    pub(crate) fn reads_vectors(&self) -> bool {
        self.reads("vectors[")
    }

    fn parameters(&self) -> String {
        let optional = [
            (self.reads_states(), "const float *prev, "),
            (self.reads_vectors(), "const float *vectors, "),
            (self.normalized, "const float *memory, "),
        ];
        let optional: String =
            optional.iter().filter(|(used, _)| *used).map(|(_, text)| *text).collect();
        format!("const float *pre, {optional}float *output, float *next")
    }

    /// The statement that calls it for the unit whose numbers are in the variables of these names.
    pub(crate) fn call(&self) -> String {
        let optional = [
            (self.reads_states(), "prev, "),
            (self.reads_vectors(), "vectors, "),
            (self.normalized, "&normal, "),
        ];
        let optional: String =
            optional.iter().filter(|(used, _)| *used).map(|(_, text)| *text).collect();
        format!("{}(pre, {optional}&output, next);", self.name)
    }

    fn write(&self, code: &mut Code) {
        code.line(format!("static inline void {}({}) {{", self.name, self.parameters()));
        code.text += &self.body;
        code.line("}\n");
    }
}

/// Writes the functions of a cell, after the functions of numbers that they call.
pub(crate) fn write(code: &mut Code, cell: AnyCell, functions: &[&CellFunction]) {
    let calls = |name: &str| functions.iter().any(|f| f.body.contains(&format!("{name}(")));
    for (name, text) in functions_of_numbers() {
        if calls(&name) {
            code.line(text);
        }
    }
    code.line(format!("\n/* The equations of {cell}, for one unit. */"));
    functions.iter().for_each(|function| function.write(code));
}

/// The functions that printed text calls, by name.
fn functions_of_numbers() -> Vec<(String, String)> {
    let definitions = print::PRELUDE.split("\nFGN_FUNCTION real ").skip(1);
    let function = |text: &str| {
        let name = text.split('(').next().unwrap_or_default().to_owned();
        // `FGN_REAL(exp)(x)` is `expf(x)`.
        let mut parts = text.trim_end().split("FGN_REAL(");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            whole += &part.replacen(')', "f", 1);
        }
        (name, format!("static inline float {}", in_float(&whole)))
    };
    definitions.map(function).collect()
}

/// Printed text, whose types are those of a host compiler or CUDA's, in `float`. Constants too: one without a suffix is
/// a `double`.
fn in_float(text: &str) -> String {
    let mut parts = text.split("(real)");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_number = |c: char| matches!(c, '0'..='9' | '.' | 'e' | '-');
        let end = part.find(|c| !is_of_number(c)).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        whole += &match number.parse::<f32>() {
            Ok(number) if number.is_sign_negative() => format!("({number:?}f)"),
            Ok(number) => format!("{number:?}f"),
            Err(_) => format!("(float){number}"),
        };
        whole += rest;
    }
    whole.replace("real ", "float ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_numbers_are_those_of_float() {
        let found = functions_of_numbers();
        let text = |name: &str| {
            found.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str())
        };
        let sigmoid =
            "static inline float fgn_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }";
        assert_eq!(text("fgn_sigmoid"), Some(sigmoid));
        assert_eq!(found.len(), 8);
        for (name, text) in &found {
            assert!(!text.contains("real") && !text.contains("FGN_"), "{name}: {text}");
            assert_eq!(text.matches('(').count(), text.matches(')').count(), "{text}");
        }
    }

    #[test]
    fn constants_are_float() {
        let printed =
            "    const real t0 = -(real)-5e-1 - (real)1e0;\n    next[0] = t0 * (real)1e-7;\n";
        let expected = "    const float t0 = -(-0.5f) - 1.0f;\n    next[0] = t0 * 1e-7f;\n";
        assert_eq!(in_float(printed), expected);
    }
}
