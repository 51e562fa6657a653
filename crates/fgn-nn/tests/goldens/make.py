"""Writes the goldens: small safetensors files that hold, for one recurrent network each, the input,
the parameters, the initial states, and what PyTorch makes of them in float64: output, final states
and the gradient by every number that went in.

    pip install -r requirements.txt
    pip install --no-deps -r packages.txt
    python make.py

writes the same files again, on the same processor bit for bit. What a file holds:

    x                  [T, B, I]      the input
    weights.{name}                    the parameters, with PyTorch's names
    states{place}      [S, B, H]      initial states; place is _l{layer} and, backward, _reverse
    resets             [T, B]         u8, where the case has it
    output             [T, B, D * P]  what the last layer puts out
    final{place}       [S, B, H]      states after the last step
    grad.{any of x, weights.{name}, states{place}}

A hidden state of P < H numbers is filled up with zeros. The loss of the gradients is
`sum(output * sin(n)) + sum(final * cos(n + 10 * place))`, n the place of a number in its tensor and
`place` that of layer and direction, so that no two numbers weigh the same. The metadata has the cell,
the options and the layers, as JSON under `golden`.

All that goes in is exact in float32. The cells that PyTorch has come from its own modules; the steps of
some are those of well-known packages, in packages.py; the others are in equations.py.
"""

import itertools
import json
import pathlib

import torch
from safetensors.torch import save_file

import equations
import packages

FOLDER = pathlib.Path(__file__).parent
STEPS, BATCH, INPUT, HIDDEN = 7, 3, 3, 5
LENGTHS = [4, 7, 1]


def draw(generator, *shape, scale=1.0):
    """Random numbers that float32 holds exactly, of which the gradient is wanted."""
    numbers = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    return numbers.float().double().requires_grad_()


def weigh(tensor, function, start=0):
    """The sum of the tensor's numbers, each with a weight of its own."""
    places = torch.arange(tensor.numel(), dtype=torch.float64) + start
    return (tensor * function(places).reshape(tensor.shape)).sum()


def write(name, head, arguments, output, finals, constants=()):
    """Differentiates and writes one golden. `finals` go by their place's name."""
    loss = weigh(output, torch.sin)
    for place, final in enumerate(finals.values()):
        loss = loss + weigh(final, torch.cos, 10 * place)
    gradients = torch.autograd.grad(loss, list(arguments.values()))
    tensors = dict(arguments) | dict(constants) | {"output": output}
    tensors |= {f"final{place}": final for place, final in finals.items()}
    tensors |= {f"grad.{name}": gradient for name, gradient in zip(arguments, gradients)}
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(head, sort_keys=True)
    save_file(tensors, FOLDER / f"{name}.safetensors", {"golden": text})


def from_module(
    name, cell, module, layers=1, bidirectional=False, lengths=None, projection=None, bias=True, **more
):
    """The golden of a module of torch.nn."""
    generator = torch.Generator().manual_seed(1)
    module = module(
        INPUT,
        HIDDEN,
        num_layers=layers,
        bidirectional=bidirectional,
        bias=bias,
        dtype=torch.float64,
        **({"proj_size": projection} if projection else {}),
        **more,
    )
    for parameter in module.parameters():
        parameter.data = draw(generator, *parameter.shape, scale=0.5).data
    x = draw(generator, STEPS, BATCH, INPUT)
    suffixes = ["", "_reverse"] if bidirectional else [""]
    places = [f"_l{layer}{suffix}" for layer in range(layers) for suffix in suffixes]
    is_lstm = isinstance(module, torch.nn.LSTM)
    visible = projection or HIDDEN

    def padded(*states):
        rows = [torch.nn.functional.pad(s, (0, HIDDEN - s.shape[-1])) for s in states]
        return torch.stack(rows)

    states = {}
    for place in places:
        first = [draw(generator, BATCH, visible)] + [draw(generator, BATCH, HIDDEN)] * is_lstm
        states[place] = padded(*first).detach().requires_grad_()
    first = torch.stack([states[place][0, :, :visible] for place in places])
    if is_lstm:
        first = (first, torch.stack([states[place][1] for place in places]))
    pack = torch.nn.utils.rnn
    given = pack.pack_padded_sequence(x, lengths, enforce_sorted=False) if lengths else x
    output, last = module(given, first)
    if lengths:
        output, _ = pack.pad_packed_sequence(output, total_length=STEPS)
    last = last if is_lstm else (last,)
    finals = {place: padded(*(s[n] for s in last)) for n, place in enumerate(places)}

    options = {"lengths": lengths, "projection": projection}
    options = {key: value for key, value in options.items() if value}
    head = {"cell": cell, "options": options, "layers": layers, "bidirectional": bidirectional}
    arguments = {"x": x} | {f"weights.{n}": p for n, p in module.named_parameters()}
    arguments |= {f"states{place}": state for place, state in states.items()}
    write(name, head, arguments, output, finals)


def from_equations(
    name, cell, shapes, step, states=1, vectors=(), bi=None, positive=None, **options
):
    """The golden of a step in plain tensor operations. `shapes` are the numbers of blocks in
    weight_ih, weight_hh and bias_hh, `bi` that in bias_ih where it is not that in weight_ih. The state
    `positive` begins above 0.5."""
    generator = torch.Generator().manual_seed(1)
    norm = options.get("norm", {})
    ih, hh, bh = shapes
    sizes = {
        "weight_ih": (ih * HIDDEN, INPUT),
        "weight_hh": (hh * HIDDEN, HIDDEN),
        "bias_ih": ((ih if bi is None else bi) * HIDDEN,),
        "bias_hh": (bh * HIDDEN,),
    }
    sizes |= {vector: (HIDDEN,) for vector in vectors}
    if norm.get("pre"):
        # A block that has biases is normalised: a linear one has none.
        sizes["norm_pre"] = (ih * HIDDEN,)
    if norm.get("memory"):
        sizes |= {"norm_memory": (HIDDEN,), "norm_memory_bias": (HIDDEN,)}
    weights = {n: draw(generator, *s, scale=0.7) for n, s in sizes.items() if s[0]}
    x = draw(generator, STEPS, BATCH, INPUT)
    first = draw(generator, states, BATCH, HIDDEN)
    if positive is not None:
        first = first.detach()
        first[positive] = (first[positive].abs() + 0.5).float().double()
        first.requires_grad_()

    constants = {}
    if options.pop("resets", False):
        constants["resets"] = torch.zeros(STEPS, BATCH, dtype=torch.uint8)
        for place in [(0, 1), (3, 0), (3, 2), (6, 2)]:
            constants["resets"][place] = 1
    output, last = equations.run(step, weights, x, first, constants.get("resets"), options)
    head = {"cell": cell, "options": options, "layers": 1, "bidirectional": False}
    arguments = {"x": x} | {f"weights.{n}_l0": w for n, w in weights.items()}
    arguments |= {"states_l0": first}
    write(name, head, arguments, output, {"_l0": last}, constants)


def of_modules():
    rnns = [
        ("lstm", {"name": "lstm"}, torch.nn.LSTM, {}),
        ("gru", {"name": "gru"}, torch.nn.GRU, {}),
        ("rnn-tanh", {"name": "rnn", "activation": "tanh"}, torch.nn.RNN, {}),
        ("rnn-relu", {"name": "rnn", "activation": "relu"}, torch.nn.RNN, {"nonlinearity": "relu"}),
    ]
    for name, cell, module, more in rnns:
        for layers, both in [(1, False), (1, True), (2, False), (2, True), (3, True)]:
            ways = "-both" if both else ""
            from_module(f"{name}-{layers}{ways}", cell, module, layers, both, **more)
        from_module(f"{name}-1-lengths", cell, module, 1, False, LENGTHS, **more)
        from_module(f"{name}-1-both-lengths", cell, module, 1, True, LENGTHS, **more)
    _, lstm, module, _ = rnns[0]
    from_module("lstm-1-projection", lstm, module, projection=2)
    from_module("lstm-2-both-projection-lengths", lstm, module, 2, True, LENGTHS, projection=2)
    from_module("lstm-2-no-bias", lstm, module, 2, bias=False)


def of_equations():
    lstm, gru = {"name": "lstm"}, {"name": "gru"}
    four = (4, 4, 4)
    for z, readout, forgetting in itertools.product(
        ["zero", "linear"], ["gated", "single"], ["soft", "binary"]
    ):
        cell = {"name": "fgn", "z": z, "readout": readout, "forgetting": forgetting}
        shapes = (5, 5 if z == "linear" else 4, 4)
        step = equations.fgn(z, readout, forgetting)
        from_equations(f"fgn-{z}-{readout}-{forgetting}", cell, shapes, step, states=2)
    from_equations("fgn-scan", {"name": "fgn-scan"}, (4, 0, 0), equations.fgn_scan, 1, ["w_o"])

    peepholes = ["p_i", "p_f", "p_o"]
    from_equations("peephole-lstm", {"name": "peephole-lstm"}, four, equations.peephole, 2, peepholes)
    from_equations("cifg", {"name": "cifg"}, (3, 3, 3), equations.cifg, 2)
    from_equations("janet", {"name": "janet"}, (2, 2, 2), equations.janet)
    from_equations("gru-equations", gru, (3, 3, 3), equations.gru)
    from_equations("mgu", {"name": "mgu"}, (2, 2, 1), equations.mgu)
    from_equations("ur-lstm", {"name": "ur-lstm"}, four, equations.ur_lstm, 2)
    from_equations("min-gru", {"name": "min-gru"}, (2, 0, 0), packages.min_gru)
    from_equations("min-lstm", {"name": "min-lstm"}, (3, 0, 0), packages.min_lstm)
    from_equations("slstm", {"name": "slstm"}, four, packages.slstm, 4, positive=2)
    from_equations("sru", {"name": "sru"}, (4, 0, 0), equations.sru, 1, ["v_f", "v_r"], bi=2)
    from_equations("ind-rnn", {"name": "ind-rnn"}, (1, 0, 0), equations.ind_rnn, 1, ["u"])

    from_equations("lstm-equations", lstm, four, equations.lstm, 2)
    for pre, memory in [(True, False), (False, True), (True, True)]:
        norm = {"pre": pre, "memory": memory}
        names = "-".join(name for name, on in norm.items() if on)
        from_equations(f"lstm-norm-{names}", lstm, four, equations.lstm, 2, norm=norm)
    cell = {"name": "fgn", "z": "linear"}
    step = equations.fgn("linear", "gated", "soft")
    norm = {"pre": True, "memory": True}
    from_equations("fgn-norm-pre-memory", cell, (5, 5, 4), step, 2, norm=norm)
    from_equations("lstm-zoneout", lstm, four, equations.lstm, 2, zoneout=[0.125, 0.375])
    from_equations("gru-zoneout", gru, (3, 3, 3), equations.gru, zoneout=[0.25])
    from_equations("lstm-resets", lstm, four, equations.lstm, 2, resets=True)
    from_equations("gru-resets", gru, (3, 3, 3), equations.gru, resets=True)
    # A hidden state of an LSTM stays below 1: the clip is that of the memory.
    from_equations("lstm-clip", lstm, four, equations.lstm, 2, clip=1.0)
    from_equations(
        "lstm-all", lstm, four, equations.lstm, 2, norm=norm, zoneout=[0.125, 0.375], resets=True, clip=1.0
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    of_modules()
    of_equations()
