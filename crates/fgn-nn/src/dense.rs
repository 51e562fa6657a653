use candle_core::{Tensor, Var};

use crate::config::{self, DenseConfig};
use crate::init::{kaiming_bound, uniform, xavier_bound};
use crate::{Dropout, Error, Mode, Parameters, Result};

/// A fully connected layer, `y = x Wᵀ + b`: PyTorch's `Linear`, with parameters `weight [O, I]`
/// (Xavier uniform) and `bias [O]` (zero). As the head of a model, it turns outputs into logits.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Var,
    bias: Var,
}

impl Linear {
    /// A layer from `inputs` to `outputs` numbers, its parameters named `{name}.weight` and
    /// `{name}.bias`.
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

    /// A layer whose weights begin within `±bound`.
    fn within(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        outputs: usize,
        bound: f64,
    ) -> Result<Self> {
        config::width("inputs", inputs)?;
        config::width("outputs", outputs)?;
        let shape = [outputs, inputs];
        let draw = |rng: &mut _| uniform(rng, outputs * inputs, bound);
        Ok(Self {
            weight: parameters.take(format!("{name}.weight"), &shape, draw)?,
            bias: parameters.take(format!("{name}.bias"), &[outputs], |_| vec![0.0; outputs])?,
        })
    }

    /// `x: [.., I]` gives `[.., O]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another last dimension.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let Some((&width, before)) = x.dims().split_last().filter(|last| *last.0 == inputs) else {
            return Err(Error::Shape {
                what: "inputs of a fully connected layer",
                found: x.dims().to_vec(),
                expected: format!("[.., {inputs}]"),
            });
        };
        let rows = x.reshape(((), width))?.matmul(&self.weight.t()?)?;
        let shape = [before, &[outputs]].concat();
        Ok(rows.broadcast_add(&self.bias)?.reshape(shape)?)
    }
}

/// A fully connected layer, ReLU and dropout, at every time step alike. Parameters as [`Linear`]'s,
/// but for weights drawn for a ReLU (Kaiming uniform).
#[derive(Clone, Debug)]
pub struct Dense {
    linear: Linear,
    dropout: Dropout,
}

impl Dense {
    /// A layer of `config.size` units over `inputs` numbers.
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

    /// `x: [T, B, I]` gives `[T, B, size]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another `I`.
    pub fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.dropout.forward(&self.linear.forward(x)?.relu()?, mode)
    }
}
