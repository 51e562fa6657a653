"""The classes of ``fgn.torch``, for tests of all of them."""

import torch

import fgn.torch

LIKE_TORCH = [
    (fgn.torch.LSTM, torch.nn.LSTM, {}),
    (fgn.torch.LSTM, torch.nn.LSTM, {"proj_size": 3}),
    (fgn.torch.GRU, torch.nn.GRU, {}),
    (fgn.torch.RNN, torch.nn.RNN, {}),
    (fgn.torch.RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
]

ALL = [getattr(fgn.torch, name) for name in fgn.torch.__all__ if name != "Recurrent"]


def pair(ours, theirs, dtype=torch.float32, **options):
    """A layer of ours and one of PyTorch's with the same parameters."""
    theirs = theirs(4, 6, dtype=dtype, **options)
    ours = ours(4, 6, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def flat(result):
    """The tensors of a result: outputs, then states."""
    output, states = result
    return [output, states] if isinstance(states, torch.Tensor) else [output, *states]
