"""The gradients of every module are the derivatives of what it computes."""

import pytest
import torch

import fgn.torch
from cells import ALL, flat

OPTIONS = [
    {"layer_norm": True},
    {"memory_norm": True},
    {"layer_norm": True, "memory_norm": True, "bidirectional": True},
    {"proj_size": 2},
    {"num_layers": 2, "residual": True},
    {"zoneout": 0.3},
    {"bias": False},
]


def check(layer, **options):
    """``gradcheck`` with respect to the input, the initial states and every parameter."""
    torch.manual_seed(2)
    for parameter in layer.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    directions = 2 if layer.bidirectional else 1
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    rows = layer.num_layers * directions
    shapes = [layer.proj_size or 3, *[3] * (len(layer.state_names) - 1)]
    states = [torch.rand(rows, 2, size, dtype=torch.float64) + 0.5 for size in shapes]
    states = [state.requires_grad_() for state in states]
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *rest):
        hx, parameters = rest[: len(states)], rest[len(states) :]
        hx = hx[0] if len(hx) == 1 else tuple(hx)
        arguments = dict(zip(names, parameters))
        result = torch.func.functional_call(layer, arguments, (x, hx), options)
        return tuple(flat(result))

    parameters = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(run, (x, *states, *parameters), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: cell.__name__)
def test_of_every_cell(cell):
    check(cell(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_of_every_option(options):
    layer = fgn.torch.LSTM(2, 3, dtype=torch.float64, **options)
    check(layer.eval())


@pytest.mark.parametrize("unit", ["lstm", "ur-lstm", "janet", "gru", "min-gru", "lru"])
def test_of_every_memory_unit(unit):
    check(fgn.torch.FGN(2, 3, unit=unit, z="linear", readout="single", dtype=torch.float64))


def test_with_lengths_and_resets():
    layer = fgn.torch.LSTM(2, 3, bidirectional=True, dtype=torch.float64)
    check(layer, lengths=[4, 2])
    resets = torch.tensor([[0, 0], [1, 0], [0, 0], [0, 1]])
    check(layer, resets=resets)


def test_a_second_derivative_is_an_error():
    layer = fgn.torch.GRU(2, 3)
    x = torch.randn(4, 2, 2, requires_grad=True)
    output = layer(x)[0].square().sum()
    (gradient,) = torch.autograd.grad(output, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
