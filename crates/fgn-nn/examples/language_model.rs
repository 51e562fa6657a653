//! A language model of your own: its embedding is its output layer too, and it has a bias of its own. It is trained with
//! candle-nn's AdamW, then saved and loaded whole.
//!
//! ```sh
//! cargo run --release -p fgn-nn --example language_model
//! ```

use std::env::temp_dir;
use std::fs;
use std::process::id;

use fgn_nn::candle_core::{D, DType, Device, Module, Result, Tensor};
use fgn_nn::candle_nn::{AdamW, Init, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use fgn_nn::{AnyCell, Recurrent, RecurrentConfig, TokenEmbedding, cross_entropy};

struct LanguageModel {
    tokens: TokenEmbedding,
    layers: Recurrent,
    bias: Tensor,
}

impl LanguageModel {
    fn new(vocabulary: usize, size: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let config = RecurrentConfig::new(AnyCell::FGN, size).with_batch_first(true);
        let tokens = TokenEmbedding::from_builder(vocabulary, size, vb.pp("tokens"))?;
        let layers = Recurrent::from_builder(size, &config, vb.pp("layers"))?;
        Ok(Self { tokens, layers, bias: vb.get_with_hints(vocabulary, "bias", Init::Const(0.0))? })
    }
}

impl Module for LanguageModel {
    /// Tokens `[B, T]` give logits `[B, T, V]`.
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let outputs = Module::forward(&self.layers, &self.tokens.forward(tokens)?)?;
        self.tokens.logits(&outputs)?.broadcast_add(&self.bias)
    }
}

pub(crate) fn main() -> Result<()> {
    let text = "To be, or not to be, that is the question: whether 'tis nobler in the mind";
    let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
    let tokens = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
    let steps = tokens.dim(1)? - 1;
    let (input, target) = (tokens.narrow(1, 0, steps)?, tokens.narrow(1, 1, steps)?);

    let builder = |vars: &VarMap| VarBuilder::from_varmap(vars, DType::F32, &Device::Cpu);
    let vars = VarMap::new();
    let model = LanguageModel::new(128, 48, builder(&vars))?;
    let options = ParamsAdamW { lr: 0.01, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(vars.all_vars(), options)?;
    for _ in 0..500 {
        optimizer.backward_step(&cross_entropy(&model.forward(&input)?, &target)?)?;
    }
    let path = temp_dir().join(format!("language-model-{}.safetensors", id()));
    vars.save(&path)?;

    let mut saved = VarMap::new();
    let model = LanguageModel::new(128, 48, builder(&saved))?;
    saved.load(&path)?;
    fs::remove_file(&path)?;
    let predicted = model.forward(&input)?.argmax(D::Minus1)?.flatten_all()?.to_vec1::<u32>()?;
    let predicted: String = predicted.iter().map(|&token| char::from(token as u8)).collect();
    println!("{predicted}");
    assert_eq!(predicted, text[1..]);
    Ok(())
}
