//! Compares every cell with every option, forward and backward, with the same run on the CPU in `f64`.

use anyhow::{Result, ensure};
use candle_core::{DType, Device, Tensor, Var};
use fgn_core::{AnyCell, LayerShape, Layout, Norm};
use fgn_kernels::{Emit, HiddenDropout, SequenceOptions, sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest errors allowed, relative to the largest value of a tensor.
const TOLERANCES: [(DType, f64); 3] =
    [(DType::F64, 1e-11), (DType::F32, 5e-5), (DType::BF16, 3e-2)];

/// `[T, B, I, H]`: sizes that fill no tile or vector exactly, and some that the persistent kernels support.
const SHAPES: [[usize; 4]; 5] =
    [[9, 5, 3, 19], [1, 1, 1, 1], [30, 3, 7, 64], [12, 40, 5, 128], [5, 17, 2, 256]];

pub(crate) fn run(gpu: &Device) -> Result<()> {
    let mut failures = 0;
    for cell in AnyCell::all() {
        let mut worst = [0.0_f64; 3];
        for shape in SHAPES {
            for (name, options) in options(cell, shape) {
                for (index, (dtype, tolerance)) in TOLERANCES.into_iter().enumerate() {
                    // Rounding can move a state across the limit, where the gradient is discontinuous.
                    if dtype == DType::BF16 && options.clip.is_some() {
                        continue;
                    }
                    let arguments = Arguments::new(cell, shape, &options, dtype)?;
                    let expected = arguments.run(cell, &options, &Device::Cpu, DType::F64)?;
                    let found = arguments.run(cell, &options, gpu, dtype)?;
                    let names = ["output", "states", "d_x", "d_weights", "d_states"];
                    for (what, (found, expected)) in names.iter().zip(found.iter().zip(&expected)) {
                        let error = error(found, expected)?;
                        worst[index] = worst[index].max(error);
                        if error > tolerance || error.is_nan() {
                            println!(
                                "{cell} {dtype:?} {shape:?} {name}: {what} is off by {error:.1e}"
                            );
                            failures += 1;
                        }
                    }
                }
            }
        }
        println!("{cell}: f64 {:.1e}  f32 {:.1e}  bf16 {:.1e}", worst[0], worst[1], worst[2]);
    }
    ensure!(failures == 0, "{failures} results differ from the CPU's by more than the tolerance");
    Ok(())
}

/// Each option alone, and all together.
fn options(
    cell: AnyCell,
    [steps, batch, _, hidden]: [usize; 4],
) -> Vec<(&'static str, SequenceOptions)> {
    let spec = cell.spec();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let none = SequenceOptions::default;
    let lengths: Vec<_> = (0..batch).map(|_| rng.random_range(1..=steps)).collect();
    let marks: Vec<u8> = (0..steps * batch).map(|_| rng.random_bool(0.2).into()).collect();
    let resets = Tensor::from_vec(marks, (steps, batch), &Device::Cpu).ok();
    let zoneout = vec![0.3; spec.states.len()];
    let dropout = |per_step| HiddenDropout { rate: 0.3, per_step };
    let norm = Norm { pre: true, memory: spec.memory.is_some() };
    let seed = Some(3);
    let projects = spec.output_is_state && spec.memory.is_some() && hidden > 1;
    let projection = projects.then_some(hidden.div_ceil(2));
    vec![
        ("nothing", none()),
        ("last", none().with_emit(Emit::Last)),
        ("states", none().with_emit(Emit::States)),
        ("reverse", none().with_reverse(true)),
        ("lengths", none().with_lengths(lengths.clone())),
        ("resets", none().with_resets(resets.clone())),
        ("projection", none().with_projection(projection)),
        ("norm of pre-activations", none().with_norm(Norm { pre: true, memory: false })),
        ("norm of both", none().with_norm(norm)),
        ("mean zoneout", none().with_zoneout(zoneout.clone())),
        ("zoneout", none().with_zoneout(zoneout.clone()).with_seed(seed)),
        ("one mask", none().with_hidden_dropout(dropout(false)).with_seed(seed)),
        ("a mask each step", none().with_hidden_dropout(dropout(true)).with_seed(seed)),
        ("clip", none().with_clip(0.3)),
        (
            "all",
            none()
                .with_emit(Emit::States)
                .with_reverse(true)
                .with_lengths(lengths)
                .with_resets(resets)
                .with_projection(projection)
                .with_norm(norm)
                .with_zoneout(zoneout)
                .with_hidden_dropout(dropout(true))
                .with_clip(0.3)
                .with_seed(seed),
        ),
    ]
}

/// The arguments of a run, rounded to the number type of the GPU's run.
struct Arguments {
    x: Tensor,
    weights: Tensor,
    states: Tensor,
    /// The number type of the GPU's run, to which the weights of the loss are rounded too.
    rounded: DType,
}

impl Arguments {
    fn new(
        cell: AnyCell,
        [t, b, i, h]: [usize; 4],
        options: &SequenceOptions,
        dtype: DType,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let spec = cell.spec();
        let form = LayerShape {
            projection: options.projection,
            norm: options.norm,
            ..LayerShape::new(i, h)
        };
        let mut random = |shape: &[usize], bound: f64, dtype| -> Result<Tensor> {
            let count = shape.iter().product();
            let numbers: Vec<f64> = (0..count).map(|_| rng.random_range(-bound..bound)).collect();
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu)?;
            Ok(tensor.to_dtype(dtype)?.to_dtype(DType::F64)?)
        };
        let bound = (1.0 / (h as f64).sqrt()).max(0.1);
        Ok(Self {
            x: random(&[t, b, i], 1.0, dtype)?,
            weights: random(&[Layout::of(spec, form).len()], bound, dtype)?,
            states: random(&[spec.states.len(), b, h], 1.0, wide(dtype))?,
            rounded: dtype,
        })
    }

    /// Returns the outputs, the final states, and the gradients of a weighted sum of both with respect to the arguments.
    fn run(
        &self,
        cell: AnyCell,
        options: &SequenceOptions,
        device: &Device,
        dtype: DType,
    ) -> Result<[Tensor; 5]> {
        let var = |tensor: &Tensor, dtype| -> Result<Var> {
            Ok(Var::from_tensor(&tensor.to_dtype(dtype)?.to_device(device)?)?)
        };
        let vars =
            [var(&self.x, dtype)?, var(&self.weights, dtype)?, var(&self.states, wide(dtype))?];
        let [x, weights, states] = [0, 1, 2].map(|n| vars[n].as_tensor());
        let run = sequence(cell, x, weights, states, options)?;
        let weigh = |tensor: &Tensor| -> Result<Tensor> {
            let count = tensor.elem_count();
            let by = (0..count).map(|n| (n as f64).sin()).collect::<Vec<_>>();
            let by = Tensor::from_vec(by, tensor.shape(), &Device::Cpu)?.to_dtype(self.rounded)?;
            let by = by.to_dtype(tensor.dtype())?.to_device(device)?;
            Ok((tensor * by)?.to_dtype(wide(dtype))?.sum_all()?)
        };
        let gradients = (weigh(&run.output)? + weigh(&run.states)?)?.backward()?;
        let of = |tensor: &Tensor| gradients.get(tensor).cloned().unwrap_or_else(|| tensor.clone());
        Ok([run.output.clone(), run.states.clone(), of(x), of(weights), of(states)])
    }
}

fn wide(dtype: DType) -> DType {
    if dtype == DType::BF16 { DType::F32 } else { dtype }
}

/// The largest difference, relative to the largest expected value.
fn error(found: &Tensor, expected: &Tensor) -> Result<f64> {
    let found =
        found.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let expected = expected.flatten_all()?.to_vec1::<f64>()?;
    ensure!(
        found.len() == expected.len(),
        "expected {} values, found {}",
        expected.len(),
        found.len()
    );
    let scale = expected.iter().fold(1e-3, |scale: f64, x| scale.max(x.abs()));
    // A NaN counts as the largest difference.
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / scale);
    Ok(differences
        .fold(0.0, |worst: f64, next| if worst.is_nan() || next <= worst { worst } else { next }))
}
