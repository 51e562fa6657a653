//! Weight matrices, as `float` or as whole numbers of 8 bits with a scale for each row.

/// The number format of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Float,
    /// Whole numbers in −127 ..= 127, times a scale for each row: the row's largest weight / 127. The same numbers as
    /// those of a stream of [`Precision::Int8`](fgn_nn::Precision::Int8).
    Int8,
}

/// A matrix `[rows, columns]`, by rows.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values,
}

#[derive(Clone, Debug)]
pub(crate) enum Values {
    Float(Vec<f32>),
    Int8 { numbers: Vec<i8>, scales: Vec<f32> },
}

impl Matrix {
    /// Finite weights by rows, neither size zero, in that format.
    pub(crate) fn new(weights: Vec<f32>, columns: usize, format: Format) -> Self {
        let rows = weights.len() / columns;
        let values = match format {
            Format::Float => Values::Float(weights),
            Format::Int8 => {
                let scales: Vec<f32> = weights.chunks(columns).map(scale).collect();
                let rows = weights.chunks(columns).zip(&scales);
                // Zero where the whole row is: 0 / 0 is NaN, which becomes 0.
                let round = |weight: &f32, scale: f32| (weight / scale).round() as i8;
                let numbers = rows
                    .flat_map(|(row, &scale)| row.iter().map(move |weight| round(weight, scale)));
                Values::Int8 { numbers: numbers.collect(), scales }
            }
        };
        Self { rows, columns, values }
    }

    pub(crate) fn format(&self) -> Format {
        match self.values {
            Values::Float(_) => Format::Float,
            Values::Int8 { .. } => Format::Int8,
        }
    }
}

fn scale(row: &[f32]) -> f32 {
    row.iter().fold(0.0, |largest: f32, weight| largest.max(weight.abs())) / 127.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_scale() {
        let weights = vec![0.9921875, -0.49609375, 0.0, 0.0, 0.0, 0.0, -254.0, 2.0, 3.0];
        let Values::Int8 { numbers, scales } = Matrix::new(weights, 3, Format::Int8).values else {
            panic!("no whole numbers");
        };
        assert_eq!(scales, [0.0078125, 0.0, 2.0]);
        // 63.5 and 1.5 are rounded away from zero.
        assert_eq!(numbers, [127, -64, 0, 0, 0, 0, -127, 1, 2]);
    }
}
