//! The tensors of one layer and direction.

use fgn_core::{Form, Role, Spec, TensorSlot};
use rand_chacha::ChaCha8Rng;

use super::{
    ForgetBias, InitConfig, RecurrentInit, WeightInit, chrono, orthogonal, truncated_normal,
    uniform, uniform_gate, xavier_bound,
};
use crate::recurrent::Place;

/// One tensor of a layer of that form.
pub(crate) fn draw(
    init: &InitConfig,
    spec: &Spec,
    slot: &TensorSlot,
    form: Form,
    place: Place,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let Form { hidden, .. } = form;
    match slot.name {
        "weight_ih" | "weight_hh" => {
            let columns = slot.shape[1];
            let blocks = slot.blocks.iter().flat_map(|&block| {
                let at = init.at(place, spec.blocks[block].name);
                match at.recurrent {
                    RecurrentInit::Orthogonal if slot.name == "weight_hh" => {
                        orthogonal(rng, hidden, columns)
                    }
                    _ => weights(at.weights, rng, [hidden, columns], hidden),
                }
            });
            blocks.collect()
        }
        "weight_hr" => {
            weights(init.at(place, "").weights, rng, [slot.shape[0], slot.shape[1]], hidden)
        }
        // How much of itself a unit of the independently recurrent network keeps (Li et al. 2018).
        "u" => (0..slot.len()).map(|_| rand::Rng::random(rng)).collect(),
        "bias_ih" => bias(init, spec, slot, hidden, place, rng),
        "norm_pre" | "norm_memory" => vec![1.0; slot.len()],
        // bias_hh adds to bias_ih. A per-unit vector is the bias of a gate that sees nothing else
        // (w_o of fgn-scan, in tanh(c)·σ(w_o)): at 0 it is half open, as the output gate of an LSTM; or it
        // adds to one (a peephole).
        _ => vec![0.0; slot.len()],
    }
}

fn weights(
    init: WeightInit,
    rng: &mut ChaCha8Rng,
    [rows, columns]: [usize; 2],
    hidden: usize,
) -> Vec<f64> {
    let count = rows * columns;
    match init {
        WeightInit::XavierUniform => uniform(rng, count, xavier_bound(columns, rows)),
        WeightInit::PytorchUniform => uniform(rng, count, 1.0 / (hidden as f64).sqrt()),
        WeightInit::TruncatedNormal { std } => truncated_normal(rng, count, std),
    }
}

fn bias(
    init: &InitConfig,
    spec: &Spec,
    slot: &TensorSlot,
    hidden: usize,
    place: Place,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let of_layer = init.at(place, "").forget_bias;
    let forget = forget_bias(of_layer, hidden, rng);
    let of_role = |role, unit: usize| match (role, of_layer) {
        (Role::Forget, _) => forget[unit],
        (Role::Forgetting, ForgetBias::Constant(value)) => value,
        (Role::Forgetting | Role::Level, _) => 1.0,
        (Role::Update, _) | (Role::Input, ForgetBias::Chrono { .. }) => -forget[unit],
        (Role::Refine, ForgetBias::UniformGate) => -forget[unit],
        (
            Role::Input
            | Role::Exponential
            | Role::Output
            | Role::Candidate
            | Role::Refine
            | Role::Linear,
            _,
        ) => 0.0,
    };
    let blocks = slot.blocks.iter().flat_map(|&block| {
        let block = &spec.blocks[block];
        match init.at(place, block.name).bias {
            Some(bias) => forget_bias(bias, hidden, rng),
            None => (0..hidden).map(|unit| of_role(block.role, unit)).collect(),
        }
    });
    blocks.collect()
}

fn forget_bias(init: ForgetBias, hidden: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    match init {
        ForgetBias::Constant(value) => vec![value; hidden],
        ForgetBias::Chrono { t_max } => chrono(rng, hidden, t_max),
        ForgetBias::UniformGate => uniform_gate(rng, hidden),
    }
}
