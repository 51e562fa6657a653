//! The weights of parts that repeat, such as layers: a C structure of pointers for each, in one table.

use crate::code::Code;
use crate::matrix::{Format, Matrix};

/// A field of the structure.
pub(crate) enum Field<'a> {
    Size(usize),
    Floats(&'a [f32]),
    Matrix(&'a Matrix),
}

/// The fields of one part, with their names.
pub(crate) type Fields<'a> = Vec<(String, Field<'a>)>;

/// Writes the arrays of all parts: `{what}0_{field}` of each field of the first, and so on.
pub(crate) fn write_arrays(code: &mut Code, what: &str, parts: &[Fields<'_>]) {
    for (index, fields) in parts.iter().enumerate() {
        for (name, field) in fields {
            let name = format!("{what}{index}_{name}");
            match field {
                Field::Size(_) => {}
                Field::Floats(numbers) => code.floats(&name, numbers),
                Field::Matrix(matrix) => code.matrix(&name, matrix),
            }
        }
    }
}

/// Writes the structure `{what}_weights`, and the table `{what}s` of all parts with their [arrays](write_arrays). All
/// parts have the same fields.
pub(crate) fn write(code: &mut Code, what: &str, parts: &[Fields<'_>]) {
    let Some(first) = parts.first() else { return };
    code.line("typedef struct {");
    for (name, field) in first {
        match field {
            Field::Size(_) => code.line(format!("    size_t {name};")),
            Field::Floats(_) => code.line(format!("    const float *{name};")),
            Field::Matrix(matrix) if matrix.format() == Format::Int8 => {
                code.line(format!("    const int8_t *{name};\n    const float *{name}_scale;"));
            }
            Field::Matrix(_) => code.line(format!("    const float *{name};")),
        }
    }
    code.line(format!("}} {what}_weights;\n"));
    code.line(format!("static const {what}_weights {what}s[{}] = {{", parts.len()));
    for (index, fields) in parts.iter().enumerate() {
        let values = fields.iter().flat_map(|(name, field)| match field {
            Field::Size(size) => vec![size.to_string()],
            Field::Matrix(matrix) if matrix.format() == Format::Int8 => {
                vec![format!("{what}{index}_{name}"), format!("{what}{index}_{name}_scale")]
            }
            Field::Floats(_) | Field::Matrix(_) => vec![format!("{what}{index}_{name}")],
        });
        let values: Vec<_> = values.collect();
        code.line(format!("    {{{}}},", values.join(",\n     ")));
    }
    code.line("};\n");
}
