"""A stack of recurrent layers as a module."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any, Optional, Union

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from typing_extensions import Unpack

from .._fgn import Error, Layer, initial_parameters
from .function import Pass, run
from .inputs import Inputs, Lengths, of_packed, of_tensor
from .options import Options, Settings

Hidden = Union[torch.Tensor, tuple[torch.Tensor, ...]]


class Recurrent(nn.Module):
    """A stack of recurrent layers over any cell.

    Parameters, their names and shapes are those of ``torch.nn`` where it has the cell: ``weight_ih_l0``,
    ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, ``weight_hr_l0``, and so on for higher layers, with ``_reverse`` for the
    second direction. The options add ``norm_pre_l0``, ``norm_memory_l0`` and ``norm_memory_bias_l0``.

    Args:
        cell: The name of a cell, or a dict of its name and options, as in a recipe: ``{"name": "fgn", "z": "linear"}``.
        input_size: Features of a step.
        hidden_size: Units of a layer.
        num_layers: Layers, each over the outputs of the one below.
        bias: Whether gates have biases.
        batch_first: Whether inputs and outputs are ``[B, T, …]`` instead of ``[T, B, …]``.
        dropout: The rate of dropout between layers.
        bidirectional: Runs each layer also from the end to the beginning.
        proj_size: The size of a projection of the hidden state; 0 for none.
        device: The CPU.
        dtype: ``torch.float32`` or ``torch.float64``.
        options: See :class:`fgn.torch.options.Options`.
    """

    def __init__(
        self,
        cell: Union[str, dict],
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
        super().__init__()
        self.cell = {"name": cell} if isinstance(cell, str) else dict(cell)
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise Error(f"{name}: expected a whole number of at least 1, got {size!r}")
        if isinstance(proj_size, bool) or not isinstance(proj_size, int) or proj_size < 0:
            raise Error(f"proj_size: expected 0 or more, got {proj_size!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.proj_size = proj_size
        self.dropout = _dropout(dropout, num_layers)
        self.settings = Settings.of(options)
        self._layers = [self._layer(layer) for layer in range(num_layers)]
        _check_recurrent(self._layers[0], self.settings, self.cell)
        self._register(_checked_dtype(dtype), device)
        self.reset_parameters()

    @property
    def state_names(self) -> list[str]:
        """The names of the cell's states, in the order in which they are passed."""
        return self._layers[0].states

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction."""
        suffixes = [suffix for _, suffix in self._runs()]
        return [
            [getattr(self, name + suffix) for name, _ in self._layers[0].parameters if self._has(name)]
            for suffix in suffixes
        ]

    def flatten_parameters(self) -> None:
        """Nothing: it is for ``torch.nn``'s layers on a GPU, and is here so that they can be replaced."""

    def reset_parameters(self) -> None:
        """Draws the parameters anew from PyTorch's generator."""
        seed = int(torch.randint(2**62, ()).item())
        config = {
            "cell": self.cell,
            "hidden_size": self.hidden_size,
            "layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "bias": self.bias,
            "projection": self.proj_size or None,
            "norm": self._norm(),
        }
        parameters = initial_parameters(json.dumps(config), self.input_size, seed)
        with torch.no_grad():
            for name, values in parameters:
                getattr(self, name).copy_(torch.from_numpy(values))

    def forward(
        self,
        input: Union[torch.Tensor, PackedSequence],
        hx: Optional[Hidden] = None,
        *,
        lengths: Optional[Lengths] = None,
        resets: Optional[torch.Tensor] = None,
    ) -> tuple[Any, Hidden]:
        """Computes outputs and final states.

        Args:
            input: ``[T, B, I]``, or ``[B, T, I]`` if the batch comes first; ``[T, I]`` of one sequence without a batch; or a
                ``PackedSequence``.
            hx: The initial states, each ``[D * num_layers, B, H]``: one tensor for a cell of one state, else a tuple;
                zeros by default.
            lengths: The length of each sequence. Outputs past it are zero, and the final states are those at its end.
            resets: ``[T, B]``, or ``[B, T]`` if the batch comes first: where it is not 0, the states before the step are
                set to zero.

        Returns:
            The outputs of the last layer, and the final states, in the forms of ``input`` and ``hx``.
        """
        data = input.data if isinstance(input, PackedSequence) else input
        self._check_input(data)
        if isinstance(input, PackedSequence):
            inputs = of_packed(input, lengths, resets)
        else:
            inputs = of_tensor(input, self.batch_first, lengths, resets)
        output, finals = self._stack(inputs, self._initial(inputs, hx))
        hidden, *others = torch.stack(finals, 1)  # each [D * L, B, H]
        states = [hidden[..., : self.proj_size or self.hidden_size], *others]
        result = tuple(inputs.final(state) for state in states)
        return inputs.output(output), result[0] if len(result) == 1 else result

    def _stack(self, inputs: Inputs, initial: Optional[torch.Tensor]) -> tuple[torch.Tensor, list]:
        """Layer over layer: the last outputs, and the final states ``[S, B, H]`` of each layer and direction."""
        x, finals = inputs.x, []
        runs = self._runs()
        directions = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            if layer > 0:
                x = self._dropped(x)
            outputs = []
            for index in range(layer * directions, (layer + 1) * directions):
                reverse, suffix = runs[index]
                options = Pass(reverse, inputs.lengths, inputs.resets, self._seed())
                weights = self._flat(layer, suffix)
                start = self._zeros(x) if initial is None else initial[:, index]
                output, final = run(self._layers[layer], options, x, weights, start)
                outputs.append(output)
                finals.append(final)
            output = outputs[0] if directions == 1 else torch.cat(outputs, -1)
            x = x + output if self.settings.residual and layer > 0 else output
        return x, finals

    def _layer(self, layer: int) -> Layer:
        directions = 2 if self.bidirectional else 1
        above = (self.proj_size or self.hidden_size) * directions
        config = {
            "cell": self.cell,
            "input_size": self.input_size if layer == 0 else above,
            "hidden_size": self.hidden_size,
            "projection": self.proj_size or None,
            "norm": self._norm(),
            "hidden_dropout": self.settings.hidden_dropout,
            "clip": self.settings.clip,
        }
        states = len(Layer(json.dumps(config)).states)
        return Layer(json.dumps({**config, "zoneout": self.settings.zoneouts(states)}))

    def _norm(self) -> dict[str, bool]:
        return {"pre": self.settings.layer_norm, "memory": self.settings.memory_norm}

    def _runs(self) -> list[tuple[bool, str]]:
        """Whether each layer and direction runs in reverse, and what its parameters end in."""
        directions = (False, True) if self.bidirectional else (False,)
        return [
            (reverse, f"_l{layer}_reverse" if reverse else f"_l{layer}")
            for layer in range(self.num_layers)
            for reverse in directions
        ]

    def _register(self, dtype: torch.dtype, device: Any) -> None:
        directions = 2 if self.bidirectional else 1
        for index, (_, suffix) in enumerate(self._runs()):
            for name, shape in self._layers[index // directions].parameters:
                if self._has(name):
                    parameter = nn.Parameter(torch.empty(shape, dtype=dtype, device=device))
                    self.register_parameter(name + suffix, parameter)

    def _has(self, name: str) -> bool:
        return self.bias or not name.startswith("bias_")

    def _flat(self, layer: int, suffix: str) -> torch.Tensor:
        """The parameters as the one vector that the kernels take."""
        parts = []
        for name, shape in self._layers[layer].parameters:
            if not self._has(name):
                parts.append(self._example().new_zeros(math.prod(shape)))
                continue
            parameter = getattr(self, name + suffix)
            if name == "weight_hh" and self.settings.weight_drop > 0:
                parameter = F.dropout(parameter, self.settings.weight_drop, self.training)
            parts.append(parameter.reshape(-1))
        return torch.cat(parts)

    def _example(self) -> torch.Tensor:
        return next(self.parameters())

    def _zeros(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(self.state_names), x.shape[1], self.hidden_size)

    def _seed(self) -> Optional[int]:
        if self.training and self.settings.is_random():
            return int(torch.randint(2**62, ()).item())
        return None

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.dropout > 0):
            return x
        if self.settings.variational_dropout:
            return x * F.dropout(torch.ones_like(x[:1]), self.dropout)
        return F.dropout(x, self.dropout)

    def _check_input(self, x: torch.Tensor) -> None:
        example = self._example()
        if not isinstance(x, torch.Tensor):
            raise Error(f"input: expected a tensor or a PackedSequence, got {type(x).__name__}")
        for name, tensor in (("input", x), ("parameters", example)):
            if tensor.device.type != "cpu":
                raise Error(f"{name}: this build of fgn.torch runs on the CPU, got a tensor on {tensor.device}")
            if tensor.layout != torch.strided:
                raise Error(f"{name}: expected a dense tensor, got {tensor.layout}")
        if example.dtype not in (torch.float32, torch.float64):
            raise Error(f"parameters: expected torch.float32 or torch.float64, got {example.dtype}")
        if x.dtype != example.dtype:
            raise Error(f"input: expected {example.dtype}, as the parameters are, got {x.dtype}")
        if x.dim() == 0 or x.shape[-1] != self.input_size:
            raise Error(f"input: expected {self.input_size} features last, got shape {tuple(x.shape)}")

    def _initial(self, inputs: Inputs, hx: Optional[Hidden]) -> Optional[torch.Tensor]:
        """The initial states, ``[S, D * L, B, H]``."""
        if hx is None:
            return None
        names = self.state_names
        given = (hx,) if isinstance(hx, torch.Tensor) else tuple(hx)
        if len(given) != len(names):
            raise Error(f"initial states: expected {len(names)}, {', '.join(names)}, got {len(given)}")
        rows = len(self._runs())
        states = []
        for index, (name, state) in enumerate(zip(names, given)):
            if not isinstance(state, torch.Tensor):
                raise Error(f"initial state {name}: expected a tensor, got {type(state).__name__}")
            if state.dtype != inputs.x.dtype or state.device != inputs.x.device:
                wanted = f"{inputs.x.dtype} on {inputs.x.device}"
                raise Error(f"initial state {name}: expected {wanted}, got {state.dtype} on {state.device}")
            width = (self.proj_size or self.hidden_size) if index == 0 else self.hidden_size
            expected = (rows, inputs.x.shape[1], width)
            if state.dim() == 3 and tuple(state.shape) != expected:
                raise Error(f"initial state {name}: expected shape {expected}, got {tuple(state.shape)}")
            state = inputs.state(state)
            if tuple(state.shape) != expected:
                raise Error(f"initial state {name}: expected shape {expected}, got {tuple(state.shape)}")
            states.append(F.pad(state, (0, self.hidden_size - width)))
        return torch.stack(states)

    def extra_repr(self) -> str:
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "proj_size": 0,
        }
        words = [str(self.input_size), str(self.hidden_size)]
        words += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        plain = Settings()
        words += [
            f"{name}={value}" for name, value in vars(self.settings).items() if value != getattr(plain, name)
        ]
        return ", ".join(words)


def _checked_dtype(dtype: Optional[torch.dtype]) -> torch.dtype:
    dtype = dtype or torch.get_default_dtype()
    if dtype not in (torch.float32, torch.float64):
        raise Error(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    return dtype


def _check_recurrent(layer: Layer, settings: Settings, cell: dict) -> None:
    if layer.is_recurrent:
        return
    for name in ("hidden_dropout", "weight_drop"):
        if getattr(settings, name) > 0:
            raise Error(f"{name}: expected 0, no gate of {cell['name']} uses the hidden state")


def _dropout(dropout: float, num_layers: int) -> float:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise Error(f"dropout: expected a number from 0 to 1, got {dropout!r}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(f"dropout={dropout} changes nothing in a single layer: it is applied between layers", stacklevel=3)
    return float(dropout)
