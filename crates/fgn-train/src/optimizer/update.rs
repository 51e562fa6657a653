//! The arithmetic of an optimizer's step: plain loops over the numbers of one parameter, where these are
//! in the computer's memory.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{
    CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, Var, WithDType, bail,
};

use super::elsewhere;
use crate::{Error, OptimizerConfig, Result};

/// Updates `var` by `rules[n].1` in the range `rules[n].0` of its numbers: in the computer's memory in place, in
/// one pass over it.
///
/// # Errors
/// A gradient of another type or shape than the parameter's.
pub(super) fn update(
    var: &Var,
    gradient: &Tensor,
    moments: &mut Moments,
    rules: &[(Range<usize>, Rule)],
) -> Result<()> {
    match moments {
        Moments::Elsewhere(moments) => elsewhere::update(var, gradient, moments, rules)?,
        _ => var.inplace_op2(gradient, &Update { rules, moments: RefCell::new(moments) })?,
    }
    Ok(())
}

/// The sum of squares, each number clamped to `limit` on both sides before, in a fixed order.
///
/// # Errors
/// A gradient that is neither f32 nor f64.
pub(super) fn square_sum(gradient: &Tensor, limit: f64) -> Result<f64> {
    if !gradient.device().is_cpu() {
        return Ok(elsewhere::square_sum(gradient, limit)?);
    }
    let (storage, layout) = gradient.storage_and_layout();
    let range = range(layout)?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(g)) => Ok(squares(&g[range], limit)),
        Storage::Cpu(CpuStorage::F64(g)) => Ok(squares(&g[range], limit)),
        _ => Err(Error::Optimizer(format!("a gradient of {:?}", gradient.dtype()))),
    }
}

/// What is remembered of one parameter's gradients: up to two lists of numbers, of its type and length.
pub(super) enum Moments {
    F32([Vec<f32>; 2]),
    F64([Vec<f64>; 2]),
    /// Of a parameter in another device's memory; none is zeros.
    Elsewhere(elsewhere::Moments),
}

impl Moments {
    pub(super) fn zeros(count: usize, var: &Var) -> Result<Moments> {
        let len = |nth| if nth < count { var.elem_count() } else { 0 };
        match var.dtype() {
            DType::F32 | DType::F64 if !var.device().is_cpu() => {
                Ok(Moments::Elsewhere([None, None]))
            }
            DType::F32 => Ok(Moments::F32([vec![0.0; len(0)], vec![0.0; len(1)]])),
            DType::F64 => Ok(Moments::F64([vec![0.0; len(0)], vec![0.0; len(1)]])),
            other => Err(Error::Optimizer(format!("a parameter of {other:?}"))),
        }
    }

    /// The `nth` list as a tensor of the parameter's shape.
    pub(super) fn get(&self, nth: usize, var: &Var) -> Result<Tensor> {
        Ok(match self {
            Moments::F32(lists) => Tensor::from_slice(&lists[nth], var.shape(), &Device::Cpu)?,
            Moments::F64(lists) => Tensor::from_slice(&lists[nth], var.shape(), &Device::Cpu)?,
            Moments::Elsewhere(lists) => match &lists[nth] {
                Some(list) => list.reshape(var.shape())?,
                None => var.zeros_like()?,
            },
        })
    }

    /// Sets the `nth` list to a tensor of the parameter's shape and type.
    pub(super) fn set(&mut self, nth: usize, values: &Tensor) -> Result<()> {
        let values = values.flatten_all()?;
        match self {
            Moments::F32(lists) => lists[nth] = values.to_vec1()?,
            Moments::F64(lists) => lists[nth] = values.to_vec1()?,
            Moments::Elsewhere(lists) => lists[nth] = Some(values),
        }
        Ok(())
    }
}

/// The numbers of one step, and how a gradient is made ready for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Gradients are clamped to this on both sides, then scaled.
    pub(super) limit: f64,
    pub(super) scale: f64,
    /// The weights times this are added to the gradient.
    pub(super) l2: f64,
    /// The weights are multiplied by this.
    pub(super) keep: f64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Sgd {
        momentum: f64,
        rate: f64,
        nesterov: bool,
    },
    RmsProp {
        alpha: f64,
        epsilon: f64,
        momentum: f64,
        rate: f64,
    },
    /// `rate` and `root` hold the bias corrections.
    Adam {
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        rate: f64,
        root: f64,
    },
    Lion {
        beta1: f64,
        beta2: f64,
        rate: f64,
    },
}

impl Rule {
    /// `steps` counts from 1. Gradients are taken as they are.
    pub(super) fn new(config: &OptimizerConfig, steps: u64, rate: f64, weight_decay: f64) -> Rule {
        // Beyond this many steps the corrections are 1.
        let steps = i32::try_from(steps).unwrap_or(i32::MAX);
        let adam = |beta1: f64, beta2: f64, epsilon| Kind::Adam {
            beta1,
            beta2,
            epsilon,
            rate: rate / (1.0 - beta1.powi(steps)),
            root: (1.0 - beta2.powi(steps)).sqrt().recip(),
        };
        let kind = match *config {
            OptimizerConfig::Sgd { momentum, nesterov, .. } => {
                Kind::Sgd { momentum, rate, nesterov }
            }
            OptimizerConfig::RmsProp { alpha, epsilon, momentum, .. } => {
                Kind::RmsProp { alpha, epsilon, momentum, rate }
            }
            OptimizerConfig::Adam { beta1, beta2, epsilon, .. }
            | OptimizerConfig::AdamW { beta1, beta2, epsilon, .. } => adam(beta1, beta2, epsilon),
            OptimizerConfig::Lion { beta1, beta2, .. } => Kind::Lion { beta1, beta2, rate },
        };
        let decoupled =
            matches!(config, OptimizerConfig::AdamW { .. } | OptimizerConfig::Lion { .. });
        let (l2, keep) = match decoupled {
            true => (0.0, 1.0 - rate * weight_decay),
            false => (weight_decay, 1.0),
        };
        Rule { limit: f64::INFINITY, scale: 1.0, l2, keep, kind }
    }

    /// The same for gradients that are clamped to `limit` and then scaled.
    pub(super) fn clipped(self, limit: f64, scale: f64) -> Rule {
        Rule { limit, scale, ..self }
    }

    /// `p`: parameters, `g`: gradients, `m` and `v`: what is remembered of them, in the order of
    /// [`OptimizerConfig::moments`]; all of one length, or empty where there are fewer than two.
    fn apply<T: Real>(self, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let t = T::from_f64;
        let [limit, scale, l2, keep] = [self.limit, self.scale, self.l2, self.keep].map(t);
        let ready = |p: T, g: T| g.clamped(limit) * scale + l2 * p;
        match self.kind {
            Kind::Sgd { momentum: 0.0, rate, .. } => {
                for (p, &g) in p.iter_mut().zip(g) {
                    *p -= t(rate) * ready(*p, g);
                }
            }
            Kind::Sgd { momentum, rate, nesterov } => {
                let [momentum, rate] = [momentum, rate].map(t);
                let [ahead, present] = if nesterov { [momentum, t(1.0)] } else { [t(1.0), t(0.0)] };
                for ((p, &g), sum) in p.iter_mut().zip(g).zip(m) {
                    let g = ready(*p, g);
                    *sum = momentum * *sum + g;
                    *p -= rate * (ahead * *sum + present * g);
                }
            }
            Kind::RmsProp { alpha, epsilon, momentum: 0.0, rate } => {
                let [a, b, epsilon, rate] = [alpha, 1.0 - alpha, epsilon, rate].map(t);
                for ((p, &g), square) in p.iter_mut().zip(g).zip(m) {
                    let g = ready(*p, g);
                    *square = a * *square + b * g * g;
                    *p -= rate * g / (square.square_root() + epsilon);
                }
            }
            Kind::RmsProp { alpha, epsilon, momentum, rate } => {
                let [a, b, epsilon, rate] = [alpha, 1.0 - alpha, epsilon, rate].map(t);
                for (((p, &g), square), sum) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = ready(*p, g);
                    *square = a * *square + b * g * g;
                    *sum = t(momentum) * *sum + g / (square.square_root() + epsilon);
                    *p -= rate * *sum;
                }
            }
            Kind::Adam { beta1, beta2, epsilon, rate, root } => {
                let [epsilon, rate, root] = [epsilon, rate, root].map(t);
                let [b1, b2, a1, a2] = [beta1, beta2, 1.0 - beta1, 1.0 - beta2].map(t);
                for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = ready(*p, g);
                    *m = b1 * *m + a1 * g;
                    *v = b2 * *v + a2 * g * g;
                    *p = *p * keep - rate * *m / (v.square_root() * root + epsilon);
                }
            }
            Kind::Lion { beta1, beta2, rate } => {
                let [b1, b2, a1, a2] = [beta1, beta2, 1.0 - beta1, 1.0 - beta2].map(t);
                for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
                    let g = ready(*p, g);
                    *p = *p * keep - t(rate) * (b1 * *m + a1 * g).sign();
                    *m = b2 * *m + a2 * g;
                }
            }
        }
    }
}

/// One step of one parameter, as an operation of Candle's that writes in place.
struct Update<'a> {
    rules: &'a [(Range<usize>, Rule)],
    moments: RefCell<&'a mut Moments>,
}

impl Update<'_> {
    fn run<T: Real>(&self, p: &mut [T], g: &[T], [m, v]: &mut [Vec<T>; 2]) {
        for (range, rule) in self.rules {
            let part = |list: &mut Vec<T>| if list.is_empty() { 0..0 } else { range.clone() };
            let (first, second) = (part(m), part(v));
            rule.apply(&mut p[range.clone()], &g[range.clone()], &mut m[first], &mut v[second]);
        }
    }
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
                self.run(&mut p[at], &g[from], moments);
            }
            (CpuStorage::F64(p), CpuStorage::F64(g), Moments::F64(moments)) => {
                self.run(&mut p[at], &g[from], moments);
            }
            _ => bail!("a parameter and its gradient differ in type"),
        }
        Ok(())
    }
}

/// What the rules need of f32 and f64 beyond Candle's own trait.
trait Real: WithDType {
    fn square_root(self) -> Self;
    /// To `limit` on both sides; what is no number stays so.
    fn clamped(self, limit: Self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
}

macro_rules! real {
    ($number:ty) => {
        impl Real for $number {
            fn square_root(self) -> Self {
                self.sqrt()
            }
            fn clamped(self, limit: Self) -> Self {
                self.clamp(-limit, limit)
            }
            fn sign(self) -> Self {
                if self == 0.0 { 0.0 } else { self.signum() }
            }
        }
    };
}

real!(f32);
real!(f64);

/// Where a contiguous tensor lies in its storage.
pub(super) fn range(layout: &Layout) -> candle_core::Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("the optimizer needs contiguous tensors"),
    }
}

/// In f64, over eight sums side by side, which the compiler turns into vectors.
fn squares<T: Copy + Into<f64>>(values: &[T], limit: f64) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks.iter().map(<[T; 8]>::as_slice).chain([rest]) {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            let value: f64 = value.into().clamp(-limit, limit);
            *sum += value * value;
        }
    }
    sums.iter().sum()
}
