//! Parameters of which a training step reads few rows.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Tensor, Var};

use crate::dropout::Mode;
use crate::error::Result;

/// Rows of a parameter that the last forward pass in training has read, where its layer asks for sparse gradients.
///
/// The rows are a variable of their own, so that a backward pass gives the gradient of these rows alone, whatever the
/// size of the parameter. The parameter itself has no gradient then. [`Model::take_touched_rows`] returns them.
///
/// [`Model::take_touched_rows`]: crate::Model::take_touched_rows
#[derive(Clone, Debug)]
pub struct TouchedRows {
    /// The parameter's name.
    pub parameter: String,
    /// Which rows, ascending and each once.
    pub rows: Vec<u32>,
    /// Their values, `[rows, ..]`. A backward pass gives its gradient.
    pub values: Var,
}

/// The rows that a model's layers have read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched(Arc<Mutex<Vec<TouchedRows>>>);

impl Touched {
    /// All that were read since the last call.
    pub(crate) fn take(&self) -> Vec<TouchedRows> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, rows: TouchedRows) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rows);
    }
}

/// A parameter whose rows belong to tokens or items.
#[derive(Debug)]
pub(crate) struct RowTable {
    name: String,
    var: Var,
    /// Where the rows that are read in training are listed; nowhere if gradients are dense.
    touched: Option<Touched>,
}

impl RowTable {
    /// The parameter of that name. With `touched`, gradients are sparse.
    pub(crate) fn new(name: String, var: Var, touched: Option<Touched>) -> RowTable {
        RowTable { name, var, touched }
    }

    /// The whole parameter.
    pub(crate) fn var(&self) -> &Var {
        &self.var
    }

    /// The rows at these indices, which are below the number of rows: `[N, ..]`.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) for an index out of range.
    pub(crate) fn select(&self, indices: &[u32], mode: &Mode<'_>) -> Result<Tensor> {
        let device = self.var.device();
        let (Some(touched), Mode::Train(_)) = (&self.touched, mode) else {
            let indices = Tensor::from_slice(indices, indices.len(), device)?;
            return Ok(self.var.index_select(&indices, 0)?);
        };
        let mut rows = indices.to_vec();
        rows.sort_unstable();
        rows.dedup();
        let position = |index: &u32| rows.partition_point(|row| row < index) as u32;
        let positions: Vec<u32> = indices.iter().map(position).collect();
        let read = Tensor::from_slice(&rows, rows.len(), device)?;
        let values = Var::from_tensor(&self.var.as_detached_tensor().index_select(&read, 0)?)?;
        let positions = Tensor::from_vec(positions, indices.len(), device)?;
        let selected = values.index_select(&positions, 0)?;
        touched.push(TouchedRows { parameter: self.name.clone(), rows, values });
        Ok(selected)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::random::Generator;

    /// The gradient of the rows is that of the whole parameter, where it is not zero.
    #[test]
    fn sparse_gradients_are_the_rows_of_dense_ones() {
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let var = Var::from_vec(values, (6, 2), &Device::Cpu).unwrap();
        let touched = Touched::default();
        let sparse = RowTable::new("t".into(), var.clone(), Some(touched.clone()));
        let dense = RowTable::new("t".into(), var.clone(), None);
        let mut generator = Generator::seed_from_u64(1);
        let mode = Mode::Train(&mut generator);
        let indices = [4, 1, 4, 5];
        let loss = |table: &RowTable| {
            let rows = table.select(&indices, &mode).unwrap();
            let factors =
                Tensor::new(&[[1.0f64, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &Device::Cpu);
            (rows.sqr().unwrap() * factors.unwrap()).unwrap().sum_all().unwrap()
        };
        let (one, other) = (loss(&sparse), loss(&dense));
        assert_eq!(one.to_scalar::<f64>().unwrap(), other.to_scalar::<f64>().unwrap());
        let whole = other.backward().unwrap().get(&var).unwrap().clone();
        let gradients = one.backward().unwrap();
        assert!(gradients.get(&var).is_none());
        let [rows] = &touched.take()[..] else { panic!("one pass over one table") };
        assert_eq!(rows.rows, [1, 4, 5]);
        let found = gradients.get(&rows.values).unwrap();
        let kept = Tensor::new(&rows.rows[..], &Device::Cpu).unwrap();
        let expected = whole.index_select(&kept, 0).unwrap();
        assert_eq!(found.to_vec2::<f64>().unwrap(), expected.to_vec2::<f64>().unwrap());
        // Nothing is touched in inference.
        assert_eq!(sparse.select(&indices, &Mode::Eval).unwrap().dims(), [4, 2]);
        assert!(touched.take().is_empty());
        assert_eq!(sparse.var().dtype(), DType::F64);
    }
}
