"""Steps of cells as well-known packages compute them; for their arguments see equations.py."""

import importlib.metadata
import importlib.util
import sys

import torch


def file(package, path, name):
    """One file of an installed package, under a module's name: the package as a whole wants more."""
    place = importlib.metadata.distribution(package).locate_file(path)
    spec = importlib.util.spec_from_file_location(name, place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


xlstm = file("xlstm", "xlstm/blocks/slstm/src/vanilla/slstm.py", "slstm")
gru = file("minGRU-pytorch", "minGRU_pytorch/minGRU.py", "minGRU_pytorch.minGRU")
lstm = file("minGRU-pytorch", "minGRU_pytorch/minLSTM.py", "minGRU_pytorch.minLSTM")


def slstm(pre, states, weights, read):
    raw = torch.cat([pre.sum(place) for place in range(4)], -1)
    following, _ = xlstm.slstm_forward_pointwise(raw, 0.0, 0.0, states, {})
    h, c, n, m = following
    return h, [h, c, n, m]


def minimal(module, gates, candidate):
    """A step of a module whose linear map is taken out: it is given the pre-activations."""
    setattr(module, gates, torch.nn.Identity())

    def step(pre, states, weights, read):
        given = torch.cat([pre.x(candidate)] + [pre.x(gate) for gate in range(candidate)], -1)
        h = module(given[:, None], states[0][:, None])[:, 0]
        return h, [h]

    return step


min_gru = minimal(gru.minGRU(1), "to_hidden_and_gate", 1)
min_lstm = minimal(lstm.minLSTM(1), "to_hidden_and_f_i_gate", 2)
