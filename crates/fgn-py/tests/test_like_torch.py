"""LSTM, GRU and RNN compute what PyTorch's do, forward and backward."""

import copy
import pickle

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import fgn.torch
from cells import LIKE_TORCH, flat, pair

SHAPES = [
    {},
    {"bidirectional": True},
    {"num_layers": 3, "bidirectional": True},
    {"num_layers": 2, "bias": False},
    {"num_layers": 2, "batch_first": True},
]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def close(found, expected, tolerance):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def tensors(result):
    return [tensor.data if isinstance(tensor, PackedSequence) else tensor for tensor in flat(result)]


def compare(ours, theirs, x, hx=None, hx_theirs=None):
    """Outputs, states, and the gradients of a weighted sum of all of them."""
    x_ours, x_theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = flat(ours(x_ours) if hx is None else ours(x_ours, hx))
    expected = flat(theirs(x_theirs) if hx is None else theirs(x_theirs, hx_theirs))
    assert len(found) == len(expected)
    weights = [torch.randn_like(tensor) for tensor in expected]
    for tensor, other in zip(found, expected):
        close(tensor, other, 1e-5)
    sum((tensor * weight).sum() for tensor, weight in zip(found, weights)).backward()
    sum((tensor * weight).sum() for tensor, weight in zip(expected, weights)).backward()
    close(x_ours.grad, x_theirs.grad, 1e-4)
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        close(parameter.grad, gradients[name].grad, 1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("ours, theirs, options", LIKE_TORCH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_gradients(ours, theirs, options, shape, dtype):
    ours, theirs = pair(ours, theirs, dtype, **options, **shape)
    compare(ours, theirs, torch.randn(7, 5, 4, dtype=dtype))


@pytest.mark.parametrize("ours, theirs, options", LIKE_TORCH)
def test_initial_states_and_their_gradients(ours, theirs, options):
    ours, theirs = pair(ours, theirs, num_layers=2, bidirectional=True, **options)
    width = options.get("proj_size", 6)
    sizes = [width, 6] if isinstance(ours, fgn.torch.LSTM) else [width]
    states = [torch.randn(4, 5, size) for size in sizes]
    mine = [state.clone().requires_grad_() for state in states]
    other = [state.clone().requires_grad_() for state in states]
    hx = mine[0] if len(mine) == 1 else tuple(mine)
    hx_theirs = other[0] if len(other) == 1 else tuple(other)
    compare(ours, theirs, torch.randn(7, 5, 4), hx, hx_theirs)
    for one, two in zip(mine, other):
        close(one.grad, two.grad, 1e-4)


@pytest.mark.parametrize("ours, theirs, options", LIKE_TORCH)
def test_one_sequence_without_a_batch(ours, theirs, options):
    ours, theirs = pair(ours, theirs, **options)
    x = torch.randn(7, 4)
    compare(ours, theirs, x)
    states = flat(theirs(x))[1:]
    hx = states[0] if len(states) == 1 else tuple(states)
    for found, expected in zip(flat(ours(x, hx)), flat(theirs(x, hx))):
        close(found, expected, 1e-5)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("ours, theirs, options", LIKE_TORCH)
def test_packed_sequences(ours, theirs, options, enforce_sorted):
    ours, theirs = pair(ours, theirs, num_layers=2, bidirectional=True, **options)
    lengths = [7, 5, 5, 1] if enforce_sorted else [2, 7, 1, 2]
    x = torch.randn(7, 4, 4)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
    width = options.get("proj_size", 6)
    sizes = [width, 6] if isinstance(ours, fgn.torch.LSTM) else [width]
    states = tuple(torch.randn(4, 4, size) for size in sizes)
    hx = states if len(states) == 2 else states[0]
    found, expected = ours(packed, hx), theirs(packed, hx)
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        one, two = getattr(found[0], name), getattr(expected[0], name)
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)
    for one, two in zip(tensors(found), tensors(expected)):
        close(one, two, 1e-5)
    sum(tensor.square().sum() for tensor in tensors(found)).backward()
    sum(tensor.square().sum() for tensor in tensors(expected)).backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        close(parameter.grad, gradients[name].grad, 1e-4)


def test_lengths_are_packed_sequences_without_packing():
    layer = fgn.torch.LSTM(4, 6, bidirectional=True)
    sequences = [torch.randn(length, 4) for length in (3, 7, 1)]
    padded = torch.nn.utils.rnn.pad_sequence(sequences)
    found, (h, c) = layer(padded, lengths=torch.tensor([3, 7, 1]))
    packed, (h_packed, c_packed) = layer(pack_sequence(sequences, enforce_sorted=False))
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(packed)
    close(found, expected, 0.0)
    close(h, h_packed, 0.0)
    close(c, c_packed, 0.0)
    assert found[3:, 0].abs().max() == 0


@pytest.mark.parametrize("ours, theirs, options", LIKE_TORCH)
def test_state_dicts_have_the_same_names_shapes_and_order(ours, theirs, options):
    options = {"num_layers": 2, "bidirectional": True, **options}
    torch.manual_seed(3)
    mine = ours(4, 6, **options).state_dict()
    torch.manual_seed(3)
    other = theirs(4, 6, **options).state_dict()
    assert [(name, value.shape) for name, value in mine.items()] == [
        (name, value.shape) for name, value in other.items()
    ]
    # The same seed draws the same parameters.
    assert all(torch.equal(mine[name], other[name]) for name in mine)
    theirs(4, 6, **options).load_state_dict(mine)


def test_copies_and_pickles_compute_the_same():
    layer = fgn.torch.LSTM(4, 6, num_layers=2, layer_norm=True, zoneout=[0.1, 0.2])
    x = torch.randn(7, 5, 4)
    layer.eval()
    expected = layer(x)[0]
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(again(x)[0], expected)


def test_any_layout_of_the_input_gives_the_same():
    layer = fgn.torch.GRU(4, 6)
    x = torch.randn(7, 5, 4)
    expected = layer(x)[0]
    wide = torch.zeros(7, 5, 8)
    wide[..., ::2] = x
    assert torch.equal(layer(wide[..., ::2])[0], expected)
    assert torch.equal(layer(x.permute(2, 1, 0).contiguous().permute(2, 1, 0))[0], expected)
    other = torch.from_numpy(x.numpy()[::-1].copy()).flip(0)
    assert torch.equal(layer(other)[0], expected)
    # A view of negated numbers, which are negated where they are read.
    negated = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert negated.is_neg() and torch.equal(layer(negated)[0], expected)


def test_gradients_of_frozen_weights_and_of_states_alone():
    ours, theirs = pair(fgn.torch.LSTM, torch.nn.LSTM)
    for parameter in [*ours.parameters(), *theirs.parameters()]:
        parameter.requires_grad_(False)
    x = torch.randn(7, 5, 4)
    gradients = []
    for layer in (ours, theirs):
        mine = x.clone().requires_grad_()
        layer(mine)[1][1].sum().backward()
        gradients.append(mine.grad)
    close(*gradients, 1e-4)


def test_no_gradient_is_kept_where_none_is_wanted():
    layer = fgn.torch.LSTM(4, 6)
    with torch.no_grad():
        assert layer(torch.randn(7, 5, 4))[0].grad_fn is None
    with torch.inference_mode():
        layer(torch.randn(7, 5, 4))


def test_dropout_lies_between_layers():
    torch.manual_seed(1)
    layer = fgn.torch.LSTM(4, 64, num_layers=2, dropout=0.5)
    x = torch.randn(7, 5, 4)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    ours, theirs = pair(fgn.torch.LSTM, torch.nn.LSTM, num_layers=2, dropout=1.0)
    close(ours(x)[0], theirs(x)[0], 1e-5)
    with pytest.warns(UserWarning, match="single layer"):
        fgn.torch.LSTM(4, 6, dropout=0.5)


def test_a_training_step_learns():
    torch.manual_seed(0)
    layer, head = fgn.torch.FGN(1, 16), torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], 1e-2)
    x = torch.randn(10, 32, 1)
    target = x.sum(0)
    losses = []
    for _ in range(60):
        loss = (head(layer(x)[0][-1]) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
