//! burn's LSTM as a contestant of the benches, see `fgn_benches::protocol`.

use anyhow::{Context as _, Result, ensure};
use burn::backend::{Autodiff, NdArray};
use burn::module::Param;
use burn::nn::{GateController, Lstm, LstmConfig, LstmState};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use fgn_benches::protocol::{Request, Run, Work, numbers, run, serve};

fn main() -> Result<()> {
    // Graphs of hundreds of steps are dropped recursively.
    let server = std::thread::Builder::new().stack_size(1 << 30);
    let server = server.spawn(|| serve("burn 0.21 (ndarray)", prepare))?;
    server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn prepare(request: &Request) -> Result<(Vec<f64>, Run)> {
    ensure!(request.cell == "lstm" && request.dtype == "f32", "burn supports only the LSTM in f32");
    let &Request { steps, batch, .. } = request;
    if request.work == Work::Train {
        let (lstm, x, state) = layer::<Autodiff<NdArray>>(request);
        let mut sum = 0.0;
        let gradients = lstm.forward(x.clone(), Some(copy(&state))).0.sum().backward();
        for gate in [&lstm.input_gate, &lstm.forget_gate, &lstm.cell_gate, &lstm.output_gate] {
            for linear in [&gate.input_transform, &gate.hidden_transform] {
                let gradient = linear.weight.val().grad(&gradients).context("no gradient")?;
                sum += f64::from(gradient.powi_scalar(2).sum().into_scalar());
            }
        }
        let work =
            move || anyhow::Ok(lstm.forward(x.clone(), Some(copy(&state))).0.sum().backward());
        return Ok((vec![sum.sqrt()], run(work)));
    }
    let (lstm, x, state) = layer::<NdArray>(request);
    let forward = move || lstm.forward(x.clone(), Some(copy(&state))).0;
    let last = forward().slice([batch - 1..batch, steps - 1..steps]).into_data();
    let check = last.iter::<f32>().map(f64::from).collect();
    Ok((check, run(move || anyhow::Ok(forward()))))
}

type Parts<B> = (Lstm<B>, Tensor<B, 3>, LstmState<B, 2>);

/// The layer, its input `[B, T, I]` and its initial states.
fn layer<B: Backend>(request: &Request) -> Parts<B> {
    let &Request { steps, batch, input, hidden, .. } = request;
    let device = &B::Device::default();
    let bound = (hidden as f64).powf(-0.5);
    let tensor = |numbers: &[f32], rows: usize, columns: usize| {
        Tensor::<B, 2>::from_data(TensorData::new(numbers.to_vec(), [rows, columns]), device)
    };
    let mut lstm = LstmConfig::new(input, hidden, true).init::<B>(device);
    // In PyTorch's gate order.
    let gates: [&mut GateController<B>; 4] =
        [&mut lstm.input_gate, &mut lstm.forget_gate, &mut lstm.cell_gate, &mut lstm.output_gate];
    for (index, gate) in gates.into_iter().enumerate() {
        let columns = [(1, 3, input), (2, 4, hidden)];
        let linears = [&mut gate.input_transform, &mut gate.hidden_transform];
        for (linear, (weight, bias, depth)) in linears.into_iter().zip(columns) {
            let rows = numbers(weight, bound, 4 * hidden * depth);
            let rows = tensor(&rows[index * hidden * depth..][..hidden * depth], hidden, depth);
            linear.weight = Param::from_tensor(rows.transpose());
            let biases = numbers(bias, bound, 4 * hidden);
            let biases = tensor(&biases[index * hidden..][..hidden], 1, hidden);
            linear.bias = Some(Param::from_tensor(biases.reshape([hidden])));
        }
    }
    let x = TensorData::new(numbers(0, 1.0, steps * batch * input), [steps, batch, input]);
    let x = Tensor::<B, 3>::from_data(x, device).swap_dims(0, 1);
    let state = |seed| tensor(&numbers(seed, 1.0, batch * hidden), batch, hidden);
    (lstm, x, LstmState { hidden: state(5), cell: state(6) })
}

fn copy<B: Backend>(state: &LstmState<B, 2>) -> LstmState<B, 2> {
    LstmState { hidden: state.hidden.clone(), cell: state.cell.clone() }
}
