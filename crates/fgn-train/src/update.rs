//! The arithmetic of an optimizer's step: plain loops over the numbers of one parameter.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Storage, Tensor, Var, WithDType, bail};

use crate::{Error, OptimizerConfig, Result};

/// Updates `var` in place by `rule`: one pass over its memory.
///
/// # Errors
/// A gradient of another type or shape than the parameter's.
pub(crate) fn update(
    var: &Var,
    gradient: &Tensor,
    moments: &mut Moments,
    rule: Rule,
) -> Result<()> {
    Ok(var.inplace_op2(gradient, &Update { rule, moments: RefCell::new(moments) })?)
}

/// The Euclidean norm of all gradients together, summed in a fixed order.
///
/// # Errors
/// A gradient that is neither f32 nor f64, or not in the computer's memory.
pub(crate) fn global_norm<'a>(gradients: impl IntoIterator<Item = &'a Tensor>) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        let (storage, layout) = gradient.storage_and_layout();
        let range = range(layout)?;
        sum += match &*storage {
            Storage::Cpu(CpuStorage::F32(g)) => square_sum(&g[range]),
            Storage::Cpu(CpuStorage::F64(g)) => square_sum(&g[range]),
            _ => {
                return Err(Error::Optimizer(format!("a gradient of {:?}", gradient.dtype())));
            }
        };
    }
    Ok(sum.sqrt())
}

/// Adam's two moments, or momentum's one sum and nothing; of the parameter's type and length.
pub(crate) enum Moments {
    F32([Vec<f32>; 2]),
    F64([Vec<f64>; 2]),
}

impl Moments {
    pub(crate) fn zeros(config: &OptimizerConfig, var: &Var) -> Result<Moments> {
        let first = var.elem_count();
        let second = match config {
            OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } => first,
            OptimizerConfig::Sgd { .. } => 0,
        };
        match var.dtype() {
            DType::F32 => Ok(Moments::F32([first, second].map(|len| vec![0.0; len]))),
            DType::F64 => Ok(Moments::F64([first, second].map(|len| vec![0.0; len]))),
            other => Err(Error::Optimizer(format!("a parameter of {other:?}"))),
        }
    }
}

/// The numbers of one step; `scale` multiplies the gradients.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// `rate` and `root` hold the bias corrections, `keep` the weight decay.
    Adam {
        scale: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        rate: f64,
        root: f64,
        keep: f64,
    },
    Sgd {
        scale: f64,
        momentum: f64,
        rate: f64,
    },
}

impl Rule {
    /// `steps` counts from 1.
    pub(crate) fn new(
        config: &OptimizerConfig,
        steps: i32,
        learning_rate: f64,
        scale: f64,
        decays: bool,
    ) -> Rule {
        let adam = |beta1: f64, beta2: f64, epsilon, weight_decay: f64| Rule::Adam {
            scale,
            beta1,
            beta2,
            epsilon,
            rate: learning_rate / (1.0 - beta1.powi(steps)),
            root: (1.0 - beta2.powi(steps)).sqrt().recip(),
            keep: if decays { 1.0 - learning_rate * weight_decay } else { 1.0 },
        };
        match *config {
            OptimizerConfig::Adam { beta1, beta2, epsilon } => adam(beta1, beta2, epsilon, 0.0),
            OptimizerConfig::AdamW { beta1, beta2, epsilon, weight_decay } => {
                adam(beta1, beta2, epsilon, weight_decay)
            }
            OptimizerConfig::Sgd { momentum } => Rule::Sgd { scale, momentum, rate: learning_rate },
        }
    }

    /// `p`: parameters, `g`: gradients, `m` and `v`: moments; all of one length, `v` empty for SGD.
    fn apply<T: Real>(self, p: &mut [T], g: &[T], [m, v]: &mut [Vec<T>; 2]) {
        let t = T::from_f64;
        match self {
            Rule::Adam { scale, beta1, beta2, epsilon, rate, root, keep } => {
                let [scale, epsilon, rate, root, keep] = [scale, epsilon, rate, root, keep].map(t);
                let [b1, b2, a1, a2] = [beta1, beta2, 1.0 - beta1, 1.0 - beta2].map(t);
                for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = g * scale;
                    *m = b1 * *m + a1 * g;
                    *v = b2 * *v + a2 * g * g;
                    *p = *p * keep - rate * *m / (v.square_root() * root + epsilon);
                }
            }
            Rule::Sgd { scale, momentum, rate } => {
                let [scale, momentum, rate] = [scale, momentum, rate].map(t);
                for ((p, &g), sum) in p.iter_mut().zip(g).zip(m) {
                    *sum = momentum * *sum + g * scale;
                    *p -= rate * *sum;
                }
            }
        }
    }
}

/// One step of one parameter, as an operation of Candle's that writes in place.
struct Update<'a> {
    rule: Rule,
    moments: RefCell<&'a mut Moments>,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        if parameter_layout.shape() != gradient_layout.shape() {
            bail!(
                "a parameter of shape {:?} with a gradient of shape {:?}",
                parameter_layout.shape(),
                gradient_layout.shape()
            )
        }
        let (at, from) = (range(parameter_layout)?, range(gradient_layout)?);
        match (parameter, gradient, &mut **self.moments.borrow_mut()) {
            (CpuStorage::F32(p), CpuStorage::F32(g), Moments::F32(moments)) => {
                self.rule.apply(&mut p[at], &g[from], moments);
            }
            (CpuStorage::F64(p), CpuStorage::F64(g), Moments::F64(moments)) => {
                self.rule.apply(&mut p[at], &g[from], moments);
            }
            _ => bail!("a parameter and its gradient differ in type"),
        }
        Ok(())
    }
}

/// What the rules need of f32 and f64 beyond Candle's own trait.
trait Real: WithDType {
    fn square_root(self) -> Self;
}

impl Real for f32 {
    fn square_root(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    fn square_root(self) -> Self {
        self.sqrt()
    }
}

/// Where a contiguous tensor lies in its storage.
fn range(layout: &Layout) -> candle_core::Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("the optimizer needs contiguous tensors"),
    }
}

/// In f64, over eight sums side by side, which the compiler turns into vectors.
fn square_sum<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks.iter().map(<[T; 8]>::as_slice).chain([rest]) {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            let value: f64 = value.into();
            *sum += value * value;
        }
    }
    sums.iter().sum()
}
