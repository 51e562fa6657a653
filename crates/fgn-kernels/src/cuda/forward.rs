use candle_core::Result;

use super::gpu::{Gpu, Launch, Product, Run};
use super::job::{Inputs, Job, over, over_rows, product, reorder};
use super::strategy::{Strategy, shared_forward};
use crate::run::gate_statistics::GateStatistics;

/// The result of a run.
pub(crate) struct Forward<M> {
    /// The emitted outputs, of the weights' numbers.
    pub(crate) output: M,
    /// `[S, B, H]`, of the equations' numbers.
    pub(crate) states: M,
    pub(crate) saved: Option<Saved<M>>,
    pub(crate) gates: Vec<GateStatistics>,
}

/// What the backward pass needs.
pub(crate) struct Saved<M> {
    /// The inputs in the order of steps, where that is another.
    pub(super) x: Option<M>,
    pub(super) pre: M,
    pub(super) states: M,
    pub(super) fed: M,
    pub(super) unprojected: M,
}

/// Runs the cell; keeps what a backward pass needs if it is to `save`.
pub(crate) fn forward<G: Gpu>(
    gpu: &G,
    job: &Job<'_>,
    inputs: Inputs,
    save: bool,
) -> Result<Forward<G::Memory>> {
    let (shape, spec, number) = (job.shape, job.spec(), job.number);
    let (rows, row) = (job.rows(), shape.batch * shape.hidden);
    let marks = job.marks(gpu)?;
    let mut run = job.run(gpu, &marks, inputs, save);

    let emitted: usize = job.plan.output_shape(spec, shape).iter().product();
    let fed_row = if spec.is_recurrent() { shape.batch * job.output() } else { 0 };
    let projected_row = if run.project == 1 { row } else { 0 };
    let outputs = gpu.zeros(emitted * number.narrow())?;
    let pre = gpu.zeros(rows * job.pre_width() * number.wide())?;
    let state_bytes = spec.states.len() * row * number.wide();
    let states = gpu.zeros(run.state_slots as usize * state_bytes)?;
    let fed = gpu.zeros(run.fed_slots as usize * fed_row * number.narrow())?;
    let unprojected = gpu.zeros(run.hidden_slots as usize * projected_row * number.narrow())?;
    let projected = gpu.zeros(projected_row * number.wide())?;
    let scratch = gpu.zeros(scratch_bytes(job))?;
    let gate_places = spec.indices(fgn_core::Block::is_gate);
    let counts = job.plan.telemetry.then(|| gpu.zeros(gate_places.len() * 3 * row * 8));
    let counts = counts.transpose()?;
    run.outputs = gpu.address(&outputs);
    run.pre = gpu.address(&pre);
    run.states = gpu.address(&states);
    run.fed = gpu.address(&fed);
    run.unprojected = gpu.address(&unprojected);
    run.projected = gpu.address(&projected);
    run.scratch = gpu.address(&scratch);
    run.counts = counts.as_ref().map_or(0, |counts| gpu.address(counts));

    let x = match job.reorders() {
        true => Some(gpu.zeros(rows * shape.input * number.narrow())?),
        false => None,
    };
    if let Some(x) = &x {
        reorder(gpu, job, &run, [inputs.x, gpu.address(x)], false)?;
    }
    let x_address = x.as_ref().map_or(inputs.x, |x| gpu.address(x));
    for part in job.input_runs() {
        let columns = part.blocks * shape.hidden;
        gpu.product(&product(
            [rows, columns, shape.input],
            job.narrow(x_address, 0, shape.input),
            job.narrow(inputs.weights, part.offset, shape.input).t(),
            job.wide(run.pre, part.column * shape.hidden, job.pre_width()),
        ))?;
    }

    over(gpu, "fgn_begin", row, &run)?;
    match job.strategy {
        Strategy::Scan => over(gpu, "fgn_scan_forward", row, &run)?,
        Strategy::Persistent { grid, .. } => persistent(gpu, job, run, grid)?,
        Strategy::Alternating => alternating(gpu, job, run)?,
    }

    let last = shape.steps % run.state_slots as usize * state_bytes;
    let finals = gpu.copy(run.states + last as u64, state_bytes)?;
    let gates = match &counts {
        Some(counts) => gates(job, &gate_places, &gpu.download(counts)?),
        None => Vec::new(),
    };
    let saved = save.then_some(Saved { x, pre, states, fed, unprojected });
    Ok(Forward { output: outputs, states: finals, saved, gates })
}

/// Bytes of scratch memory: where rows are normalised.
pub(super) fn scratch_bytes(job: &Job<'_>) -> usize {
    let norm = job.plan.layer.norm;
    let rows = if norm.pre || norm.memory { job.spec().blocks.len() + 2 } else { 0 };
    job.shape.batch * rows * job.shape.hidden * job.number.wide()
}

fn persistent<G: Gpu>(gpu: &G, job: &Job<'_>, mut run: Run, grid: [usize; 2]) -> Result<()> {
    let limits = gpu.limits()?;
    let arrived = gpu.zeros(grid[1] * 4)?;
    run.arrived = gpu.address(&arrived);
    let (_, columns) = job.hidden_columns();
    let hidden = job.shape.hidden;
    let launch = Launch {
        kernel: "fgn_persistent_forward",
        grid,
        threads: limits.persistent_threads,
        shared: shared_forward(job.number, columns / hidden, hidden, limits),
        cooperative: true,
    };
    gpu.launch(&launch, &run)
}

fn alternating<G: Gpu>(gpu: &G, job: &Job<'_>, mut run: Run) -> Result<()> {
    let (batch, hidden, output) = (job.shape.batch, job.shape.hidden, job.output());
    let (first, columns) = job.hidden_columns();
    let layout = job.layout();
    let projection = layout.tensor("weight_hr").map(|slot| slot.offset);
    for k in 0..job.shape.steps {
        run.step = k as i64;
        if columns > 0 {
            let fed = k % run.fed_slots as usize * batch * output;
            let place = k * batch * job.pre_width() + first;
            gpu.product(&Product {
                add: true,
                ..product(
                    [batch, columns, output],
                    job.narrow(run.fed, fed, output),
                    job.narrow(run.weights, run.weight_hidden as usize, output).t(),
                    job.wide(run.pre, place, job.pre_width()),
                )
            })?;
        }
        if run.normalise_pre + run.normalise_memory > 0 {
            over_rows(gpu, "fgn_forward_rows", batch, job.number.wide(), &run)?;
        } else {
            over(gpu, "fgn_forward", batch * hidden, &run)?;
        }
        if let Some(offset) = projection {
            let place = k % run.hidden_slots as usize * batch * hidden;
            gpu.product(&product(
                [batch, output, hidden],
                job.narrow(run.unprojected, place, hidden),
                job.narrow(run.weights, offset, hidden).t(),
                job.wide(run.projected, 0, output),
            ))?;
            over(gpu, "fgn_project", batch * output, &run)?;
        }
    }
    Ok(())
}

/// Means over all steps from the sums of each sequence, `[B, gates, 3, H]`.
fn gates(job: &Job<'_>, places: &[usize], bytes: &[u8]) -> Vec<GateStatistics> {
    let sums: Vec<f64> = bytes
        .chunks_exact(8)
        .map(|bytes| f64::from_ne_bytes(std::array::from_fn(|n| bytes[n])))
        .collect();
    let (batch, hidden) = (job.shape.batch, job.shape.hidden);
    let steps: usize = (0..batch).map(|b| job.plan.schedule.len(b)).sum();
    let mean = |gate: usize, sum: usize| -> Vec<f64> {
        let of =
            |b: usize, unit: usize| sums[((b * places.len() + gate) * 3 + sum) * hidden + unit];
        let total = |unit| (0..batch).map(|b| of(b, unit)).sum::<f64>();
        (0..hidden).map(|unit| total(unit) / steps as f64).collect()
    };
    let blocks = places.iter().map(|&place| &job.spec().blocks[place]);
    blocks
        .enumerate()
        .map(|(gate, block)| GateStatistics {
            name: block.name,
            role: block.role,
            mean: mean(gate, 0),
            closed: mean(gate, 1),
            open: mean(gate, 2),
        })
        .collect()
}
