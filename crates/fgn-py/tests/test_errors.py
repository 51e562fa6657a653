"""What does not fit is an exception that says what was found and what was expected."""

import numpy as np
import pytest
import torch

import fgn
import fgn.torch
from fgn import _fgn

X = torch.zeros(7, 5, 4)


def lstm(**options):
    return fgn.torch.LSTM(4, 6, **options)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: lstm()(X.double()), "input: expected torch.float32, as the parameters are, got torch.float64"),
        (lambda: lstm()(X.half()), "got torch.float16"),
        (lambda: lstm()(X.int()), "got torch.int32"),
        (lambda: lstm()(X.to("meta")), "runs on the CPU, got a tensor on meta"),
        (lambda: lstm().to("meta")(X), "parameters: this build of fgn.torch runs on the CPU"),
        (lambda: lstm().half()(X.half()), "parameters: expected torch.float32 or torch.float64, got torch.float16"),
        (lambda: lstm()(X.to_sparse()), "expected a dense tensor, got torch.sparse_coo"),
        (lambda: lstm()(X.numpy()), "expected a tensor or a PackedSequence, got ndarray"),
        (lambda: lstm()(X[..., :3]), "input: expected 4 features last, got shape (7, 5, 3)"),
        (lambda: lstm()(X[0, 0]), "expected 2 or 3 dimensions, got shape (4,)"),
        (lambda: lstm()(X[None]), "expected 2 or 3 dimensions, got shape (1, 7, 5, 4)"),
        (lambda: lstm()(X[:0]), "no size may be zero"),
        (lambda: lstm()(X[:, :0]), "no size may be zero"),
        (lambda: lstm()(X, torch.zeros(1, 5, 6)), "initial states: expected 2, h, c, got 1"),
        (lambda: lstm()(X, (torch.zeros(1, 5, 6), torch.zeros(1, 4, 6))), "state c: expected shape (1, 5, 6), got (1, 4, 6)"),
        (lambda: lstm()(X, (torch.zeros(1, 5, 6), torch.zeros(1, 5, 6).double())), "state c: expected torch.float32"),
        (lambda: lstm()(X, (torch.zeros(1, 5, 6), None)), "state c: expected a tensor, got NoneType"),
        (lambda: lstm()(X, lengths=[7, 7]), "one of at least 1 for each of 5 sequences, got [7, 7]"),
        (lambda: lstm()(X, lengths=[7, 7, 0, 7, 7]), "at least 1 for each"),
        (lambda: lstm()(X, lengths=[7, 7, 8, 7, 7]), "expected lengths of 1 to 7, got 8 for sequence 2"),
        (lambda: lstm()(X, lengths=torch.ones(5)), "lengths: expected whole numbers, got torch.float32"),
        (lambda: lstm()(X, resets=torch.zeros(5, 7)), "resets: expected 7 steps of 5 sequences, got (5, 7)"),
        (lambda: fgn.torch.LSTM(0, 6), "input_size: expected a whole number of at least 1, got 0"),
        (lambda: fgn.torch.LSTM(4, 6.5), "hidden_size: expected a whole number"),
        (lambda: lstm(proj_size=6), "expected a projection to 1 to 5 units, got 6"),
        (lambda: lstm(dropout=1.5), "dropout: expected a number from 0 to 1, got 1.5"),
        (lambda: lstm(zoneout=1.0), "zoneout of at least 0 and below 1, got 1"),
        (lambda: lstm(zoneout=[0.1, 0.1, 0.1]), "at most 2 rates of zoneout"),
        (lambda: lstm(clip=-1.0), "clipped at a finite number above 0, got -1"),
        (lambda: lstm(dtype=torch.bfloat16), "dtype: expected torch.float32 or torch.float64"),
        (lambda: fgn.torch.Recurrent("lsmt", 4, 6), "unknown variant `lsmt`"),
        (lambda: fgn.torch.FGN(4, 6, z="one"), "unknown variant `one`"),
        (lambda: fgn.torch.MinGRU(4, 6, hidden_dropout=0.1), "no gate of min-gru uses the hidden state"),
        (lambda: fgn.load("no/such/run"), "no/such/run"),
        (lambda: fgn.train("no-such-recipe"), "no-such-recipe"),
        (lambda: fgn.train("mnist-rows", {"training.epohcs": 1}), "epohcs"),
        (lambda: fgn.train("mnist-rows", {"training.epochs": object()}), "training.epochs: expected a string, number"),
        (lambda: fgn.train(resume="runs/x", overrides={}), "resume: expected no overrides beside it"),
        (lambda: fgn.train(continued=True), "continued: expected out"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(fgn.Error) as found:
        call()
    assert message in str(found.value)
    assert isinstance(found.value, ValueError)


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="unknown option 'layernorm'"):
        lstm(layernorm=True)


def arguments(layer):
    count = sum(int(np.prod(shape)) for _, shape in layer.parameters)
    return [np.zeros((7, 5, 4), np.float32), np.zeros(count, np.float32), np.zeros((2, 5, 6), np.float32)]


REST = {"reverse": False, "lengths": None, "resets": None, "seed": None, "save": True}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: [a[0][::-1], *a[1:]], "input: expected a contiguous, aligned array"),
        (lambda a: [np.asfortranarray(a[0]), *a[1:]], "input: expected a contiguous, aligned array"),
        (lambda a: [a[0].astype(">f4"), *a[1:]], "input: expected [T, B, I] in float32 or float64, got >f4"),
        (lambda a: [a[0].tolist(), *a[1:]], "input: expected [T, B, I] in float32 or float64, got <class 'list'>"),
        (lambda a: [a[0], a[1].astype(np.float64), a[2]], "weights: expected an array of float32 with 1 dimensions"),
        (lambda a: [a[0], a[1][1:].copy(), a[2]], "packed weights, got"),
        (lambda a: [a[0], a[1], a[2][:1].copy()], "states: expected [2, 5, 6], got shape [1, 5, 6]"),
        (lambda a: [unaligned(a[0]), *a[1:]], "input: expected a contiguous, aligned array in C order, got unaligned memory"),
    ],
)
def test_the_native_half_checks_its_arrays(change, message):
    layer = _fgn.Layer('{"cell": {"name": "lstm"}, "input_size": 4, "hidden_size": 6}')
    with pytest.raises(fgn.Error) as found:
        layer.forward(*change(arguments(layer)), **REST)
    assert message in str(found.value)


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    return memory[1:].view(np.float32).reshape(array.shape)


def test_gradients_of_another_shape_are_refused():
    layer = _fgn.Layer('{"cell": {"name": "lstm"}, "input_size": 4, "hidden_size": 6}')
    given = arguments(layer)
    output, _, saved = layer.forward(*given, **REST)
    with pytest.raises(fgn.Error, match="expected 210 output gradients, got 180"):
        saved.backward(*given, output[:6].copy(), None, (True, True))
    with pytest.raises(fgn.Error, match="of the type of the forward pass"):
        wide = [array.astype(np.float64) for array in given]
        saved.backward(*wide, output.astype(np.float64), None, (True, True))
    # What was saved is still there.
    assert saved.backward(*given, output, None, (True, False))[2] is None


@pytest.mark.parametrize("config", ["", "{", "[]", '{"cell": {"name": "lstm"}}'])
def test_a_configuration_that_is_no_json_is_an_error(config):
    with pytest.raises(fgn.Error):
        _fgn.Layer(config)
