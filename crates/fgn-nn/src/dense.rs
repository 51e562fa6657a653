//! Fully connected layers.

use candle_core::{DType, Module, Tensor, Var};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::check::{probability, size, width};
use crate::dropout::{Dropout, Mode};
use crate::error::{Error, Result};
use crate::init::{kaiming_bound, uniform, xavier_bound};
use crate::parameters::{Parameters, joined};

/// The configuration of a [`Dense`] layer.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct DenseConfig {
    /// The number of units.
    pub size: usize,
    /// The probability with which each output is set to zero in training: in `[0, 1)`.
    pub dropout: f64,
}

impl DenseConfig {
    pub(crate) fn validate(&self) -> Result<()> {
        size("dense.size", self.size, 1)?;
        probability("dense.dropout", self.dropout)
    }
}

/// A fully connected layer, `y = x Wᵀ + b`: PyTorch's `Linear`, with parameters `weight [O, I]`
/// (Xavier uniform) and `bias [O]` (zero), which may be left out.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Var,
    bias: Option<Var>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features. Its parameters are named `{name}.weight` and
    /// `{name}.bias`, or `weight` and `bias` with an empty name.
    ///
    /// # Errors
    /// [`Error::Config`] for a size of 0.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self> {
        let bound = xavier_bound(inputs, outputs);
        Self::within(parameters, name, inputs, outputs, bound)
    }

    /// As [`new`](Self::new), without a bias: `y = x Wᵀ`.
    ///
    /// # Errors
    /// As there.
    pub fn without_bias(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self> {
        let bound = xavier_bound(inputs, outputs);
        Ok(Self { weight: weight(parameters, name, [outputs, inputs], bound)?, bias: None })
    }

    /// As [`new`](Self::new), with the parameters `weight` and `bias` of candle-nn's `vb`. Those that its variables lack are
    /// drawn from the seed 0 and their whole names; for another seed see [`Parameters::from_builder`].
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", inputs, outputs)
    }

    /// A layer whose initial weights are within `±bound`.
    fn within(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        outputs: usize,
        bound: f64,
    ) -> Result<Self> {
        let weight = weight(parameters, name, [outputs, inputs], bound)?;
        let bias = parameters.take(joined(name, "bias"), &[outputs], |_| vec![0.0; outputs])?;
        Ok(Self { weight, bias: Some(bias) })
    }

    /// `x: [.., I]` gives `[.., O]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let Some((&size, before)) = x.dims().split_last().filter(|last| *last.0 == inputs) else {
            return Err(Error::Shape {
                what: "inputs of a fully connected layer",
                found: x.dims().to_vec(),
                expected: format!("[.., {inputs}]"),
            });
        };
        let rows = x.reshape(((), size))?.matmul(&self.weight.t()?)?;
        let shape = [before, &[outputs]].concat();
        let rows = match &self.bias {
            Some(bias) => rows.broadcast_add(bias)?,
            None => rows,
        };
        Ok(rows.reshape(shape)?)
    }

    /// The present parameters, for rows outside the computation graph.
    ///
    /// # Errors
    /// [`Error::Candle`] if there is not enough memory.
    pub(crate) fn rows(&self) -> Result<LinearRows> {
        match &self.bias {
            Some(bias) => LinearRows::new(&self.weight, bias),
            None => {
                let outputs = self.weight.dim(0)?;
                let zeros = Tensor::zeros(outputs, self.weight.dtype(), self.weight.device())?;
                LinearRows::new(&self.weight, &zeros)
            }
        }
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(Linear::forward(self, x)?)
    }
}

/// The weights `[O, I]` of a layer, drawn within `±bound`.
fn weight(
    parameters: &mut Parameters,
    name: &str,
    [outputs, inputs]: [usize; 2],
    bound: f64,
) -> Result<Var> {
    width("inputs", inputs)?;
    width("outputs", outputs)?;
    let draw = |generator: &mut _| uniform(generator, outputs * inputs, bound);
    parameters.take(joined(name, "weight"), &[outputs, inputs], draw)
}

/// A [`Linear`] layer on slices: no tensors, no allocation.
#[derive(Clone)]
pub(crate) struct LinearRows {
    /// `[O, I]`
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl LinearRows {
    /// Of copies of `weight: [O, I]` and `bias: [O]`.
    pub(crate) fn new(weight: &Tensor, bias: &Tensor) -> Result<LinearRows> {
        let numbers = |tensor: &Tensor| -> Result<Vec<f32>> {
            Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
        };
        Ok(LinearRows { weight: numbers(weight)?, bias: numbers(bias)? })
    }

    /// How many parameters it has.
    pub(crate) fn count(&self) -> usize {
        self.weight.len() + self.bias.len()
    }

    pub(crate) fn inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `x: [I]` gives `y: [O]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let rows = self.weight.chunks_exact(self.inputs());
        for ((y, row), bias) in y.iter_mut().zip(rows).zip(&self.bias) {
            *y = bias + dot(row, x);
        }
    }
}

/// In several sums, which a compiler keeps in one vector.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// A fully connected layer, ReLU and dropout, the same at every time step. The parameters are named as
/// [`Linear`]'s; the weights are drawn for a ReLU (Kaiming uniform).
#[derive(Clone, Debug)]
pub struct Dense {
    linear: Linear,
    dropout: Dropout,
}

impl Dense {
    /// A layer of `config.size` units over `inputs` features.
    ///
    /// # Errors
    /// [`Error::Config`] for a size of 0 or a dropout outside `[0, 1)`.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        config: &DenseConfig,
    ) -> Result<Self> {
        config.validate()?;
        let bound = kaiming_bound(inputs);
        Ok(Self {
            linear: Linear::within(parameters, name, inputs, config.size, bound)?,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    /// As [`new`](Self::new), with the parameters `weight` and `bias` of candle-nn's `vb`. Those that its variables lack are
    /// drawn from the seed 0 and their whole names; for another seed see [`Parameters::from_builder`].
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(inputs: usize, config: &DenseConfig, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", inputs, config)
    }

    /// The layer without what follows it.
    pub(crate) fn linear(&self) -> &Linear {
        &self.linear
    }

    /// `x: [T, B, I]` gives `[T, B, size]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another `I`.
    pub fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.dropout.forward(&self.linear.forward(x)?.relu()?, mode)
    }
}
