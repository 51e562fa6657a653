"""One layer in one direction as a function that autograd differentiates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from .._fgn import Layer


@dataclass(frozen=True)
class Pass:
    """What a pass over a layer takes beside its tensors."""

    reverse: bool
    lengths: Optional[list[int]]
    resets: Optional[np.ndarray]
    seed: Optional[int]


def run(
    layer: Layer, options: Pass, x: torch.Tensor, weights: torch.Tensor, states: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs ``[T, B, H]`` and the final states ``[S, B, H]``, of an input ``[T, B, I]``, the flat weights, and initial
    states ``[S, B, H]``."""
    tensors = (_plain(x), _plain(weights), _plain(states))
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return _Sequence.apply(layer, options, save, *tensors)


class _Sequence(torch.autograd.Function):
    """Reads the tensors where they are, and returns tensors of the memory that the kernels wrote."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        layer: Layer,
        options: Pass,
        save: bool,
        x: torch.Tensor,
        weights: torch.Tensor,
        states: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        output, final, saved = layer.forward(
            _array(x),
            _array(weights),
            _array(states),
            reverse=options.reverse,
            lengths=options.lengths,
            resets=options.resets,
            seed=options.seed,
            save=save,
        )
        ctx.set_materialize_grads(False)
        ctx.run = saved
        ctx.outputs = output.shape
        if save:
            ctx.save_for_backward(x, weights, states)
        return torch.from_numpy(output), torch.from_numpy(final)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Any, d_states: Any) -> tuple:  # type: ignore[override]
        x, weights, states = ctx.saved_tensors
        if d_output is None:
            d_output = x.new_zeros(ctx.outputs)
        d_states = None if d_states is None else _array(_plain(d_states))
        wanted = (ctx.needs_input_grad[3], ctx.needs_input_grad[5])
        gradients = ctx.run.backward(
            _array(x),
            _array(weights),
            _array(states),
            _array(_plain(d_output)),
            d_states,
            wanted,
        )
        return (None, None, None, *(d if d is None else torch.from_numpy(d) for d in gradients))


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself where its memory is as the kernels read it, else a copy."""
    return tensor.resolve_neg().contiguous()


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's own memory."""
    return tensor.detach().numpy()
