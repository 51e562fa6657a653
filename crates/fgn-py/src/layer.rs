//! One recurrent layer in one direction, on arrays: forward and backward.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, LayerShape, Layout, Norm, SequenceShape};
use fgn_kernels::{
    HiddenDropout, SavedRun, SequenceOptions, SliceArguments, SliceDerivatives, SliceElement,
    sequence_slices,
};
use fgn_nn::{Parameters, Recurrent, RecurrentConfig};
use numpy::ndarray::{Ix1, Ix3, IxDyn};
use numpy::{Element, PyReadonlyArray, PyReadonlyArray2, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::arrays::{array, described, of_tensor, owned, slice};
use crate::errors::{Error, error, work, wrong};

/// What a [`Layer`] is made of, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerConfig {
    cell: AnyCell,
    input_size: usize,
    hidden_size: usize,
    #[serde(default)]
    projection: Option<usize>,
    #[serde(default)]
    norm: Norm,
    #[serde(default)]
    zoneout: Vec<f64>,
    #[serde(default)]
    hidden_dropout: f64,
    #[serde(default)]
    hidden_dropout_per_step: bool,
    #[serde(default)]
    clip: Option<f64>,
}

/// A layer over one cell in one direction. It holds no parameters.
#[pyclass(frozen, module = "fgn._fgn")]
pub(crate) struct Layer {
    config: LayerConfig,
    options: SequenceOptions,
    layout: Layout,
}

/// What a forward pass saved for its backward pass.
#[pyclass(frozen, module = "fgn._fgn")]
pub(crate) struct Saved {
    run: SavedRun,
    input_shape: Vec<usize>,
    state_shape: Vec<usize>,
}

/// Outputs, final states, and what was saved.
type Forward<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Saved>);

/// Gradients with respect to input, weights and initial states.
type Gradients<'py> = (Option<Bound<'py, PyAny>>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl Layer {
    #[new]
    fn new(config: &str) -> PyResult<Layer> {
        let config: LayerConfig = serde_json::from_str(config).map_err(error)?;
        if config.input_size * config.hidden_size == 0 {
            let found = format!("{} and {}", config.input_size, config.hidden_size);
            return Err(wrong("input_size and hidden_size", found, "1 or more each"));
        }
        let dropout =
            HiddenDropout { rate: config.hidden_dropout, per_step: config.hidden_dropout_per_step };
        let options = SequenceOptions::default()
            .with_projection(config.projection)
            .with_norm(config.norm)
            .with_zoneout(config.zoneout.clone())
            .with_hidden_dropout(dropout)
            .with_clip(config.clip);
        options.check(config.cell, config.hidden_size).map_err(error)?;
        let (projection, norm) = (config.projection, config.norm);
        let sizes = LayerShape::new(config.input_size, config.hidden_size);
        let layout = Layout::of(config.cell.spec(), LayerShape { projection, norm, ..sizes });
        Ok(Layer { config, options, layout })
    }

    /// So that modules can be pickled and copied.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let config = serde_json::to_string(&self.config).map_err(error)?;
        Ok((py.get_type::<Layer>().into_any(), (config,)))
    }

    /// The names of the cell's states.
    #[getter]
    fn states(&self) -> Vec<&'static str> {
        self.config.cell.spec().states.to_vec()
    }

    /// Whether some gate reads the hidden state.
    #[getter]
    fn is_recurrent(&self) -> bool {
        self.config.cell.spec().is_recurrent()
    }

    /// The names and shapes of the parameters, in the order in which the flat weights hold them.
    #[getter]
    fn parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        self.layout.tensors().iter().map(|slot| (slot.name, slot.shape.clone())).collect()
    }

    #[pyo3(signature = (x, weights, states, *, reverse, lengths, resets, seed, save))]
    #[expect(clippy::too_many_arguments, reason = "keywords, for Python")]
    fn forward<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        weights: &Bound<'py, PyAny>,
        states: &Bound<'py, PyAny>,
        reverse: bool,
        lengths: Option<Vec<usize>>,
        resets: Option<PyReadonlyArray2<'py, u8>>,
        seed: Option<u64>,
        save: bool,
    ) -> PyResult<Forward<'py>> {
        let resets = resets.map(|resets| {
            let marks = slice(&resets, "resets")?;
            Tensor::from_slice(marks, resets.shape(), &Device::Cpu).map_err(error)
        });
        let options = self.options.clone().with_reverse(reverse).with_lengths(lengths);
        let options = options.with_resets(resets.transpose()?).with_seed(seed);
        if let Ok(x) = x.extract::<PyReadonlyArray<'py, f32, Ix3>>() {
            return self.forward_as(py, &x, [weights, states], &options, save);
        }
        if let Ok(x) = x.extract::<PyReadonlyArray<'py, f64, Ix3>>() {
            return self.forward_as(py, &x, [weights, states], &options, save);
        }
        Err(wrong("input", described(x), "[T, B, I] in float32 or float64"))
    }
}

impl Layer {
    fn forward_as<'py, E: Element + SliceElement>(
        &self,
        py: Python<'py>,
        x: &PyReadonlyArray<'py, E, Ix3>,
        [weights, states]: [&Bound<'py, PyAny>; 2],
        options: &SequenceOptions,
        save: bool,
    ) -> PyResult<Forward<'py>> {
        let cell = self.config.cell;
        let [steps, batch, input] = *x.shape() else { return Err(rank_error(x.shape())) };
        if input != self.config.input_size {
            let expected = format!("[T, B, {}]", self.config.input_size);
            return Err(wrong("input", format!("shape {:?}", x.shape()), &expected));
        }
        let shape = SequenceShape { steps, batch, input, hidden: self.config.hidden_size };
        let state_shape = [cell.spec().states.len(), batch, shape.hidden];
        let weights = array::<E, Ix1>(weights, "weights")?;
        let states = array::<E, Ix3>(states, "states")?;
        if states.shape() != state_shape {
            let found = format!("shape {:?}", states.shape());
            return Err(wrong("states", found, &format!("{state_shape:?}")));
        }
        let arguments = SliceArguments {
            x: slice(x, "input")?,
            weights: slice(&weights, "weights")?,
            states: slice(&states, "states")?,
        };
        let run =
            work(py, || sequence_slices(cell, shape, arguments, options, save).map_err(error))?;
        let saved = run.saved.map(|run| Saved {
            run,
            input_shape: x.shape().to_vec(),
            state_shape: state_shape.to_vec(),
        });
        let output = owned(py, run.output, &run.output_shape)?;
        Ok((output, owned(py, run.states, &state_shape)?, saved))
    }
}

fn rank_error(shape: &[usize]) -> PyErr {
    wrong("input", format!("shape {shape:?}"), "[T, B, I]")
}

#[pymethods]
impl Saved {
    /// The gradients with respect to the input, the weights and the initial states.
    #[expect(clippy::too_many_arguments, reason = "positional, for Python")]
    fn backward<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        weights: &Bound<'py, PyAny>,
        states: &Bound<'py, PyAny>,
        d_output: &Bound<'py, PyAny>,
        d_states: Option<&Bound<'py, PyAny>>,
        wanted: (bool, bool),
    ) -> PyResult<Gradients<'py>> {
        let arguments = [x, weights, states];
        match x.extract::<PyReadonlyArray<'py, f64, Ix3>>() {
            Ok(_) => self.backward_as::<f64>(py, arguments, d_output, d_states, wanted),
            Err(_) => self.backward_as::<f32>(py, arguments, d_output, d_states, wanted),
        }
    }
}

impl Saved {
    fn backward_as<'py, E: Element + SliceElement>(
        &self,
        py: Python<'py>,
        [x, weights, states]: [&Bound<'py, PyAny>; 3],
        d_output: &Bound<'py, PyAny>,
        d_states: Option<&Bound<'py, PyAny>>,
        (wants_x, wants_states): (bool, bool),
    ) -> PyResult<Gradients<'py>> {
        let x = array::<E, Ix3>(x, "input")?;
        let weights = array::<E, Ix1>(weights, "weights")?;
        let states = array::<E, Ix3>(states, "states")?;
        let d_output = array::<E, IxDyn>(d_output, "output gradients")?;
        let d_states = d_states.map(|d| array::<E, Ix3>(d, "state gradients")).transpose()?;
        let arguments = SliceArguments {
            x: slice(&x, "input")?,
            weights: slice(&weights, "weights")?,
            states: slice(&states, "states")?,
        };
        let by = SliceDerivatives {
            output: slice(&d_output, "output gradients")?,
            states: d_states.as_ref().map(|d| slice(d, "state gradients")).transpose()?,
        };
        let count = arguments.weights.len();
        let d =
            work(py, || self.run.backward(arguments, by, [wants_x, wants_states]).map_err(error))?;
        let shaped = |numbers: Option<Vec<E>>, shape: &[usize]| {
            numbers.map(|numbers| owned(py, numbers, shape)).transpose()
        };
        Ok((
            shaped(d.x, &self.input_shape)?,
            owned(py, d.weights, &[count])?,
            shaped(d.states, &self.state_shape)?,
        ))
    }
}

/// The parameters of a stack of layers as fgn draws them from a seed: names, and values in `float64`. `config` is that of a
/// recurrent layer, as JSON.
#[pyfunction]
pub(crate) fn initial_parameters<'py>(
    py: Python<'py>,
    config: &str,
    input_size: usize,
    seed: u64,
) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let config: RecurrentConfig = serde_json::from_str(config).map_err(error)?;
    let list = work(py, || {
        let mut parameters = Parameters::new(seed, DType::F64, &Device::Cpu).map_err(error)?;
        Recurrent::new(&mut parameters, "", input_size, &config).map_err(error)?;
        Ok(parameters.list().to_vec())
    })?;
    if list.is_empty() {
        return Err(Error::new_err("a layer without parameters"));
    }
    list.iter().map(|(name, var)| Ok((name.clone(), of_tensor(py, var.as_tensor())?))).collect()
}
