//! What computes.

use candle_core::Device;
use fgn_nn::{Bf16Engine, Isa};
use tracing::{info, warn};

use crate::error::Result;
use crate::training_config::TrainingPrecision;

/// The instruction set, and the engine that multiplies bf16 numbers where there are such: on others, the bits of a
/// training may differ. The log says which engine it is.
///
/// # Errors
/// An environment variable that asks for one that the machine does not have.
pub(super) fn kernels(precision: TrainingPrecision, device: &Device) -> Result<String> {
    let isa = Isa::active()?.name();
    if precision.is_f32() || !device.is_cpu() {
        return Ok(isa.to_owned());
    }
    let engine = Bf16Engine::active()?;
    match engine.is_native() {
        true => info!("products of bf16 numbers by {}", engine.name()),
        false => warn!(
            "training.precision = \"bf16\" brings no speed here: this machine has no instructions for bf16, and products \
             are those of f32, of rounded numbers ({})",
            engine.name()
        ),
    }
    Ok(format!("{isa} with {} for bf16", engine.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_named_where_numbers_are_rounded() {
        let of = |precision| kernels(precision, &Device::Cpu).unwrap();
        let isa = Isa::active().unwrap().name();
        assert_eq!(of(TrainingPrecision::F32), isa);
        let engine = Bf16Engine::active().unwrap().name();
        assert_eq!(of(TrainingPrecision::Bf16), format!("{isa} with {engine} for bf16"));
    }
}
