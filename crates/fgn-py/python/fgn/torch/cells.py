"""A class for each cell.

The equations are in ``docs/cells.md``.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from typing_extensions import Unpack

from .module import Recurrent
from .options import Options


class _Uniform(Recurrent):
    """Draws its parameters as ``torch.nn`` does, in the same order from the same generator."""

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.startswith("norm_"):
                    parameter.fill_(0.0 if name.startswith("norm_memory_bias") else 1.0)
                else:
                    parameter.uniform_(-bound, bound)


class LSTM(_Uniform):
    """``torch.nn.LSTM``, with the options of :class:`fgn.torch.options.Options`. Its states are ``h`` and ``c``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Optional[torch.dtype] = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            "lstm",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
            **options,
        )


class GRU(_Uniform):
    """``torch.nn.GRU``, with the options of :class:`fgn.torch.options.Options`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Optional[torch.dtype] = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            "gru",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            **options,
        )


class RNN(_Uniform):
    """``torch.nn.RNN``, with the options of :class:`fgn.torch.options.Options`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Optional[torch.dtype] = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            {"name": "rnn", "nonlinearity": nonlinearity},
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            **options,
        )
        self.nonlinearity = nonlinearity


class FGN(Recurrent):
    """The forgetting gate network: a cell whose output passes through a gate that reads the input alone.

    Args:
        unit: The memory unit: ``"lstm"``, ``"ur-lstm"``, ``"janet"``, ``"gru"``, ``"min-gru"`` or ``"lru"``.
        z: The value of a forgotten output: ``"zero"`` or ``"linear"``, a linear map of the input.
        readout: ``"gated"`` or ``"single"``.
        forgetting: ``"soft"`` or ``"binary"``.
        sizes: ``input_size``, ``hidden_size`` and so on, as of :class:`Recurrent`.
    """

    def __init__(
        self,
        *sizes: Any,
        unit: str = "lstm",
        z: str = "zero",
        readout: str = "gated",
        forgetting: str = "soft",
        **options: Any,
    ) -> None:
        cell = {"name": "fgn", "unit": unit, "z": z, "readout": readout, "forgetting": forgetting}
        super().__init__(cell, *sizes, **options)


class FGNScan(Recurrent):
    """The forgetting gate network without recurrent weights."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("fgn-scan", *sizes, **options)


class CIFG(Recurrent):
    """An LSTM whose input gate is one minus its forget gate. Its states are ``h`` and ``c``."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("cifg", *sizes, **options)


class IndRNN(Recurrent):
    """Units that read no hidden state but their own."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("ind-rnn", *sizes, **options)


class JANET(Recurrent):
    """An LSTM with a forget gate alone."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("janet", *sizes, **options)


class LRU(Recurrent):
    """A linear recurrent unit over complex numbers. Its states are ``re`` and ``im``."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("lru", *sizes, **options)


class MGU(Recurrent):
    """The minimal gated unit."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("mgu", *sizes, **options)


class MinGRU(Recurrent):
    """A GRU whose gate and candidate read the input alone."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("min-gru", *sizes, **options)


class MinLSTM(Recurrent):
    """An LSTM whose gates and candidate read the input alone."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("min-lstm", *sizes, **options)


class PeepholeLSTM(Recurrent):
    """An LSTM whose gates also read the cell state. Its states are ``h`` and ``c``."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("peephole-lstm", *sizes, **options)


class SLSTM(Recurrent):
    """An LSTM with exponential gates. Its states are ``h``, ``c``, ``n`` and ``m``."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("slstm", *sizes, **options)


class SRU(Recurrent):
    """The simple recurrent unit."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("sru", *sizes, **options)


class URLSTM(Recurrent):
    """An LSTM with a refined forget gate. Its states are ``h`` and ``c``."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__("ur-lstm", *sizes, **options)
