"""Recurrent layers for PyTorch, on fgn's kernels.

``LSTM``, ``GRU`` and ``RNN`` have the signature, the parameters and the results of those of ``torch.nn``, and can stand in
their places. All layers run whole sequences as one operation on the CPU, forward and backward, in ``float32`` and
``float64``.
"""

from .cells import (
    CIFG,
    FGN,
    GRU,
    JANET,
    LRU,
    LSTM,
    MGU,
    RNN,
    SLSTM,
    SRU,
    FGNScan,
    IndRNN,
    MinGRU,
    MinLSTM,
    PeepholeLSTM,
    URLSTM,
)
from .module import Recurrent

__all__ = [
    "CIFG",
    "FGN",
    "FGNScan",
    "GRU",
    "IndRNN",
    "JANET",
    "LRU",
    "LSTM",
    "MGU",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "RNN",
    "Recurrent",
    "SLSTM",
    "SRU",
    "URLSTM",
]
