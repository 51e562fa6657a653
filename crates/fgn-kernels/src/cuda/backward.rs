use candle_core::Result;

use super::forward::{Saved, scratch_bytes};
use super::gpu::{Gpu, Launch, Product, Run};
use super::job::{Inputs, Job, over, over_rows, product, reorder};
use super::strategy::{Strategy, shared_backward};

/// Where the gradients with respect to a run's results lie on the device.
#[derive(Clone, Copy)]
pub(crate) struct Derivatives {
    /// As the outputs.
    pub(crate) output: u64,
    /// `[S, B, H]`, if there are any.
    pub(crate) states: Option<u64>,
}

/// The gradients with respect to a run's arguments.
pub(crate) struct Gradients<M> {
    pub(crate) x: Option<M>,
    pub(crate) weights: M,
    pub(crate) states: M,
}

/// The gradients of a [`forward`](super::forward::forward) that saved; by the input `with_x` alone.
pub(crate) fn backward<G: Gpu>(
    gpu: &G,
    job: &Job<'_>,
    inputs: Inputs,
    saved: &Saved<G::Memory>,
    by: Derivatives,
    with_x: bool,
) -> Result<Gradients<G::Memory>> {
    let (shape, spec, number) = (job.shape, job.spec(), job.number);
    let (rows, row, output) = (job.rows(), shape.batch * shape.hidden, job.output());
    let layout = job.layout();
    let marks = job.marks(gpu)?;
    let mut run = job.run(gpu, &marks, inputs, true);

    let state_bytes = spec.states.len() * row * number.wide();
    let d_states = match by.states {
        Some(address) => gpu.copy(address, state_bytes)?,
        None => gpu.zeros(state_bytes)?,
    };
    let d_weights = gpu.zeros(layout.len() * number.narrow())?;
    let d_pre = gpu.zeros(rows * job.pre_width() * number.narrow())?;
    let d_fed = gpu.zeros(shape.batch * output * number.wide())?;
    let sums = sums_of(job);
    let sums = gpu.zeros(sums * row * number.wide())?;
    let projected_rows = if run.project == 1 { rows } else { 0 };
    let d_projected = gpu.zeros(projected_rows * output * number.narrow())?;
    let d_unprojected = gpu.zeros(row * number.wide())?;
    let scratch = gpu.zeros(scratch_bytes(job))?;
    run.pre = gpu.address(&saved.pre);
    run.states = gpu.address(&saved.states);
    run.fed = gpu.address(&saved.fed);
    run.unprojected = gpu.address(&saved.unprojected);
    run.scratch = gpu.address(&scratch);
    run.d_outputs = by.output;
    run.d_states = gpu.address(&d_states);
    run.d_weights = gpu.address(&d_weights);
    run.d_pre = gpu.address(&d_pre);
    run.d_fed = gpu.address(&d_fed);
    run.sums = gpu.address(&sums);
    run.d_projected = gpu.address(&d_projected);
    run.d_unprojected = gpu.address(&d_unprojected);

    match job.strategy {
        Strategy::Scan => over(gpu, "fgn_scan_backward", row, &run)?,
        Strategy::Persistent { grid, .. } => persistent(gpu, job, run, grid)?,
        Strategy::Alternating => alternating(gpu, job, run)?,
    }
    over(gpu, "fgn_end", row, &run)?;
    over(gpu, "fgn_add_sums", sums_of(job) * shape.hidden, &run)?;

    // The derivatives of all steps' pre-activations at once.
    let x = saved.x.as_ref().map_or(inputs.x, |x| gpu.address(x));
    for part in job.input_runs() {
        let columns = part.blocks * shape.hidden;
        gpu.product(&product(
            [columns, shape.input, rows],
            job.narrow(run.d_pre, part.column * shape.hidden, job.pre_width()).t(),
            job.narrow(x, 0, shape.input),
            job.narrow(run.d_weights, part.offset, shape.input),
        ))?;
    }
    let (first, columns) = job.hidden_columns();
    if columns > 0 {
        gpu.product(&product(
            [columns, output, rows],
            job.narrow(run.d_pre, first, job.pre_width()).t(),
            job.narrow(run.fed, 0, output),
            job.narrow(run.d_weights, run.weight_hidden as usize, output),
        ))?;
    }
    if let Some(slot) = layout.tensor("weight_hr") {
        gpu.product(&product(
            [output, shape.hidden, rows],
            job.narrow(run.d_projected, 0, output).t(),
            job.narrow(run.unprojected, 0, shape.hidden),
            job.narrow(run.d_weights, slot.offset, shape.hidden),
        ))?;
    }
    let x = match with_x {
        true => Some(by_input(gpu, job, &run)?),
        false => None,
    };
    Ok(Gradients { x, weights: d_weights, states: d_states })
}

/// The rows of `sums`, as `template/unit.h` counts them: biases and gains of each block, vectors, and gain
/// and bias of the memory.
fn sums_of(job: &Job<'_>) -> usize {
    2 * job.spec().blocks.len() + job.spec().vectors.len() + 2
}

fn by_input<G: Gpu>(gpu: &G, job: &Job<'_>, run: &Run) -> Result<G::Memory> {
    let (rows, shape) = (job.rows(), job.shape);
    let bytes = rows * shape.input * job.number.narrow();
    let d_x = gpu.zeros(bytes)?;
    for (n, part) in job.input_runs().iter().enumerate() {
        gpu.product(&Product {
            add: n > 0,
            ..product(
                [rows, shape.input, part.blocks * shape.hidden],
                job.narrow(run.d_pre, part.column * shape.hidden, job.pre_width()),
                job.narrow(run.weights, part.offset, shape.input),
                job.narrow(gpu.address(&d_x), 0, shape.input),
            )
        })?;
    }
    if !job.reorders() {
        return Ok(d_x);
    }
    let placed = gpu.zeros(bytes)?;
    reorder(gpu, job, run, [gpu.address(&d_x), gpu.address(&placed)], true)?;
    Ok(placed)
}

fn persistent<G: Gpu>(gpu: &G, job: &Job<'_>, mut run: Run, grid: [usize; 2]) -> Result<()> {
    let limits = gpu.limits()?;
    let arrived = gpu.zeros(grid[1] * 4)?;
    run.arrived = gpu.address(&arrived);
    let (_, columns) = job.hidden_columns();
    let hidden = job.shape.hidden;
    let launch = Launch {
        kernel: "fgn_persistent_backward",
        grid,
        threads: limits.persistent_threads,
        shared: shared_backward(job.number, columns / hidden, hidden, limits),
        cooperative: true,
    };
    gpu.launch(&launch, &run)
}

fn alternating<G: Gpu>(gpu: &G, job: &Job<'_>, mut run: Run) -> Result<()> {
    let (batch, hidden, output) = (job.shape.batch, job.shape.hidden, job.output());
    let (first, columns) = job.hidden_columns();
    let layout = job.layout();
    let projection = layout.tensor("weight_hr").map(|slot| slot.offset);
    for k in (0..job.shape.steps).rev() {
        run.step = k as i64;
        if let Some(offset) = projection {
            over(gpu, "fgn_project_back", batch * output, &run)?;
            gpu.product(&product(
                [batch, hidden, output],
                job.narrow(run.d_projected, k * batch * output, output),
                job.narrow(run.weights, offset, hidden),
                job.wide(run.d_unprojected, 0, hidden),
            ))?;
        }
        if run.normalise_pre + run.normalise_memory > 0 {
            over_rows(gpu, "fgn_backward_rows", batch, job.number.wide(), &run)?;
        } else {
            over(gpu, "fgn_backward", batch * hidden, &run)?;
        }
        if columns > 0 {
            gpu.product(&product(
                [batch, output, columns],
                job.narrow(run.d_pre, k * batch * job.pre_width() + first, job.pre_width()),
                job.narrow(run.weights, run.weight_hidden as usize, output),
                job.wide(run.d_fed, 0, output),
            ))?;
        }
    }
    Ok(())
}
