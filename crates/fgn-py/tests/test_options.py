"""The options that PyTorch's layers lack."""

import pytest
import torch

import fgn.torch
from cells import ALL


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


@pytest.mark.parametrize("cell", ALL, ids=lambda cell: cell.__name__)
def test_pieces_give_what_the_whole_gives(cell):
    layer = cell(3, 8, num_layers=2)
    x = torch.randn(9, 2, 3)
    whole, final = layer(x)
    first, state = layer(x[:4])
    second, last = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, atol=1e-5, rtol=1e-5)
    for one, other in zip(last, final):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert isinstance(final, torch.Tensor) == (len(layer.state_names) == 1)


def test_a_reset_begins_a_new_sequence():
    layer = fgn.torch.LSTM(3, 8)
    x = torch.randn(9, 2, 3)
    resets = torch.zeros(9, 2, dtype=torch.bool)
    resets[5, 1] = True
    output, _ = layer(x, resets=resets)
    torch.testing.assert_close(output[:, 0], layer(x)[0][:, 0])
    torch.testing.assert_close(output[5:, 1], layer(x[5:])[0][:, 1])
    first = fgn.torch.LSTM(3, 8, batch_first=True)
    first.load_state_dict(layer.state_dict())
    again, _ = first(x.transpose(0, 1), resets=resets.transpose(0, 1))
    torch.testing.assert_close(again.transpose(0, 1), output)


def test_layer_norm_has_parameters_of_its_own():
    layer = fgn.torch.LSTM(3, 8, layer_norm=True, memory_norm=True)
    shapes = {name: tuple(value.shape) for name, value in layer.named_parameters()}
    assert shapes["norm_pre_l0"] == (32,)
    assert shapes["norm_memory_l0"] == shapes["norm_memory_bias_l0"] == (8,)
    assert torch.equal(layer.norm_pre_l0, torch.ones(32))
    assert torch.equal(layer.norm_memory_bias_l0, torch.zeros(8))
    # The pre-activations of the first step do not depend on how large the input is.
    x = torch.randn(1, 2, 3)
    torch.testing.assert_close(layer(1000 * x)[0], layer(10 * x)[0], atol=1e-4, rtol=1e-4)
    plain = fgn.torch.LSTM(3, 8)
    assert (plain(1000 * x)[0] - plain(10 * x)[0]).abs().max() > 1e-2


def test_zoneout_keeps_states_in_training_alone():
    layer = fgn.torch.LSTM(3, 64, zoneout=(0.5, 0.0))
    x = torch.randn(6, 2, 3)
    hidden = torch.full((1, 2, 64), 0.123)
    output, _ = layer(x[:1], (hidden, torch.zeros(1, 2, 64)))
    kept = (output[0] == 0.123).float().mean().item()
    assert 0.3 < kept < 0.7
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_the_seed_is_pytorchs():
    layer = fgn.torch.GRU(3, 16, hidden_dropout=0.5)
    x = torch.randn(6, 2, 3)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(layer(x)[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_weight_drop_variational_dropout_clip_and_residual():
    x = torch.randn(6, 2, 8)
    dropped = fgn.torch.LSTM(8, 8, weight_drop=0.5)
    assert not torch.equal(dropped(x)[0], dropped(x)[0])
    dropped.eval()
    assert torch.equal(dropped(x)[0], dropped(x)[0])

    clipped = fgn.torch.RNN(8, 8, clip=0.01)
    assert clipped(x)[1].abs().max() <= 0.01 + 1e-7

    plain = fgn.torch.LSTM(8, 8, num_layers=2)
    residual = fgn.torch.LSTM(8, 8, num_layers=2, residual=True)
    residual.load_state_dict(plain.state_dict())
    lower = fgn.torch.LSTM(8, 8)
    lower.load_state_dict({name: value for name, value in plain.state_dict().items() if name.endswith("_l0")})
    torch.testing.assert_close(residual(x)[0], plain(x)[0] + lower(x)[0])

    layer = fgn.torch.LSTM(8, 32, num_layers=2, dropout=0.5, variational_dropout=True)
    masked = layer._dropped(torch.ones(6, 2, 32))
    assert all(torch.equal(masked[0], masked[step]) for step in range(6))
    assert 0 < (masked == 0).float().mean() < 1


def test_every_cell_has_fgns_own_initial_parameters():
    torch.manual_seed(1)
    one = fgn.torch.FGN(3, 8).state_dict()
    torch.manual_seed(1)
    other = fgn.torch.FGN(3, 8).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    torch.manual_seed(2)
    assert not torch.equal(fgn.torch.FGN(3, 8).weight_ih_l0, one["weight_ih_l0"])


def test_a_representation_names_what_is_not_the_default():
    layer = fgn.torch.LSTM(3, 8, 2, batch_first=True, layer_norm=True)
    assert repr(layer) == "LSTM(3, 8, num_layers=2, batch_first=True, layer_norm=True)"
