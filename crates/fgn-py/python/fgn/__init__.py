"""Gated recurrent networks: layers for PyTorch, trained models on NumPy arrays, training.

- ``fgn.torch``: ``LSTM``, ``GRU``, ``RNN``, ``FGN`` and twelve more cells as ``torch.nn.Module``.
- ``fgn.load``: a trained model, which predicts, generates and streams.
- ``fgn.train``: a training, with callbacks.

What does not fit raises ``fgn.Error``, a ``ValueError``.
"""

from ._fgn import Error, InternalError, instruction_set
from .model import Model, Prediction, SoundStream, Stream, load
from .training import TrainingResult, recipes, train

__all__ = [
    "Error",
    "InternalError",
    "Model",
    "Prediction",
    "SoundStream",
    "Stream",
    "TrainingResult",
    "instruction_set",
    "load",
    "recipes",
    "train",
]
