"""What a forward pass is given, brought into one form: sequences with steps first, and what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .._fgn import Error

Lengths = Union[Sequence[int], torch.Tensor]


@dataclass(frozen=True)
class Inputs:
    """The input of a pass, in the order in which it runs."""

    x: torch.Tensor
    """``[T, B, I]``."""
    lengths: Optional[list[int]]
    resets: Optional[np.ndarray]
    """``[T, B]`` in ``uint8``."""
    state: Callable[[torch.Tensor], torch.Tensor]
    """An initial state ``[L, B, H]`` as the caller has it, in the order of ``x``."""
    output: Callable[[torch.Tensor], Any]
    """The outputs ``[T, B, H]`` as the caller wants them."""
    final: Callable[[torch.Tensor], torch.Tensor]
    """A final state ``[L, B, H]`` as the caller wants it."""


def of_tensor(
    x: torch.Tensor,
    batch_first: bool,
    lengths: Optional[Lengths],
    resets: Optional[torch.Tensor],
) -> Inputs:
    """Of a tensor ``[T, B, I]``, or ``[B, T, I]`` if the batch comes first, or ``[T, I]`` without a batch."""
    if x.dim() == 2:
        return Inputs(
            x.unsqueeze(1),
            _lengths(lengths, 1),
            _resets(None if resets is None else resets.unsqueeze(-1), (x.shape[0], 1)),
            lambda state: _unbatched(state).unsqueeze(1),
            lambda output: output.squeeze(1),
            lambda state: state.squeeze(1),
        )
    if x.dim() != 3:
        raise Error(f"input: expected 2 or 3 dimensions, got shape {tuple(x.shape)}")
    if batch_first:
        x = x.transpose(0, 1)
        resets = None if resets is None or resets.dim() != 2 else resets.transpose(0, 1)
    output = (lambda y: y.transpose(0, 1)) if batch_first else _same
    shape = (x.shape[0], x.shape[1])
    return Inputs(x, _lengths(lengths, x.shape[1]), _resets(resets, shape), _same, output, _same)


def of_packed(
    packed: PackedSequence, lengths: Optional[Lengths], resets: Optional[torch.Tensor]
) -> Inputs:
    """Of a packed sequence. It runs in the packed order, the longest first."""
    for name, given in (("lengths", lengths), ("resets", resets)):
        if given is not None:
            raise Error(f"{name}: expected none beside a PackedSequence, which has lengths of its own")
    data, batch_sizes, order, inverse = packed
    x, found = pad_packed_sequence(PackedSequence(data, batch_sizes))

    def output(y: torch.Tensor) -> PackedSequence:
        y = pack_padded_sequence(y, found).data
        return PackedSequence(y, batch_sizes, order, inverse)

    return Inputs(
        x,
        found.tolist(),
        None,
        _same if order is None else lambda state: state.index_select(1, order),
        output,
        _same if inverse is None else lambda state: state.index_select(1, inverse),
    )


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _unbatched(state: torch.Tensor) -> torch.Tensor:
    if state.dim() != 2:
        found = tuple(state.shape)
        raise Error(f"initial state: expected 2 dimensions beside an input without a batch, got {found}")
    return state


def _lengths(lengths: Optional[Lengths], batch: int) -> Optional[list[int]]:
    if lengths is None:
        return None
    numbers = torch.as_tensor(lengths).reshape(-1)
    if numbers.dtype.is_floating_point or numbers.dtype == torch.bool:
        raise Error(f"lengths: expected whole numbers, got {numbers.dtype}")
    found = [int(length) for length in numbers.tolist()]
    if len(found) != batch or min(found, default=1) < 1:
        raise Error(f"lengths: expected one of at least 1 for each of {batch} sequences, got {found}")
    return found


def _resets(resets: Optional[torch.Tensor], shape: tuple[int, int]) -> Optional[np.ndarray]:
    if resets is None:
        return None
    if tuple(resets.shape) != shape:
        raise Error(f"resets: expected {shape[0]} steps of {shape[1]} sequences, got {tuple(resets.shape)}")
    return np.ascontiguousarray((resets != 0).cpu().numpy(), dtype=np.uint8)
