//! The vectors of the input layer's tokens, used by a head too.

use candle_core::{Tensor, Var};

use crate::error::Result;
use crate::init::{uniform, xavier_bound};
use crate::inputs::embedding_weight;
use crate::parameters::Parameters;

/// The vectors of all tokens, `[V, E]`, which the head shares with the input layer (Press & Wolf 2017), and where the
/// outputs have another size than the embedding, what brings them there: `projection.weight [E, H]`.
#[derive(Debug)]
pub(super) struct Tied {
    pub(super) vectors: Var,
    pub(super) projection: Option<Var>,
}

impl Tied {
    /// For the head called `name`, over `inputs` features.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for an input layer without an embedding of that shape.
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
        [vocabulary, size]: [usize; 2],
    ) -> Result<Tied> {
        let vectors = parameters.shared(&Tied::shared(), &[vocabulary, size])?;
        let mut projection = None;
        if size != inputs {
            let bound = xavier_bound(inputs, size);
            let draw = |generator: &mut _| uniform(generator, inputs * size, bound);
            let name = format!("{name}.projection.weight");
            projection = Some(parameters.take(name, &[size, inputs], draw)?);
        }
        Ok(Tied { vectors, projection })
    }

    /// The name of the parameter that is shared.
    pub(super) fn shared() -> String {
        embedding_weight("input")
    }
}

/// `rows: [N, H]` as products with the vectors take them, `[N, E]`.
pub(super) fn projected(projection: Option<&Var>, rows: &Tensor) -> Result<Tensor> {
    Ok(match projection {
        Some(projection) => rows.matmul(&projection.t()?)?,
        None => rows.clone(),
    })
}
