//! Trains a layer of the cell to say, after 20 steps, whether the number of the first step was positive. The others are zero.

use fgn_nn::candle_core::{DType, Device, Module, Result, Tensor};
use fgn_nn::candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss};
use fgn_nn::{Recurrent, RecurrentConfig};
use own_cell::cfn;

fn main() -> Result<()> {
    let (steps, batch) = (20, 64);
    let device = Device::Cpu;
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
    let layer = Recurrent::from_builder(1, &RecurrentConfig::new(cfn()?, 32), vb.pp("encoder"))?;
    let head = linear(32, 2, vb.pp("head"))?;
    let parameters = ParamsAdamW { lr: 0.01, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vars.all_vars(), parameters)?;
    for step in 1..=200 {
        let first = Tensor::randn(0.0_f32, 1.0, (1, batch, 1), &device)?;
        let target = first.flatten_all()?.ge(0.0)?.to_dtype(DType::U32)?;
        let x = first.pad_with_zeros(0, 0, steps - 1)?;
        let y = Module::forward(&layer, &x)?;
        let logits = head.forward(&y.narrow(0, steps - 1, 1)?.squeeze(0)?)?;
        let loss = loss::cross_entropy(&logits, &target)?;
        optimizer.backward_step(&loss)?;
        if step % 50 == 0 {
            let right = logits.argmax(1)?.eq(&target)?.to_dtype(DType::F32)?.mean_all()?;
            let (loss, right) = (loss.to_scalar::<f32>()?, right.to_scalar::<f32>()?);
            println!("step {step}: loss {loss:.3}, accuracy {:.0} %", 100.0 * right);
        }
    }
    Ok(())
}
