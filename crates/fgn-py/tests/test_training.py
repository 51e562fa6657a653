"""Trainings: callbacks, interruptions, resumed runs."""

import json
import math
import os
import subprocess
import sys
import threading

import pytest

import fgn

SMALL = {
    "training.batch_size": 50,
    "data.validation": 59500,
    "model.recurrent.hidden_size": 8,
}


def test_metrics_come_as_it_trains(digits):
    _, result, epochs = digits
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert epochs == result.history
    assert set(epochs[0]) >= {"step", "train_loss", "valid_loss", "valid_accuracy", "learning_rate"}
    assert result.end == "finished" and result.steps == 100
    assert 0.2 < result.test["accuracy"] <= 1.0
    with open(f"{result.run}/metrics.jsonl") as lines:
        assert json.loads(next(lines))["valid_loss"] == epochs[0]["valid_loss"]


def test_steps_are_numbered(tmp_path):
    steps = []
    overrides = {**SMALL, "training.epochs": 1}
    fgn.train("mnist-rows", overrides, out=tmp_path / "run", report=False, on_step=steps.append)
    assert [step["total"] for step in steps] == list(range(1, 11))
    assert all(math.isfinite(step["loss"]) and step["gradient_norm"] > 0 for step in steps)


def test_a_report_is_written_unless_it_is_not_wanted(tmp_path):
    fgn.train("mnist-rows", {**SMALL, "training.epochs": 1}, out=tmp_path / "run")
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "curves.svg").is_file()


def test_an_exception_of_a_callback_leaves_a_run_that_resumes_exactly(tmp_path):
    overrides = {**SMALL, "training.epochs": 2}
    whole = fgn.train("mnist-rows", overrides, out=tmp_path / "whole", report=False)

    def stop(step):
        if step["total"] == 13:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough") as raised:
        fgn.train("mnist-rows", overrides, out=tmp_path / "run", report=False, on_step=stop)
    if sys.version_info >= (3, 11):
        assert "fgn.train(resume=" in raised.value.__notes__[0]
    again = fgn.train(resume=tmp_path / "run", report=False)
    assert again.test == whole.test
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "run"))
    assert one == other
    # Finished: there is nothing to do.
    done = fgn.train("mnist-rows", overrides, out=tmp_path / "run", continued=True, report=False)
    assert done is None


CTRL_C = """
import os, signal, sys, fgn

def press(step):
    if step["total"] == 5:
        os.kill(os.getpid(), signal.SIGINT)

try:
    fgn.train("mnist-rows", %r, out=sys.argv[1], report=False, on_step=press)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    program = CTRL_C % {**SMALL, "training.epochs": 50}
    done = subprocess.run(
        [sys.executable, "-c", program, run], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "interrupted", done.stderr
    assert any(os.scandir(run / "checkpoints"))
    steps = []

    def stop(step):
        steps.append(step["total"])
        raise LookupError

    with pytest.raises(LookupError):
        fgn.train(resume=run, report=False, on_step=stop)
    assert steps[0] in (6, 7)


def test_other_threads_run_meanwhile(tmp_path):
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    fgn.train("mnist-rows", {**SMALL, "training.epochs": 1}, out=tmp_path / "run", report=False)
    done.set()
    thread.join()
    assert len(ticks) > 10


def test_recipes_have_names():
    assert {"mnist", "series", "text"} <= set(fgn.recipes())
    assert fgn.instruction_set() in {"avx512", "avx2", "neon", "portable"}
