//! The layers of a decoder, and their steps.

use candle_core::{D, DType, Device, Tensor};

use super::super::kind::Encoded;
use super::attention::{Attentional, Memory, linear, matrix};
use super::config::Decoder;
use crate::error::Result;
use crate::init::uniform;
use crate::parameters::Parameters;
use crate::recurrent::{Recurrent, RecurrentOptions, State};

/// The layers of a decoder. `A` is the size of the outputs of its recurrent layers.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    /// `[V, E]`.
    embedding: Tensor,
    recurrent: Recurrent,
    attention: Option<Attentional>,
    /// `[V, A]` and `[V]`.
    output: [Tensor; 2],
    input_feeding: bool,
}

/// What is the same for all steps of a pass.
#[derive(Debug)]
pub(super) struct Pass {
    /// What attention reads, if there is any.
    pub(super) memory: Option<Memory>,
    /// The dropout of the attentional vectors, `[B, 1, A]`.
    pub(super) dropout: Option<Tensor>,
    /// The seed of the recurrent layers' dropout.
    pub(super) seed: Option<u64>,
}

impl Layers {
    pub(super) fn new(
        config: &Decoder,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Self> {
        let Decoder { vocabulary, embedding_dim, input_feeding, .. } = *config;
        let draw = |generator: &mut _| uniform(generator, vocabulary * embedding_dim, 0.1);
        let shape = [vocabulary, embedding_dim];
        let embedding = parameters.take(format!("{name}.embedding.weight"), &shape, draw)?;
        let own = config.recurrent.output_size();
        let features = embedding_dim + if input_feeding { own } else { 0 };
        let layer = format!("{name}.recurrent");
        let recurrent = Recurrent::new(parameters, &layer, features, &config.recurrent)?;
        let attention = Attentional::new(config.attention, parameters, name, [own, inputs])?;
        let weight = matrix(parameters, format!("{name}.output.weight"), [vocabulary, own])?;
        let zeros = |_: &mut _| vec![0.0; vocabulary];
        let bias = parameters.take(format!("{name}.output.bias"), &[vocabulary], zeros)?;
        Ok(Self {
            embedding: embedding.as_tensor().clone(),
            recurrent,
            attention,
            output: [weight, bias.as_tensor().clone()],
            input_feeding,
        })
    }

    /// The same, outside the computation graph.
    pub(super) fn detached(&self) -> Self {
        Self {
            embedding: self.embedding.detach(),
            recurrent: self.recurrent.detached(),
            attention: self.attention.as_ref().map(Attentional::detached),
            output: self.output.each_ref().map(Tensor::detach),
            input_feeding: self.input_feeding,
        }
    }

    /// The same, outside the computation graph, with weights that are packed once for many steps.
    pub(super) fn frozen(&self) -> Result<Self> {
        Ok(Self { recurrent: self.recurrent.frozen()?, ..self.detached() })
    }

    pub(super) fn recurrent(&self) -> &Recurrent {
        &self.recurrent
    }

    pub(super) fn dtype(&self) -> DType {
        self.recurrent.dtype()
    }

    pub(super) fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// What attention reads of the encoder's outputs.
    pub(super) fn memory(&self, encoded: &Encoded<'_>) -> Result<Option<Memory>> {
        self.attention.as_ref().map(|attention| attention.memory(encoded)).transpose()
    }

    /// The logits `[B, U, V]` where the tokens `inputs: [U, B]` are read.
    pub(super) fn forward(
        &self,
        inputs: &Tensor,
        lengths: Option<&[usize]>,
        state: &State,
        pass: &Pass,
    ) -> Result<Tensor> {
        let (steps, batch) = inputs.dims2()?;
        let x = self.embedding.index_select(&inputs.flatten_all()?, 0)?;
        let x = x.reshape((steps, batch, ()))?;
        if !self.input_feeding {
            let (h, _) = self.recur(&x, lengths, state, pass)?;
            return self.logits(&self.attend(&h.transpose(0, 1)?.contiguous()?, pass)?);
        }
        let (mut state, mut previous) = (state.clone(), self.before_first(batch)?);
        let mut vectors = Vec::new();
        for step in 0..steps {
            let x = Tensor::cat(&[x.get(step)?, previous], D::Minus1)?;
            let (h, next) = self.recur(&x.unsqueeze(0)?, None, &state, pass)?;
            let vector = self.attend(&h.reshape((batch, 1, ()))?, pass)?;
            (state, previous) = (next, vector.squeeze(1)?);
            vectors.push(vector);
        }
        self.logits(&Tensor::cat(&vectors, 1)?)
    }

    /// A step of `R` rows for each of `S` samples, one after the other: from the tokens `[S·R]` that are read and the
    /// attentional vectors `[S·R, A]` of the step before to the logits `[S·R, V]`, and the next vectors and states.
    pub(super) fn step(
        &self,
        tokens: &Tensor,
        (vectors, state): (&Tensor, &State),
        rows: usize,
        pass: &Pass,
    ) -> Result<(Tensor, (Tensor, State))> {
        let mut x = self.embedding.index_select(tokens, 0)?;
        if self.input_feeding {
            x = Tensor::cat(&[&x, vectors], D::Minus1)?;
        }
        let (h, state) = self.recur(&x.unsqueeze(0)?, None, state, pass)?;
        let (_, count, size) = h.dims3()?;
        // For attention the rows of a sample are as steps of it.
        let vectors = self.attend(&h.reshape((count / rows, rows, size))?, pass)?;
        let vectors = vectors.reshape((count, size))?;
        Ok((self.logits(&vectors)?, (vectors, state)))
    }

    /// The attentional vectors before the first step, `[N, A]`.
    pub(super) fn before_first(&self, rows: usize) -> Result<Tensor> {
        let size = self.recurrent.config().output_size();
        Ok(Tensor::zeros((rows, size), self.dtype(), self.device())?)
    }

    /// The outputs `[U, B, A]` of the recurrent layers for `x: [U, B, I]`, and their last states.
    fn recur(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        state: &State,
        pass: &Pass,
    ) -> Result<(Tensor, State)> {
        let (state, seed) = (Some(state), pass.seed);
        let options = RecurrentOptions { state, lengths, seed, ..RecurrentOptions::default() };
        let found = self.recurrent.forward(x, &options)?;
        Ok((found.output, found.state))
    }

    /// The attentional vectors for `h: [B, U, A]`.
    fn attend(&self, h: &Tensor, pass: &Pass) -> Result<Tensor> {
        let vectors = match (&self.attention, &pass.memory) {
            (Some(attention), Some(memory)) => attention.forward(h, memory)?,
            _ => h.clone(),
        };
        match &pass.dropout {
            Some(dropout) => Ok(vectors.broadcast_mul(dropout)?),
            None => Ok(vectors),
        }
    }

    fn logits(&self, vectors: &Tensor) -> Result<Tensor> {
        let [weight, bias] = &self.output;
        Ok(linear(vectors, weight)?.broadcast_add(bias)?)
    }
}
