//! Initial values of the tensors of one layer and direction.

use fgn_core::{LayerShape, Role, Spec, TensorSlot};

use super::config::{ForgetBias, InitConfig, RecurrentInit, WeightInit};
use super::draw::{
    chrono, orthogonal, ring_phases, ring_radii, truncated_normal, uniform, uniform_gate,
    xavier_bound,
};
use crate::layer_direction::LayerDirection;
use crate::random::Generator;

/// The initial values of one tensor of a layer of that shape.
pub(crate) fn tensor(
    init: &InitConfig,
    spec: &Spec,
    slot: &TensorSlot,
    shape: LayerShape,
    at: LayerDirection,
    generator: &mut Generator,
) -> Vec<f64> {
    let LayerShape { hidden, .. } = shape;
    match slot.name {
        "weight_ih" | "weight_hh" => {
            let columns = slot.shape[1];
            let blocks = slot.blocks.iter().flat_map(|&block| {
                let resolved = init.resolve(at, spec.blocks[block].name);
                match resolved.recurrent {
                    RecurrentInit::Orthogonal if slot.name == "weight_hh" => {
                        orthogonal(generator, hidden, columns)
                    }
                    _ => weights(resolved.weights, generator, [hidden, columns], hidden),
                }
            });
            blocks.collect()
        }
        "weight_hr" => {
            weights(init.resolve(at, "").weights, generator, [slot.shape[0], slot.shape[1]], hidden)
        }
        // The recurrent weights of the independently recurrent network, one a unit (Li et al. 2018).
        "u" => (0..slot.len()).map(|_| generator.next_f64()).collect(),
        // The eigenvalues of the linear recurrent unit: r² = σ(ν), θ = 2 atan(e^τ).
        "nu" => ring_radii(generator, slot.len(), init.ring.unwrap_or_default()),
        "tau" => ring_phases(generator, slot.len(), init.ring.unwrap_or_default()),
        "bias_ih" => bias(init, spec, slot, hidden, at, generator),
        "norm_pre" | "norm_memory" => vec![1.0; slot.len()],
        // bias_hh adds to bias_ih. A per-unit vector is the bias of a gate without other inputs
        // (w_o of fgn-scan, in tanh(c)·σ(w_o)), which is half open at 0, as the output gate of an LSTM; or it
        // adds to such a bias (a peephole).
        _ => vec![0.0; slot.len()],
    }
}

fn weights(
    init: WeightInit,
    generator: &mut Generator,
    [rows, columns]: [usize; 2],
    hidden: usize,
) -> Vec<f64> {
    let count = rows * columns;
    match init {
        WeightInit::XavierUniform => uniform(generator, count, xavier_bound(columns, rows)),
        WeightInit::PytorchUniform => uniform(generator, count, 1.0 / (hidden as f64).sqrt()),
        WeightInit::TruncatedNormal { std } => truncated_normal(generator, count, std),
    }
}

fn bias(
    init: &InitConfig,
    spec: &Spec,
    slot: &TensorSlot,
    hidden: usize,
    at: LayerDirection,
    generator: &mut Generator,
) -> Vec<f64> {
    let of_layer = init.resolve(at, "").forget_bias;
    let forget = forget_bias(of_layer, hidden, generator);
    let of_role = |role, unit: usize| match (role, of_layer) {
        (Role::Forget, _) => forget[unit],
        (Role::Forgetting, ForgetBias::Constant(value)) => value,
        (Role::Forgetting | Role::Level, _) => 1.0,
        (Role::Update, _) | (Role::Input, ForgetBias::Chrono { .. }) => -forget[unit],
        (Role::Refine, ForgetBias::UniformGate) => -forget[unit],
        _ => 0.0,
    };
    let blocks = slot.blocks.iter().flat_map(|&block| {
        let block = &spec.blocks[block];
        match init.resolve(at, block.name).bias {
            Some(bias) => forget_bias(bias, hidden, generator),
            None => (0..hidden).map(|unit| of_role(block.role, unit)).collect(),
        }
    });
    blocks.collect()
}

fn forget_bias(init: ForgetBias, hidden: usize, generator: &mut Generator) -> Vec<f64> {
    match init {
        ForgetBias::Constant(value) => vec![value; hidden],
        ForgetBias::Chrono { t_max } => chrono(generator, hidden, t_max),
        ForgetBias::UniformGate => uniform_gate(generator, hidden),
    }
}
