"""The goldens of `tests/cli/import.rs`: weights of PyTorch and Keras, and what their models compute.

    python make.py

Writes `*.pt`, and `goldens.json` with the weights of Keras by their paths and the outputs for `SERIES`. The packages are those
of `benches/peers/python/requirements.txt`.
"""

import json
import os
import pathlib

import numpy
import torch

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras  # noqa: E402, after the backend is chosen

FOLDER = pathlib.Path(__file__).parent
# Two sequences of two features.
SERIES = [
    [[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0], [0.125, 0.0], [1.0, -0.5]],
    [[-2.0, 0.75], [0.5, 0.5], [1.25, -1.5]],
]


class Model(torch.nn.Module):
    """A recurrent layer, and a linear one of the states after the last step of each direction."""

    def __init__(self, kind, **options):
        super().__init__()
        self.rnn = kind(2, 3, batch_first=True, **options)
        self.fc = torch.nn.Linear(6 if options.get("bidirectional") else 3, 2)

    def forward(self, series):
        h = self.rnn(series)[1]
        h = h[0] if isinstance(h, tuple) else h
        return self.fc(torch.cat([h[-2], h[-1]], 1) if self.rnn.bidirectional else h[-1])


def of_torch():
    both = {"num_layers": 2, "bidirectional": True}
    models = {
        "lstm": Model(torch.nn.LSTM),
        "lstm-deep": Model(torch.nn.LSTM, **both),
        "gru": Model(torch.nn.GRU, **both),
        "rnn": Model(torch.nn.RNN, nonlinearity="relu", bias=False),
    }
    outputs = {}
    for name, model in models.items():
        # Numbers that differ and that float32 holds exactly.
        for at, parameter in enumerate(model.parameters()):
            values = (numpy.sin(1.0 + at + 0.7 * numpy.arange(parameter.numel())) * 0.6).round(3)
            parameter.data = torch.tensor(values, dtype=torch.float32).reshape(parameter.shape)
        with torch.no_grad():
            outputs[name] = [model(torch.tensor([series])).tolist()[0] for series in SERIES]
    torch.save(models["lstm"].state_dict(), FOLDER / "lstm.pt")
    # As a checkpoint of a training has it.
    torch.save({"epoch": 3, "state_dict": models["lstm-deep"].state_dict()}, FOLDER / "lstm-deep.pt")
    torch.save(models["gru"].state_dict(), FOLDER / "gru.pt")
    torch.save(models["rnn"].state_dict(), FOLDER / "rnn.pt")
    return outputs


def of_keras():
    def model(*layers):
        return keras.Sequential([keras.layers.Input((None, 2)), *layers, keras.layers.Dense(2, name="dense")])

    wrapped = keras.layers.LSTM(3, return_sequences=True, name="first"), keras.layers.LSTM(3, name="second")
    first, second = (keras.layers.Bidirectional(layer, name=f"both_{layer.name}") for layer in wrapped)
    gru = keras.layers.GRU(3, name="gru")
    found = {}
    for name, (model, layer) in {
        "gru": (model(gru), gru),
        "lstm-deep": (model(first, second), wrapped[0]),
    }.items():
        for at, weight in enumerate(model.weights):
            values = (numpy.cos(1.0 + at + 0.7 * numpy.arange(weight.numpy().size)) * 0.6).round(3)
            weight.assign(values.reshape(weight.shape))
        weights = {
            weight.path: {"shape": list(weight.shape), "data": weight.numpy().flatten().tolist()}
            for weight in model.weights
        }
        outputs = [numpy.array(model(numpy.array([series], "float32"))).tolist()[0] for series in SERIES]
        found[name] = {"weights": weights, "config": layer.get_config(), "outputs": outputs}
    return found


def main():
    goldens = {"series": SERIES, "torch": of_torch(), "keras": of_keras()}
    (FOLDER / "goldens.json").write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
