//! What blocks compute, against their formulas, composed of elementary operations and single recurrent layers.

use candle_core::{D, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{BlockConfig, BlockNorm, Recurrent, RecurrentConfig, RecurrentOptions};

use super::super::{INPUT_SIZE, assert_close, layer};
use super::{BATCH, HIDDEN, STEPS, blocks, everything, stack};
use crate::common::{Named, flat, parameters, random};

/// The parameters of a stack, by name.
struct Weights<'a>(&'a [Named]);

impl Weights<'_> {
    fn get(&self, name: &str) -> Tensor {
        let name = format!("layer.{name}");
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.unwrap_or_else(|| panic!("no parameter {name}")).1.as_tensor().clone()
    }

    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        let weight = self.get(&format!("{name}.weight")).t().unwrap();
        let y = x.broadcast_matmul(&weight).unwrap();
        y.broadcast_add(&self.get(&format!("{name}.bias"))).unwrap()
    }

    fn norm(&self, name: &str, x: &Tensor, norm: BlockNorm) -> Tensor {
        let centred = match norm {
            BlockNorm::Rms => x.clone(),
            BlockNorm::Layer => x.broadcast_sub(&x.mean_keepdim(D::Minus1).unwrap()).unwrap(),
        };
        let square = centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let scale = (square + 1e-5).unwrap().sqrt().unwrap();
        let y = centred.broadcast_div(&scale).unwrap();
        let y = y.broadcast_mul(&self.get(&format!("{name}.weight"))).unwrap();
        match norm {
            BlockNorm::Rms => y,
            BlockNorm::Layer => y.broadcast_add(&self.get(&format!("{name}.bias"))).unwrap(),
        }
    }

    /// A convolution that begins with zeros.
    fn conv(&self, name: &str, x: &Tensor) -> Tensor {
        let weight = self.get(&format!("{name}.weight"));
        let taps = weight.dims()[1];
        let mut y =
            x.zeros_like().unwrap().broadcast_add(&self.get(&format!("{name}.bias"))).unwrap();
        let zeros = x.narrow(0, 0, 1).unwrap().zeros_like().unwrap();
        let mut inputs = vec![zeros; taps - 1];
        inputs.push(x.clone());
        let inputs = Tensor::cat(&inputs, 0).unwrap();
        for tap in 0..taps {
            let weight = weight.narrow(1, tap, 1).unwrap().squeeze(1).unwrap();
            let read = inputs.narrow(0, tap, x.dims()[0]).unwrap();
            y = (y + read.broadcast_mul(&weight).unwrap()).unwrap();
        }
        y
    }

    /// The outputs of a cell alone, in one direction or both.
    fn cell(&self, index: usize, x: &Tensor, config: &RecurrentConfig) -> Tensor {
        let mut list = parameters(1);
        let alone = RecurrentConfig { layers: 1, block: None, ..config.clone() };
        let alone = Recurrent::new(&mut list, "layer", x.dims()[2], &alone).unwrap();
        for (name, var) in list.list() {
            let name = name.replace("_l0", &format!("_l{index}"));
            var.set(&self.get(name.strip_prefix("layer.").unwrap())).unwrap();
        }
        alone.forward(x, &RecurrentOptions::default()).unwrap().output
    }

    fn stack(&self, x: &Tensor, config: &RecurrentConfig) -> Tensor {
        let block = config.block.unwrap();
        let mut x = self.linear("embed", x);
        for index in 0..config.layers {
            let name = |part: &str| format!("blocks.{index}.{part}");
            let mut input = self.norm(&name("norm"), &x, block.norm);
            if block.conv > 0 {
                input = self.conv(&name("conv"), &input);
            }
            let output = self.linear(&name("out"), &self.cell(index, &input, config));
            x = (x + output).unwrap();
            if block.mlp > 0.0 {
                let hidden = self.norm(&name("mlp.norm"), &x, block.norm);
                let hidden = self.linear(&name("mlp.up"), &hidden);
                let halves = hidden.chunk(2, 2).unwrap();
                let hidden = (halves[0].silu().unwrap() * &halves[1]).unwrap();
                x = (x + self.linear(&name("mlp.down"), &hidden)).unwrap();
            }
        }
        self.norm("norm", &x, block.norm)
    }
}

#[test]
fn a_stack_of_blocks_is_what_its_formulas_say() {
    for cell in AnyCell::all() {
        for block in blocks() {
            for bidirectional in [false, true] {
                if bidirectional && block.conv > 0 {
                    continue;
                }
                let config = RecurrentConfig { bidirectional, ..stack(cell, block) };
                let (layer, list) = layer(&config);
                let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
                let found = layer.forward(&x, &RecurrentOptions::default()).unwrap().output;
                assert_eq!(found.dims(), [STEPS, BATCH, config.output_size()]);
                assert_close(&found, &Weights(&list).stack(&x, &config));
            }
        }
    }
}

#[test]
fn parameters_are_named_as_in_pytorch() {
    let (_, list) = layer(&RecurrentConfig { layers: 1, ..stack(AnyCell::LSTM, everything()) });
    let found: Vec<_> = list.iter().map(|(name, var)| (name.as_str(), var.dims())).collect();
    let hidden = 4 * HIDDEN;
    let expected: [(&str, &[usize]); 20] = [
        ("layer.weight_ih_l0", &[hidden, HIDDEN]),
        ("layer.weight_hh_l0", &[hidden, HIDDEN]),
        ("layer.bias_ih_l0", &[hidden]),
        ("layer.bias_hh_l0", &[hidden]),
        ("layer.embed.weight", &[HIDDEN, INPUT_SIZE]),
        ("layer.embed.bias", &[HIDDEN]),
        ("layer.blocks.0.norm.weight", &[HIDDEN]),
        ("layer.blocks.0.norm.bias", &[HIDDEN]),
        ("layer.blocks.0.conv.weight", &[HIDDEN, 4]),
        ("layer.blocks.0.conv.bias", &[HIDDEN]),
        ("layer.blocks.0.out.weight", &[HIDDEN, HIDDEN]),
        ("layer.blocks.0.out.bias", &[HIDDEN]),
        ("layer.blocks.0.mlp.norm.weight", &[HIDDEN]),
        ("layer.blocks.0.mlp.norm.bias", &[HIDDEN]),
        ("layer.blocks.0.mlp.up.weight", &[4 * HIDDEN, HIDDEN]),
        ("layer.blocks.0.mlp.up.bias", &[4 * HIDDEN]),
        ("layer.blocks.0.mlp.down.weight", &[HIDDEN, 2 * HIDDEN]),
        ("layer.blocks.0.mlp.down.bias", &[HIDDEN]),
        ("layer.norm.weight", &[HIDDEN]),
        ("layer.norm.bias", &[HIDDEN]),
    ];
    assert_eq!(found, expected);
}

/// What a layer adds to the residual stream is the smaller the more layers there are.
#[test]
fn the_last_maps_of_a_block_begin_small() {
    let width = 64;
    let block = BlockConfig { conv: 4, ..BlockConfig::default() };
    for layers in [1, 8] {
        let config =
            RecurrentConfig { layers, hidden_size: width, ..stack(AnyCell::MIN_GRU, block) };
        let mut list = parameters(1);
        Recurrent::new(&mut list, "layer", INPUT_SIZE, &config).unwrap();
        let drawn = |name: &str| {
            let name = format!("layer.blocks.0.{name}");
            let (_, var) = list.list().iter().find(|(other, _)| *other == name).unwrap();
            flat(var)
        };
        let bound = |inputs: usize, outputs: usize| (6.0 / (inputs + outputs) as f64).sqrt();
        let small = 1.0 / (2.0 * layers as f64).sqrt();
        for (name, bound) in [
            ("out.weight", bound(width, width) * small),
            ("mlp.up.weight", bound(width, 4 * width)),
            ("mlp.down.weight", bound(2 * width, width) * small),
            ("conv.weight", 0.5),
        ] {
            let largest = drawn(name).iter().fold(0.0f64, |most, x| most.max(x.abs()));
            assert!(largest <= bound && largest > 0.9 * bound, "{name}: {largest} {bound}");
        }
        assert_eq!(drawn("norm.weight"), vec![1.0; width]);
        assert_eq!(drawn("mlp.down.bias"), vec![0.0; width]);
    }
}
