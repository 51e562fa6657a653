"""Small models, trained once for all tests."""

import random

import pytest

import fgn

TEXT = "the cat sat on the mat. the dog lay on the log. "


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def digits(folder):
    """A classifier of images, and what its training gave: the result, and the dicts of the epochs."""
    epochs = []
    overrides = {
        "training.epochs": 2,
        "training.batch_size": 20,
        "data.validation": 59000,
        "model.recurrent.hidden_size": 16,
        "optimizer.learning_rate": 0.01,
    }
    out = folder / "digits"
    result = fgn.train("mnist-rows", overrides, out=out, report=False, on_epoch=epochs.append)
    return fgn.load(out), result, epochs


@pytest.fixture(scope="session")
def series(folder):
    """A classifier of series: whether they rise or fall."""
    draw = random.Random(1)
    rows = ["id,kind,level,noise"]
    for sequence in range(120):
        slope = 1 if sequence % 2 else -1
        for step in range(6):
            rows.append(f"{sequence},{'up' if slope > 0 else 'down'},{1000 + slope * step + draw.random()},{draw.random()}")
    table = folder / "steps.csv"
    table.write_text("\n".join(rows) + "\n")
    overrides = {
        "data.series.target": "kind",
        "training.epochs": 5,
        "training.batch_size": 10,
        "model.recurrent.hidden_size": 8,
        "optimizer.learning_rate": 0.02,
    }
    result = fgn.train("series", overrides, data=table, out=folder / "series", report=False)
    return fgn.load(result.run)


@pytest.fixture(scope="session")
def language(folder):
    """A language model of a few words."""
    book = folder / "book.txt"
    book.write_text(TEXT * 60)
    overrides = {
        "training.epochs": 4,
        "training.batch_size": 4,
        "training.warmup_steps": 0,
        "training.average": 0.5,
        "optimizer.learning_rate": 0.02,
        "data.text.window": 16,
        "model.recurrent.hidden_size": 24,
    }
    result = fgn.train("text", overrides, data=book, out=folder / "text", report=False)
    return fgn.load(result.run)
