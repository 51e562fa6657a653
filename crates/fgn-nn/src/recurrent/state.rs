//! The states of a recurrent layer.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::check::float;
use crate::error::{Error, FileError, Result};
use crate::files;
use crate::layer_direction::LayerDirection;

/// The states of a recurrent layer between two passes: for each layer of the stack and each direction
/// a tensor `[S, B, H]`, where `S` counts the cell's states, `[h, c]` for an LSTM. Where a
/// [block](crate::BlockConfig) has a convolution of width `K`, its `K − 1` last inputs follow the cell's states, so that
/// there are `S + K − 1` rows.
///
/// A pass returns the state after its last step, and takes an initial state: so a stream of any length
/// can be cut into pieces. For truncated back-propagation through time, [`detach`](Self::detach) stops the
/// gradient between two pieces.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Parameters, Recurrent, RecurrentConfig, RecurrentOptions};
///
/// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
/// let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 16) };
/// let layer = Recurrent::new(&mut parameters, "memory", 3, &config)?;
///
/// let mut state = layer.zero_state(4)?; // of 4 sequences
/// for _piece in 0..3 {
///     let x = Tensor::ones((10, 4, 3), DType::F32, &Device::Cpu)?;
///     let options = RecurrentOptions { state: Some(&state), ..RecurrentOptions::default() };
///     let result = layer.forward(&x, &options)?;
///     // … a step of the optimizer here …
///     state = result.state.detach();
///     state = state.reset(&[2])?; // the third sequence ended: another one takes its place
/// }
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct State {
    pub(super) bidirectional: bool,
    pub(super) tensors: Vec<Tensor>,
    /// `None` of a state that no layer has returned.
    pub(super) names: Option<StateNames>,
}

/// What the rows of a state are.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateNames {
    /// The cell's states.
    pub(super) names: &'static [&'static str],
    /// `P` or `H`: the width of `h`.
    pub(super) width: usize,
}

impl State {
    /// The state of these tensors, in the order of [`tensors`](Self::tensors). The pass that starts from it
    /// checks whether they fit its layer.
    pub fn new(tensors: Vec<Tensor>, bidirectional: bool) -> Self {
        Self { bidirectional, tensors, names: None }
    }

    /// The tensors, `[S, B, H]` each: layer by layer, for each the forward direction and then the reverse
    /// one, if there is one.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The hidden states of all layers and directions, `[L·D, B, P]` with `P = H` without a projection: PyTorch's `h_n`.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Parameters, Recurrent, RecurrentConfig, RecurrentOptions};
    ///
    /// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
    /// let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 16) };
    /// let layer = Recurrent::new(&mut parameters, "memory", 3, &config)?;
    /// let x = Tensor::ones((10, 4, 3), DType::F32, &Device::Cpu)?;
    /// let state = layer.forward(&x, &RecurrentOptions::default())?.state;
    /// assert_eq!(state.h()?.dims(), [2, 4, 16]);
    ///
    /// let same = layer.state(&state.h()?, Some(&state.c()?))?;
    /// assert_eq!(same.c()?.to_vec3::<f32>()?, state.c()?.to_vec3::<f32>()?);
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::State`] if the cell has no state of that name, or if no layer has returned this state: pass it through one,
    /// or take its [`tensors`](Self::tensors).
    pub fn h(&self) -> Result<Tensor> {
        let h = self.named("h")?;
        match self.names {
            Some(StateNames { width, .. }) if width < h.dim(2)? => Ok(h.narrow(2, 0, width)?),
            _ => Ok(h),
        }
    }

    /// The cell states of all layers and directions, `[L·D, B, H]`: PyTorch's `c_n`.
    ///
    /// # Errors
    /// As [`h`](Self::h).
    pub fn c(&self) -> Result<Tensor> {
        self.named("c")
    }

    fn named(&self, name: &'static str) -> Result<Tensor> {
        let names = self.names.map_or(&[][..], |StateNames { names, .. }| names);
        let Some(index) = names.iter().position(|&other| other == name) else {
            let found = match self.names {
                Some(_) => format!("those of the cell: {}", names.join(", ")),
                None => "states without names, which no layer has returned".into(),
            };
            return Err(Error::State { found, expected: name });
        };
        let rows = self.tensors.iter().map(|tensor| tensor.get(index));
        Ok(Tensor::stack(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    }

    /// The sum of both directions' states of each layer; the same state if there is one direction.
    pub(crate) fn in_one_direction(&self) -> Result<Self> {
        if !self.bidirectional {
            return Ok(self.clone());
        }
        let pairs = self.tensors.chunks_exact(2);
        let tensors = pairs.map(|pair| Ok((&pair[0] + &pair[1])?)).collect::<Result<_>>()?;
        Ok(Self { bidirectional: false, tensors, names: self.names })
    }

    /// The states of those sequences, one or more times each: `sequences: [N]` in `U32`.
    pub(crate) fn select(&self, sequences: &Tensor) -> Result<Self> {
        let tensors = self.tensors.iter().map(|tensor| Ok(tensor.index_select(sequences, 1)?));
        Ok(Self { tensors: tensors.collect::<Result<_>>()?, ..*self })
    }

    /// The same numbers, outside the computation graph: no gradient passes.
    pub fn detach(&self) -> Self {
        let tensors = self.tensors.iter().map(Tensor::detach).collect();
        Self { tensors, ..*self }
    }

    /// With the states of the given sequences, counted from 0, set to zero: new sequences take their
    /// places. Neither a gradient nor a NaN passes there.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer sequences.
    pub fn reset(&self, sequences: &[usize]) -> Result<Self> {
        let reset = |tensor: &Tensor| {
            let (_, batch, _) = tensor.dims3()?;
            if let Some(sequence) = sequences.iter().find(|&&sequence| sequence >= batch) {
                return Err(Error::Shape {
                    what: "states",
                    found: tensor.dims().to_vec(),
                    expected: format!("[S, B, H] with a sequence {sequence} to reset"),
                });
            }
            let kept: Vec<_> = (0..batch).map(|b| u8::from(!sequences.contains(&b))).collect();
            let kept = Tensor::from_vec(kept, (1, batch, 1), tensor.device())?;
            Ok(kept.broadcast_as(tensor.shape())?.where_cond(tensor, &tensor.zeros_like()?)?)
        };
        let tensors = self.tensors.iter().map(reset).collect::<Result<_>>()?;
        Ok(Self { tensors, ..*self })
    }

    /// Writes a safetensors file with the tensors `states_l0`, `states_l0_reverse` and so on. A file that
    /// is there is replaced in one step once the new one is whole.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors.iter().enumerate().map(|(index, tensor)| {
            (format!("states{}", self.layer_direction(index)), tensor.clone())
        });
        files::save(path, tensors)
    }

    /// Reads a file that [`save`](Self::save) wrote, converted to `dtype`.
    ///
    /// # Errors
    /// [`Error::DType`] unless `dtype` is `F32` or `F64`, [`Error::Io`] if the file cannot be read,
    /// [`Error::File`] if it holds no states: with what was found and what was expected, by the tensors' names.
    pub fn load(path: &Path, dtype: DType, device: &Device) -> Result<Self> {
        float("states", dtype)?;
        let mut found: BTreeMap<String, Tensor> = files::read(path, device)?;
        let wrong = |reason| Error::File { path: path.to_owned(), reason };
        let bidirectional = found.keys().any(|name| name.ends_with("_reverse"));
        let mut state = Self::new(Vec::new(), bidirectional);
        while state.tensors.is_empty() || !found.is_empty() {
            let name = format!("states{}", state.layer_direction(state.tensors.len()));
            let Some(tensor) = found.remove(&name) else {
                return Err(wrong(match found.pop_first() {
                    Some((name, tensor)) => {
                        FileError::ExtraTensor { name, found: tensor.dims().to_vec() }
                    }
                    None => FileError::MissingTensor { name, expected: Vec::new() },
                }));
            };
            state.tensors.push(files::converted(tensor, &name, dtype).map_err(wrong)?);
        }
        Ok(state)
    }

    fn layer_direction(&self, index: usize) -> LayerDirection {
        match self.bidirectional {
            true => LayerDirection { layer: index / 2, reverse: index % 2 == 1 },
            false => LayerDirection { layer: index, reverse: false },
        }
    }
}
