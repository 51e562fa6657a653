"""Recurrent cells as plain loops over time, written from their papers' equations; autograd
differentiates them. Rows of weights are outputs, as in PyTorch.

A step takes the pre-activations, the previous states, the weights, and `read`, which the memory passes
before the output is read from it: the identity, or a layer normalisation. It gives the output and the
next states.
"""

import torch

EPSILON = 1e-5
sigmoid, tanh, relu = torch.sigmoid, torch.tanh, torch.relu


class Pre:
    """The pre-activations of one step. `pre.sum(place)` is a block of both the input and the hidden
    state; `pre.x` and `pre.h` are the two parts, where the cell keeps them apart."""

    def __init__(self, weights, x, hidden, norm):
        self.size = hidden.shape[-1]
        self.gain = weights.get("norm_pre") if norm else None
        self.products = [x @ weights["weight_ih"].T, self.linear(weights, "weight_hh", hidden)]
        self.biases = [weights.get("bias_ih"), weights.get("bias_hh")]

    @staticmethod
    def linear(weights, name, value):
        return value @ weights[name].T if name in weights else None

    def rows(self, tensor, place):
        """The block at `place`; nothing where a tensor has no rows for it."""
        if tensor is None or tensor.shape[-1] < (place + 1) * self.size:
            return 0.0
        return tensor[..., place * self.size : (place + 1) * self.size]

    def block(self, place, parts):
        value = sum(self.rows(self.products[part], place) for part in parts)
        bias = sum(self.rows(self.biases[part], place) for part in parts)
        if self.gain is not None:
            value = self.rows(self.gain, place) * normal(value)
        return value + bias

    def x(self, place):
        return self.block(place, [0])

    def h(self, place):
        return self.block(place, [1])

    def linear_h(self, place):
        return self.rows(self.products[1], place)

    def sum(self, place):
        return self.block(place, [0, 1])


def normal(value):
    """Mean 0 and variance 1 over the units."""
    mean = value.mean(-1, keepdim=True)
    variance = ((value - mean) ** 2).mean(-1, keepdim=True)
    return (value - mean) / torch.sqrt(variance + EPSILON)


def run(step, weights, x, states, resets, options):
    """All steps; gives the outputs and the final states. The output of a cell that puts out its first
    state is that state as it is handed on."""
    norm = options.get("norm", {})
    zoneout = options.get("zoneout")
    clip = options.get("clip")

    def read(memory):
        if not norm.get("memory"):
            return memory
        return weights["norm_memory"] * normal(memory) + weights["norm_memory_bias"]

    outputs = []
    for t in range(x.shape[0]):
        previous = states
        if resets is not None:
            previous = previous * (1 - resets[t].double())[None, :, None]
        pre = Pre(weights, x[t], previous[0], norm.get("pre"))
        output, following = step(pre, previous, weights, read)
        hidden_is_output = output is following[0]
        if zoneout:
            pairs = zip(zoneout, previous, following)
            following = [z * before + (1 - z) * after for z, before, after in pairs]
        if clip:
            following = [state.clamp(-clip, clip) for state in following]
        states = torch.stack(list(following))
        outputs.append(states[0] if hidden_is_output else output)
    return torch.stack(outputs), states


def lstm(pre, states, weights, read):
    i, f, g, o = sigmoid(pre.sum(0)), sigmoid(pre.sum(1)), tanh(pre.sum(2)), sigmoid(pre.sum(3))
    c = f * states[1] + i * g
    m = o * tanh(read(c))
    return m, [m, c]


def fgn(z, readout, forgetting):
    def step(pre, states, weights, read):
        m, following = lstm(pre, states, weights, read)
        phi = sigmoid(pre.x(4))
        if forgetting == "binary":
            # Forward 0 or 1, backward the sigmoid.
            phi = phi + ((phi >= 0.5).double() - phi).detach()
        value = sigmoid(pre.sum(3)) * m if readout == "gated" else m
        rest = pre.linear_h(4) if z == "linear" else 0.0
        return phi * value + (1 - phi) * rest, following

    return step


def fgn_scan(pre, states, weights, read):
    phi, a, i, u = sigmoid(pre.x(0)), sigmoid(pre.x(1)), sigmoid(pre.x(2)), tanh(pre.x(3))
    c = phi * states[0] + (1 - phi) * a + i * u
    return tanh(c) * sigmoid(weights["w_o"]), [c]


def peephole(pre, states, weights, read):
    c = states[1]
    i = sigmoid(pre.sum(0) + weights["p_i"] * c)
    f = sigmoid(pre.sum(1) + weights["p_f"] * c)
    c = f * c + i * tanh(pre.sum(2))
    m = sigmoid(pre.sum(3) + weights["p_o"] * c) * tanh(c)
    return m, [m, c]


def cifg(pre, states, weights, read):
    f, g, o = sigmoid(pre.sum(0)), tanh(pre.sum(1)), sigmoid(pre.sum(2))
    c = f * states[1] + (1 - f) * g
    m = o * tanh(c)
    return m, [m, c]


def janet(pre, states, weights, read):
    beta = 1.0
    s = pre.sum(0)
    h = sigmoid(s) * states[0] + (1 - sigmoid(s - beta)) * tanh(pre.sum(1))
    return h, [h]


def gru(pre, states, weights, read):
    r, z = sigmoid(pre.sum(0)), sigmoid(pre.sum(1))
    n = tanh(pre.x(2) + r * pre.h(2))
    h = (1 - z) * n + z * states[0]
    return h, [h]


def mgu(pre, states, weights, read):
    f = sigmoid(pre.sum(0))
    n = tanh(pre.x(1) + f * pre.linear_h(1))
    h = (1 - f) * states[0] + f * n
    return h, [h]


def ur_lstm(pre, states, weights, read):
    f, r, u, o = sigmoid(pre.sum(0)), sigmoid(pre.sum(1)), tanh(pre.sum(2)), sigmoid(pre.sum(3))
    g = r * (1 - (1 - f) ** 2) + (1 - r) * f**2
    c = g * states[1] + (1 - g) * u
    m = o * tanh(c)
    return m, [m, c]


def sru(pre, states, weights, read):
    c = states[0]
    f = sigmoid(pre.x(0) + weights["v_f"] * c)
    r = sigmoid(pre.x(1) + weights["v_r"] * c)
    c = f * c + (1 - f) * pre.x(2)
    return r * c + (1 - r) * pre.x(3), [c]


def ind_rnn(pre, states, weights, read):
    h = relu(pre.x(0) + weights["u"] * states[0])
    return h, [h]
